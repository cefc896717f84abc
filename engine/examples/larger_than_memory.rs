//! A database much larger than its memory limit: load, random reads, scans, deletes, at a steady memory.
//!
//!     cargo run --release -p lightning-db --example larger_than_memory -- [DATA_MIB] [MEMORY_MIB] [DIRECTORY]
//!
//! Prints the peak of resident memory after each phase, as the kernel counts it (`VmHWM` of /proc/self/status), and
//! fails if it exceeds the limit by more than 64 MiB.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "it measures time, and stops at what it did not expect"
)]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use lightning_db::{Database, Durability, Limits, Options, Transaction, WriteError};

const TABLE: &str = "rows";
const VALUE_LEN: usize = 1000;
const BATCH: u64 = 1000;
const SLACK_MIB: u64 = 64;

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

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (data_mib, memory_mib) = (number(2048)?, number(128)?);
    let kept: Option<PathBuf> = arguments.next().map(PathBuf::from);
    let temporary = tempfile::tempdir()?;
    let path = kept.unwrap_or_else(|| temporary.path().join("db"));

    let rows = (data_mib << 20) / (VALUE_LEN as u64 + 8);
    let mut limits = Limits::default();
    limits.memory = memory_mib << 20;
    let options = Options::new().limits(limits);
    let options = options.durability(Durability::Buffered);
    let db = Database::create(&path, options)?;
    let allowed = memory_mib + SLACK_MIB;
    println!("{rows} rows, {data_mib} MiB; memory limit {memory_mib} MiB, allowed {allowed} MiB");
    let mut phases = Phases {
        started: Instant::now(),
        allowed,
        exceeded: false,
    };

    in_batches(&db, rows, |batch, row| {
        batch.put(TABLE, &key(row), &value(row))
    })?;
    phases.end("load", rows, &db);
    db.checkpoint()?;
    phases.end("checkpoint", 1, &db);

    let reads = rows.min(400_000);
    read_at_random(&db, rows, reads)?;
    phases.end("random reads", reads, &db);

    for name in ["scan", "scan again"] {
        let mut count = 0;
        for entry in db.snapshot()?.scan(TABLE)? {
            let (_, value) = entry?;
            count += u64::from(value.len() == VALUE_LEN);
        }
        assert_eq!(count, rows);
        phases.end(name, count, &db);
    }

    in_batches(&db, rows, |batch, row| {
        if row.is_multiple_of(4) {
            return Ok(());
        }
        batch.delete(TABLE, &key(row))
    })?;
    phases.end("deletes", rows / 4 * 3, &db);
    db.checkpoint()?;
    let left = db.snapshot()?.scan(TABLE)?.count() as u64;
    assert_eq!(left, rows.div_ceil(4));
    phases.end("scan the rest", left, &db);

    db.close()?;
    if phases.exceeded {
        return Err(format!("resident memory exceeded {allowed} MiB").into());
    }
    Ok(())
}
