//! A database whose branch pages name children of an absurd size, read by another process: an error is right, being aborted over terabytes of
//! memory is the bug.
//!
//! A page number's five highest bits are the power of two of its size. A branch page has, after 8 bytes, a checksum of 16 bytes for each
//! child, then a page number of 8 bytes for each (redb's design page, "Branch page"). A database that was closed cleanly is not verified
//! when it is opened, so that the number is used.

use std::error::Error;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use redb::{Database, ReadableDatabase as _, TableDefinition};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("kv");
const PAGE_LEN: usize = 4096;
const BRANCH: u8 = 2;
const ROWS: u64 = 2000;
const VALUE_LEN: usize = 400;
/// The bits of a size.
const LARGEST: u8 = 0xf8;
/// The exit code for what must not happen.
const FOUND: u8 = 3;

/// Takes a directory that is there. Exit code 3 if the process that reads is ended by a signal.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(dir) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: redb-page-number-COLOUR DIR");
        return ExitCode::FAILURE;
    };
    let file = dir.join("redb.db");
    let done = match arguments.next().as_deref() {
        Some("read") => read(&file).map(|()| ExitCode::SUCCESS),
        _ => write(&file).and_then(|()| judge(&dir)),
    };
    done.unwrap_or_else(|error| {
        println!("{error}");
        ExitCode::FAILURE
    })
}

fn write(file: &Path) -> Result<(), Box<dyn Error>> {
    let database = Database::create(file)?;
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(TABLE)?;
        for row in 0..ROWS {
            table.insert(row, &[7; VALUE_LEN][..])?;
        }
    }
    transaction.commit()?;
    drop(database);
    let mut bytes = fs::read(file)?;
    let damaged: usize = bytes.chunks_exact_mut(PAGE_LEN).skip(1).map(damage).sum();
    if damaged == 0 {
        return Err("there is no branch page to damage".into());
    }
    Ok(fs::write(file, bytes)?)
}

/// Gives every child of a branch page the largest size. Says how many there are.
fn damage(page: &mut [u8]) -> usize {
    let children = match page {
        [BRANCH, 0, low, high, ..] => usize::from(u16::from_le_bytes([*low, *high])) + 1,
        _ => return 0,
    };
    let start = 8 + 16 * children;
    let Some(numbers) = page.get_mut(start..start + 8 * children) else {
        return 0;
    };
    for number in numbers.chunks_exact_mut(8) {
        number[7] |= LARGEST;
    }
    children
}

/// What becomes of a process that reads it.
fn judge(dir: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let ended = Command::new(std::env::current_exe()?)
        .arg(dir)
        .arg("read")
        .output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned()
        + &String::from_utf8_lossy(&ended.stdout);
    let said = said.trim();
    Ok(match (ended.status.signal(), ended.status.code()) {
        (Some(signal), _) => {
            println!("ended by signal {signal}: {said}");
            ExitCode::from(FOUND)
        }
        (None, Some(1)) => {
            println!("an error: {said}");
            ExitCode::SUCCESS
        }
        _ => {
            println!("{}: {said}", ended.status);
            ExitCode::FAILURE
        }
    })
}

fn read(file: &Path) -> Result<(), Box<dyn Error>> {
    let database = Database::open(file)?;
    let transaction = database.begin_read()?;
    let table = transaction.open_table(TABLE)?;
    for row in 0..ROWS {
        table.get(row)?;
    }
    Ok(())
}
