//! Writes the fixtures of the format: `cargo run -p lightning-db --example fixtures DIRECTORY`.
//!
//! Run once for each version of the format; what it wrote is then kept for ever.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a tool for developers stops at what it did not expect"
)]

use std::path::Path;

use lightning_db::disk_format::codec::checksum;
use lightning_db::{CheckpointMode, Database, Options};

fn options() -> Options {
    Options::new()
        .log_segment(16 << 10)
        .checkpoint_mode(CheckpointMode::Manual)
        .salt(1)
}

/// Rows of all kinds: many small ones, long keys, large values, and an empty table.
fn fill(db: &Database) {
    let mut txn = db.begin().unwrap();
    for i in 0..120_u32 {
        txn.put("small", format!("key-{i:04}").as_bytes(), &i.to_le_bytes())
            .unwrap();
    }
    for i in 0..12_u8 {
        let mut key = vec![b'a' + i / 4; 500];
        key.extend(vec![i; 20 * usize::from(i)]);
        txn.put("long keys", &key, &[i; 150]).unwrap();
    }
    for len in [1_usize, 1023, 1024, 1025, 4064, 4065, 9000] {
        let value: Vec<u8> = (0..len).map(|i| (i % 251).to_le_bytes()[0]).collect();
        txn.put("large", &len.to_be_bytes(), &value).unwrap();
    }
    txn.put("empty", b"gone", b"").unwrap();
    txn.put("\u{fc}nicode \u{2603}", b"", b"an empty key")
        .unwrap();
    txn.commit().unwrap();
    db.delete("empty", b"gone").unwrap();
    db.checkpoint().unwrap();
    for i in 100..110_u32 {
        db.delete("small", format!("key-{i:04}").as_bytes())
            .unwrap();
    }
    db.delete("large", &1025_usize.to_be_bytes()).unwrap();
}

/// Commits that only the log holds: small ones, one over several segments, and changes of tables.
fn log(db: &Database) {
    for i in 0..5_u32 {
        db.put(
            "small",
            format!("logged-{i}").as_bytes(),
            &[i.to_le_bytes()[0]; 40],
        )
        .unwrap();
    }
    db.put("large", b"logged", &vec![0x5a; 20_000]).unwrap();
    db.put("logged", b"key", b"value").unwrap();
    db.delete("small", b"key-0000").unwrap();
    db.create_table("made").unwrap();
    db.create_table("dropped").unwrap();
    db.put("dropped", b"key", b"value").unwrap();
    db.drop_table("dropped").unwrap();
    db.rename_table("logged", "renamed").unwrap();
    db.delete_range("small", b"key-0020".as_slice()..b"key-0025".as_slice())
        .unwrap();
    db.put("renamed", b"last", b"value").unwrap();
}

fn dump(db: &Database) -> String {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    let short = |bytes: &[u8]| match bytes.len() {
        0..=64 => hex(bytes),
        len => format!("len={len},crc={:08x}", checksum(&[bytes])),
    };
    let snapshot = db.snapshot().unwrap();
    let mut text = String::new();
    for table in snapshot.tables().unwrap() {
        text += &format!("{table}\n");
        for row in snapshot.scan(&table).unwrap() {
            let (key, value) = row.unwrap();
            text += &format!("  {} {}\n", short(&key), short(&value));
        }
    }
    text
}

fn write_text(root: &Path, name: &str, text: &str) {
    std::fs::write(root.join(format!("{name}.txt")), text).unwrap();
}

/// A copy of a file of a database, as a crash leaves it.
fn keep(root: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let dir = root.join(name);
    let read = |file: &str| (file.to_owned(), std::fs::read(dir.join(file)).unwrap());
    vec![read("map"), read("data")]
}

fn main() {
    let root = std::env::args().nth(1).unwrap();
    let root = Path::new(&root);

    let db = Database::create(root.join("closed"), options()).unwrap();
    fill(&db);
    write_text(root, "closed", &dump(&db));
    db.close().unwrap();

    let db = Database::create(root.join("crashed"), options()).unwrap();
    fill(&db);
    log(&db);
    write_text(root, "crashed", &dump(&db));
    drop(db);

    // A power cut behind the seal of a checkpoint: the map's homes and the superblocks are as before.
    let db = Database::create(root.join("sealed"), options()).unwrap();
    fill(&db);
    let before = keep(root, "sealed");
    db.checkpoint().unwrap();
    log(&db);
    write_text(root, "sealed", &dump(&db));
    drop(db);
    for (file, old) in before {
        let path = root.join("sealed").join(&file);
        let mut now = std::fs::read(&path).unwrap();
        for at in [0, 16384] {
            now.splice(at..at + 512, old.get(at..at + 512).unwrap().iter().copied());
        }
        if file == "map" {
            for (at, block) in old.chunks(4096).enumerate().skip(8) {
                if block.iter().any(|byte| *byte != 0) {
                    now.splice(at * 4096..at * 4096 + block.len(), block.iter().copied());
                }
            }
        }
        std::fs::write(path, now).unwrap();
    }
}
