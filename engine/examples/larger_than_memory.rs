//! A database much larger than its memory limit: load, random reads, scans, deletes and a compaction, at a steady memory
//! and with files that shrink again.
//!
//!     cargo run --release -p lightning-db --example larger_than_memory -- [DATA_MIB] [MEMORY_MIB] [DIRECTORY]
//!
//! Prints the peak of resident memory of each phase, as the kernel counts it (`VmHWM` of /proc/self/status), and
//! fails if one exceeds the limit by more than 64 MiB. At the end what is left is loaded into a fresh database beside the first,
//! which may then be at most 1.3 times as large.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "it measures time, and stops at what it did not expect"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lightning_db::{Database, Durability, Limits, Options, Transaction, WriteError};

const TABLE: &str = "rows";
const VALUE_LEN: usize = 1000;
const BATCH: u64 = 1000;
const SLACK_MIB: u64 = 64;
/// Of so many rows one is left by the deletions.
const LEFT_ONE_IN: u64 = 4;

/// A key that is not in the order of its number.
fn key(number: u64) -> [u8; 8] {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
}

fn value(number: u64) -> Vec<u8> {
    let mut value = vec![u8::try_from(number % 251).unwrap_or(0); VALUE_LEN];
    value[..8].copy_from_slice(&number.to_be_bytes());
    value
}

/// A field of /proc/self/status, in MiB; 0 where there is none.
fn status_mib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Begins to measure the peak anew, where the kernel can.
fn forget_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

/// The files below `place` and their lengths, by name.
fn files(place: &Path) -> std::io::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let (name, metadata) = (entry.file_name(), entry.metadata()?);
        let name = name.to_string_lossy().into_owned();
        if metadata.is_dir() {
            let below = files(&entry.path())?;
            let len = below.iter().map(|(_, len)| len).sum();
            found.push((format!("{name}/ ({} files)", below.len()), len));
        } else {
            found.push((name, metadata.len()));
        }
    }
    found.sort();
    Ok(found)
}

/// Prints the lengths of all files, and returns their sum.
fn print_files(title: &str, place: &Path) -> std::io::Result<u64> {
    let files = files(place)?;
    let total = files.iter().map(|(_, len)| len).sum();
    println!("{title}: {:.1} MiB", mib(total));
    for (name, len) in files {
        println!("    {name:20} {:8.1} MiB", mib(len));
    }
    Ok(total)
}

#[allow(clippy::cast_precision_loss, reason = "to one digit")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

struct Phases {
    started: Instant,
    allowed: u64,
    exceeded: bool,
}

impl Phases {
    fn end(&mut self, name: &str, operations: u64, db: &Database) {
        let seconds = self.started.elapsed().as_secs_f64();
        let (peak, now, stats) = (status_mib("VmHWM"), status_mib("VmRSS"), db.stats());
        self.exceeded |= peak > self.allowed;
        println!(
            "{name:14} {operations:9} in {seconds:6.1} s | peak {peak:4} MiB, now {now:4} MiB | pages {:4} MiB, \
             loads {:9} evictions {:9} | data file {:5} MiB",
            stats.memory_bytes >> 20,
            stats.page_loads,
            stats.evictions,
            stats.data_bytes >> 20,
        );
        self.started = Instant::now();
        forget_peak();
    }
}

fn in_batches(
    db: &Database,
    rows: u64,
    write: impl Fn(&mut Transaction, u64) -> Result<(), WriteError>,
) -> Result<(), Box<dyn Error>> {
    for first in (0..rows).step_by(usize::try_from(BATCH)?) {
        let mut batch = db.begin()?;
        for row in first..(first + BATCH).min(rows) {
            write(&mut batch, row)?;
        }
        batch.commit()?;
    }
    Ok(())
}

fn read_at_random(db: &Database, rows: u64, reads: u64) -> Result<(), Box<dyn Error>> {
    let mut random = 88_172_645_463_325_252_u64;
    for _ in 0..reads {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let row = random % rows;
        let found = db.get(TABLE, &key(row))?;
        assert_eq!(found.as_deref(), Some(&value(row)[..]), "row {row}");
    }
    Ok(())
}

fn options(memory_mib: u64) -> Options {
    let mut limits = Limits::default();
    limits.memory = memory_mib << 20;
    let options = Options::new().limits(limits);
    options.durability(Durability::Buffered)
}

fn load(db: &Database, rows: u64, is_wanted: fn(u64) -> bool) -> Result<(), Box<dyn Error>> {
    in_batches(db, rows, |batch, row| {
        if !is_wanted(row) {
            return Ok(());
        }
        batch.put(TABLE, &key(row), &value(row))
    })
}

fn is_left(row: u64) -> bool {
    row.is_multiple_of(LEFT_ONE_IN)
}

fn scan(db: &Database, expected: u64) -> Result<(), Box<dyn Error>> {
    let mut count = 0;
    for entry in db.snapshot()?.scan(TABLE)? {
        let (_, value) = entry?;
        count += u64::from(value.len() == VALUE_LEN);
    }
    assert_eq!(count, expected);
    Ok(())
}

/// All phases but the first.
fn use_it(db: &Database, rows: u64, phases: &mut Phases) -> Result<(), Box<dyn Error>> {
    let reads = rows.min(400_000);
    read_at_random(db, rows, reads)?;
    phases.end("random reads", reads, db);

    for name in ["scan", "scan again"] {
        scan(db, rows)?;
        phases.end(name, rows, db);
    }

    in_batches(db, rows, |batch, row| {
        if is_left(row) {
            return Ok(());
        }
        batch.delete(TABLE, &key(row))
    })?;
    db.checkpoint()?;
    let left = rows.div_ceil(LEFT_ONE_IN);
    phases.end("deletes", rows - left, db);
    scan(db, left)?;
    phases.end("scan the rest", left, db);

    let report = db.compact()?;
    phases.end("compact", report.pages_moved, db);
    scan(db, left)?;
    phases.end("scan the rest", left, db);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (data_mib, memory_mib) = (number(2048)?, number(128)?);
    let kept: Option<PathBuf> = arguments.next().map(PathBuf::from);
    let temporary = tempfile::tempdir()?;
    let place = kept.unwrap_or_else(|| temporary.path().to_owned());
    let (path, fresh) = (place.join("db"), place.join("fresh"));

    let rows = (data_mib << 20) / (VALUE_LEN as u64 + 8);
    let allowed = memory_mib + SLACK_MIB;
    println!("{rows} rows, {data_mib} MiB; memory limit {memory_mib} MiB, allowed {allowed} MiB");
    let mut phases = Phases {
        started: Instant::now(),
        allowed,
        exceeded: false,
    };
    let db = Database::create(&path, options(memory_mib))?;
    load(&db, rows, |_| true)?;
    db.checkpoint()?;
    phases.end("load", rows, &db);
    use_it(&db, rows, &mut phases)?;
    db.close()?;
    let size = print_files("after deletions and a compaction", &path)?;

    let db = Database::create(&fresh, options(memory_mib))?;
    load(&db, rows, is_left)?;
    db.checkpoint()?;
    phases.end("fresh load", rows.div_ceil(LEFT_ONE_IN), &db);
    db.close()?;
    let ideal = print_files("a fresh load of the same rows", &fresh)?;

    println!("{:.2} times a fresh load", mib(size) / mib(ideal));
    if phases.exceeded {
        return Err(format!("resident memory exceeded {allowed} MiB").into());
    }
    if size * 10 > ideal * 13 {
        return Err("the files are more than 1.3 times those of a fresh load".into());
    }
    Ok(())
}
