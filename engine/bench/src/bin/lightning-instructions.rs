//! Instructions an operation takes, counted by valgrind: a figure that a busy machine does not change.
//!
//! `lightning-instructions` prints one for each operation of a small fixed set. It runs itself under
//! callgrind twice an operation, once doing it `COUNT` times and once twice as often: the difference is
//! the operation's own, without the program's start and the loading of the table.

use std::hint::black_box;
use std::ops::Bound;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use lightning_db::{Database, Durability, Options};

/// Records in the table.
const RECORDS: u64 = 20_000;
/// Operations of the shorter run.
const COUNT: u64 = 1_000;

const OPERATIONS: [&str; 7] = [
    "begin-read",
    "get",
    "range-of-10",
    "scan-entry",
    "put-in-batch",
    "commit-of-one",
    "delete-in-batch",
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [operation, count] => operate(operation, count.parse()?),
        chosen => {
            let wanted =
                |operation: &&&str| chosen.is_empty() || chosen.iter().any(|c| c == **operation);
            for operation in OPERATIONS.iter().filter(wanted) {
                let once = instructions(operation, COUNT)?;
                let twice = instructions(operation, 2 * COUNT)?;
                println!("{operation:20}{:>10}", twice.saturating_sub(once) / COUNT);
            }
            Ok(())
        }
    }
}

/// Runs one operation `count` times under callgrind.
fn instructions(operation: &str, count: u64) -> anyhow::Result<u64> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([operation, &count.to_string()])
        .output()
        .context("instructions are counted by valgrind, which is not here")?;
    let text = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{operation} under valgrind: {text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    let (_, number) = collected.with_context(|| format!("valgrind counted nothing: {text}"))?;
    Ok(number.trim().parse()?)
}

fn operate(operation: &str, count: u64) -> anyhow::Result<()> {
    let database = load()?;
    match operation {
        "begin-read" => {
            for _ in 0..count {
                black_box(database.snapshot()?);
            }
        }
        "get" => {
            let snapshot = database.snapshot()?;
            for number in 0..count {
                let value = snapshot.get("t", &key(number * 7919 % RECORDS))?;
                ensure!(black_box(value).is_some(), "a record is not there");
            }
        }
        "range-of-10" => {
            let snapshot = database.snapshot()?;
            for number in 0..count {
                let start = key(number * 7919 % RECORDS);
                let bounds = (Bound::Included(&start[..]), Bound::Unbounded);
                for entry in snapshot.range::<&[u8]>("t", bounds)?.take(10) {
                    black_box(entry?);
                }
            }
        }
        "scan-entry" => {
            for entry in database
                .snapshot()?
                .scan("t")?
                .take(usize::try_from(count)?)
            {
                black_box(entry?);
            }
        }
        "put-in-batch" => {
            let mut transaction = database.begin()?;
            for number in 0..count {
                transaction.put("t", &key(RECORDS + number * 7919 % 100_003), &[7; 150])?;
            }
            transaction.commit_with(Durability::None)?;
        }
        "commit-of-one" => {
            for number in 0..count {
                let mut transaction = database.begin()?;
                transaction.put("t", &key(RECORDS + number), &[7; 150])?;
                transaction.commit_with(Durability::None)?;
            }
        }
        "delete-in-batch" => {
            let mut transaction = database.begin()?;
            for number in 0..count {
                transaction.delete("t", &key(number * 7919 % RECORDS))?;
            }
            transaction.commit_with(Durability::None)?;
        }
        other => bail!(
            "no operation {other:?}: there are {}",
            OPERATIONS.join(", ")
        ),
    }
    Ok(())
}

fn load() -> anyhow::Result<Database> {
    let database = Database::in_memory(Options::new().salt(1))?;
    let mut transaction = database.begin()?;
    for number in 0..RECORDS {
        transaction.put("t", &key(number), &[1; 150])?;
    }
    transaction.commit_with(Durability::None)?;
    Ok(database)
}

/// 24 bytes that look random.
fn key(number: u64) -> [u8; 24] {
    let mut key = [0; 24];
    let mut state = number.wrapping_add(1);
    for chunk in key.chunks_mut(8) {
        state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (state >> 29);
        chunk.copy_from_slice(&state.to_be_bytes());
    }
    key
}
