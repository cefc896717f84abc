//! The fixed set of operations.

use std::hint::black_box;
use std::ops::Bound;

use anyhow::{Context, ensure};
use lightning_db::{CheckpointMode, Database, Durability, Options};

/// Records in the table.
const RECORDS: u64 = 20_000;
/// A stride that meets each of the records before it meets one again.
const STRIDE: u64 = 7919;

/// An operation, done so many times.
type Operation = fn(&Database, u64) -> anyhow::Result<()>;

/// All of them, by name.
pub const OPERATIONS: [(&str, Operation); 11] = [
    ("begin-read", begin_read),
    ("get", get),
    ("get-alone", get_alone),
    ("range-of-10", range_of_10),
    ("visit-of-10", visit_of_10),
    ("scan-entry", scan_entry),
    ("put-in-batch", put_in_batch),
    ("overwrite-in-batch", overwrite_in_batch),
    ("delete-in-batch", delete_in_batch),
    ("commit-of-one", commit_of_one),
    ("append-in-order", append_in_order),
];

/// Does the operation called `name` `count` times, on a fresh table in memory.
pub fn run(name: &str, count: u64) -> anyhow::Result<()> {
    let found = OPERATIONS.iter().find(|(known, _)| *known == name);
    let (_, operation) = found.with_context(|| format!("no operation {name:?}"))?;
    operation(&load()?, count)
}

fn begin_read(database: &Database, count: u64) -> anyhow::Result<()> {
    for _ in 0..count {
        black_box(database.snapshot()?);
    }
    Ok(())
}

fn get(database: &Database, count: u64) -> anyhow::Result<()> {
    let snapshot = database.snapshot()?;
    for number in 0..count {
        let value = snapshot.get("t", &key(number * STRIDE % RECORDS))?;
        ensure!(black_box(value).is_some(), "a record is not there");
    }
    Ok(())
}

/// With a snapshot of its own.
fn get_alone(database: &Database, count: u64) -> anyhow::Result<()> {
    for number in 0..count {
        let value = database.get("t", &key(number * STRIDE % RECORDS))?;
        ensure!(black_box(value).is_some(), "a record is not there");
    }
    Ok(())
}

fn range_of_10(database: &Database, count: u64) -> anyhow::Result<()> {
    let snapshot = database.snapshot()?;
    for number in 0..count {
        let start = key(number * STRIDE % RECORDS);
        let bounds = (Bound::Included(&start[..]), Bound::Unbounded);
        for entry in snapshot.range::<&[u8]>("t", bounds)?.take(10) {
            black_box(entry?);
        }
    }
    Ok(())
}

fn visit_of_10(database: &Database, count: u64) -> anyhow::Result<()> {
    let snapshot = database.snapshot()?;
    for number in 0..count {
        let start = key(number * STRIDE % RECORDS);
        let bounds = (Bound::Included(&start[..]), Bound::Unbounded);
        snapshot.visit::<&[u8]>("t", bounds, 10, |key, value| {
            black_box((key, value));
        })?;
    }
    Ok(())
}

fn scan_entry(database: &Database, count: u64) -> anyhow::Result<()> {
    let snapshot = database.snapshot()?;
    for entry in snapshot.scan("t")?.take(usize::try_from(count)?) {
        black_box(entry?);
    }
    Ok(())
}

fn put_in_batch(database: &Database, count: u64) -> anyhow::Result<()> {
    put_all(
        database,
        (0..count).map(|number| RECORDS + number * STRIDE % 100_003),
    )
}

fn overwrite_in_batch(database: &Database, count: u64) -> anyhow::Result<()> {
    put_all(database, (0..count).map(|number| number * STRIDE % RECORDS))
}

fn put_all(database: &Database, records: impl Iterator<Item = u64>) -> anyhow::Result<()> {
    let mut transaction = database.begin()?;
    for record in records {
        transaction.put("t", &key(record), &[7; 150])?;
    }
    transaction.commit_with(Durability::None)?;
    Ok(())
}

fn delete_in_batch(database: &Database, count: u64) -> anyhow::Result<()> {
    let mut transaction = database.begin()?;
    for number in 0..count {
        transaction.delete("t", &key(number * STRIDE % RECORDS))?;
    }
    transaction.commit_with(Durability::None)?;
    Ok(())
}

fn commit_of_one(database: &Database, count: u64) -> anyhow::Result<()> {
    for number in 0..count {
        let mut transaction = database.begin()?;
        transaction.put("t", &key(RECORDS + number), &[7; 150])?;
        transaction.commit_with(Durability::None)?;
    }
    Ok(())
}

/// Keys behind all others, ascending.
fn append_in_order(database: &Database, count: u64) -> anyhow::Result<()> {
    let mut transaction = database.begin()?;
    for number in 0..count {
        let mut key = [0xff; 24];
        key[16..].copy_from_slice(&number.to_be_bytes());
        transaction.put("t", &key, &[7; 150])?;
    }
    transaction.commit_with(Durability::None)?;
    Ok(())
}

fn load() -> anyhow::Result<Database> {
    // Without threads of the engine's own: what they take over differs from run to run.
    let options = Options::new().salt(1);
    let database = Database::in_memory(options.checkpoint_mode(CheckpointMode::Inline))?;
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
