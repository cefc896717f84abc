//! Stores one large value, loses the process's memory of it, reads it back, and removes it.
//!
//! `cargo run --release -p lightning-db --example large_value -- MEBIBYTES DIRECTORY`; by default 1024 MiB in a
//! temporary directory.

use lightning_db::{Database, Limits, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mebibytes: usize = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let directory = arguments.next();
    let temporary = tempfile::tempdir()?;
    let path = directory.map_or_else(|| temporary.path().join("db"), Into::into);
    let len = mebibytes << 20;
    let value: Vec<u8> = (0..=250).cycle().take(len).collect();

    // A transaction changes at most a quarter of the memory: the value, and the pages that lead to it.
    let mut limits = Limits::default();
    limits.wal_bytes = limits.wal_bytes.max(len as u64 * 2);
    limits.memory = limits.memory.max(len as u64 * 4 + (1 << 20));
    let options = Options::new().limits(limits);

    let db = Database::create(&path, options.clone())?;
    db.put("t", b"large", &value)?;
    drop(db); // recovery reads it from the log
    let db = Database::open(&path, options.clone())?;
    let found = db.get("t", b"large")?;
    assert!(
        found.is_some_and(|found| *found == *value),
        "read another value from the log"
    );
    db.close()?;

    let db = Database::open(&path, options)?;
    let found = db.get("t", b"large")?;
    assert!(
        found.is_some_and(|found| *found == *value),
        "read another value from its pages"
    );
    db.delete("t", b"large")?;
    assert!(db.get("t", b"large")?.is_none(), "a removed value is there");
    db.close()?;
    println!("{mebibytes} MiB: written, recovered, read, removed");
    Ok(())
}
