//! Databases written by version 1 of the format, which every later version must open.
//!
//! `fixtures/v1/NAME` is a database's directory, `fixtures/v1/NAME.txt` what it holds: a line `TABLE` for a table, and
//! under it `KEY VALUE` in hexadecimal for each row, a long value as its length and CRC-32C. They were written once, by
//! `cargo run -p lightning-db --example fixtures`, and are never written again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a test stops at what it did not expect"
)]

use std::path::{Path, PathBuf};

use lightning_db::disk_format::codec::checksum;
use lightning_db::{Database, Options, salvage};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a database holds, in the form of the fixtures' texts.
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

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let dirs = paths.filter(|path| path.is_dir());
    let mut names: Vec<_> = dirs
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_fixture_of_version_1_opens_with_all_that_it_held() {
    let names = names();
    assert_eq!(names, ["closed", "crashed", "sealed"]);
    for name in names {
        let expected = std::fs::read_to_string(fixtures().join(format!("{name}.txt"))).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("db");
        copy(&fixtures().join(&name), &place);
        for read_only in [true, false] {
            let db = Database::open(&place, Options::new().read_only(read_only)).unwrap();
            assert!(dump(&db) == expected, "{name} differs: {}", dump(&db));
            assert_eq!(
                db.verify().unwrap().problems,
                Vec::<String>::new(),
                "{name}"
            );
            assert_eq!(db.recovery_report().groups > 0, name != "closed", "{name}");
            assert_eq!(db.recovery_report().repairs, Vec::<String>::new(), "{name}");
        }
        let db = Database::open(&place, Options::new()).unwrap();
        db.put("new", b"key", b"value").unwrap();
        db.close().unwrap();
        let db = Database::open(&place, Options::new()).unwrap();
        assert_eq!(
            dump(&db).replace("new\n  6b6579 76616c7565\n", ""),
            expected
        );
    }
}

#[test]
fn every_fixture_of_version_1_can_be_salvaged() {
    for name in names() {
        let expected = std::fs::read_to_string(fixtures().join(format!("{name}.txt"))).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (place, new) = (dir.path().join("db"), dir.path().join("new"));
        copy(&fixtures().join(&name), &place);
        let report = salvage(&place, &new, Options::new().log_segment(64 << 10)).unwrap();
        assert!(report.is_complete(), "{name}: {report:?}");
        let db = Database::open(&new, Options::new()).unwrap();
        assert_eq!(dump(&db), expected, "{name}");
    }
}
