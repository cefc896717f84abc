//! Each defect that the predecessor of this engine was shown to have, as a test that it is not here.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test stops at what it did not expect"
)]

use std::path::Path;

use lightning_db::{
    CommitError, ConflictKind, ConflictPlace, Database, Durability, OpenError, Options, WriteError,
};
use tempfile::TempDir;

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn small() -> Options {
    Options::new().log_segment(64 << 10)
}

/// The end of a process without any chance to tidy up, as far as the files can tell.
fn vanish(db: Database) {
    assert!(db.verify().unwrap().is_clean());
    drop(db);
}

fn assert_clean(db: &Database) {
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn acknowledged_writes_survive_without_a_close_in_the_default_mode() {
    let dir = dir();
    let db = Database::create(dir.path(), small()).unwrap();
    for i in 0..100_u32 {
        db.put("t", &i.to_be_bytes(), b"value").unwrap();
    }
    vanish(db);
    let db = Database::open(dir.path(), small()).unwrap();
    assert_eq!(db.snapshot().unwrap().scan("t").unwrap().count(), 100);
    assert_eq!(db.recovery_report().groups, 100);
    assert_clean(&db);
}

#[test]
fn a_transaction_that_lost_a_conflict_does_not_come_back() {
    let dir = dir();
    let db = Database::create(dir.path(), small()).unwrap();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    first.put("t", b"key", b"first").unwrap();
    second.put("t", b"key", b"second").unwrap();
    second.put("t", b"other", b"second").unwrap();
    first.commit().unwrap();
    let lost = second.commit().unwrap_err();
    let CommitError::Conflict(lost) = lost else {
        panic!("{lost}")
    };
    assert_eq!(
        (lost.table.as_str(), lost.kind),
        ("t", ConflictKind::WriteWrite)
    );
    assert_eq!(lost.place, ConflictPlace::Key(b"key".to_vec()));
    vanish(db);
    let db = Database::open(dir.path(), small()).unwrap();
    assert_eq!(db.get("t", b"key").unwrap().as_deref(), Some(&b"first"[..]));
    assert!(db.get("t", b"other").unwrap().is_none());
    assert_clean(&db);
}

#[test]
fn committed_data_is_visible_at_once() {
    let db = Database::in_memory(small()).unwrap();
    let mut txn = db.begin().unwrap();
    txn.put("t", b"k", b"v").unwrap();
    assert!(
        db.get("t", b"k").unwrap().is_none(),
        "not before the commit"
    );
    txn.commit().unwrap();
    assert_eq!(db.get("t", b"k").unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn create_refuses_an_existing_database_and_leaves_it_whole() {
    let dir = dir();
    let db = Database::create(dir.path(), small()).unwrap();
    db.put("t", b"k", b"v").unwrap();
    db.close().unwrap();
    let refused = Database::create(dir.path(), small()).unwrap_err();
    assert!(matches!(refused, OpenError::AlreadyExists));
    let db = Database::open(dir.path(), small()).unwrap();
    assert_eq!(db.get("t", b"k").unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn open_refuses_a_place_without_a_database() {
    let dir = dir();
    assert!(matches!(
        Database::open(dir.path(), small()),
        Err(OpenError::NotFound(_))
    ));
    let missing = dir.path().join("missing");
    assert!(matches!(
        Database::open(&missing, small()),
        Err(OpenError::NotFound(_))
    ));
    assert!(!missing.exists());
}

#[test]
fn a_missing_file_is_damage_and_never_an_empty_database() {
    for missing in ["data", "map", "wal"] {
        let dir = dir();
        let db = Database::create(dir.path(), small()).unwrap();
        db.put("t", b"k", b"v").unwrap();
        db.close().unwrap();
        let path = dir.path().join(missing);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        for result in [
            Database::open(dir.path(), small()),
            Database::open_or_create(dir.path(), small()),
        ] {
            match result {
                Ok(db) => {
                    let value = db.get("t", b"k").unwrap();
                    assert_eq!(value.as_deref(), Some(&b"v"[..]), "without {missing}");
                }
                Err(OpenError::Storage(_)) => {}
                Err(other) => panic!("without {missing}: {other}"),
            }
        }
    }
}

#[test]
fn no_value_means_deleted() {
    let dir = dir();
    let values = [&[0xff; 4][..], &[], &[0], &[0; 8], &[0xff; 300]];
    let mut db = Database::create(dir.path(), small()).unwrap();
    for checkpointed in [false, true] {
        for (key, value) in (0_u8..).zip(values) {
            db.put("t", &[key], value).unwrap();
            assert_eq!(db.get("t", &[key]).unwrap().as_deref(), Some(value));
        }
        if checkpointed {
            db.checkpoint().unwrap();
        }
        vanish(db);
        db = Database::open(dir.path(), small()).unwrap();
        for (key, value) in (0_u8..).zip(values) {
            assert_eq!(db.get("t", &[key]).unwrap().as_deref(), Some(value));
        }
    }
}

#[test]
fn large_values_survive_reopening_with_every_later_record() {
    let dir = dir();
    let sizes: [usize; 5] = [4095, 4096, 4097, 100_000, 12 << 20];
    let value = |size: usize| -> Vec<u8> { (0..size).map(|i| (i * 31 + size) as u8).collect() };
    for checkpointed in [false, true] {
        let place = dir.path().join(format!("{checkpointed}"));
        let db = Database::create(&place, small()).unwrap();
        for size in sizes {
            db.put("t", &size.to_be_bytes(), &value(size)).unwrap();
        }
        db.put("t", b"later", b"record").unwrap();
        if checkpointed {
            db.checkpoint().unwrap();
        }
        vanish(db);
        let db = Database::open(&place, small()).unwrap();
        for size in sizes {
            let read = db.get("t", &size.to_be_bytes()).unwrap();
            assert_eq!(read.as_deref(), Some(&*value(size)), "{size} bytes");
        }
        assert_eq!(
            db.get("t", b"later").unwrap().as_deref(),
            Some(&b"record"[..])
        );
        assert_clean(&db);
    }
}

#[test]
fn a_value_over_the_limit_is_refused_by_name_and_the_transaction_goes_on() {
    let db = Database::in_memory(small()).unwrap();
    let mut txn = db.begin().unwrap();
    let refused = txn.put("t", &vec![1; 5000], b"v").unwrap_err();
    assert_eq!(
        refused,
        WriteError::Limit {
            name: "key_bytes",
            needed: 5000,
            allowed: 4096
        }
    );
    txn.put("t", &[1; 4096], b"v").unwrap();
    txn.commit().unwrap();
    assert!(db.get("t", &[1; 4096]).unwrap().is_some());
}

fn size_of(place: &Path) -> u64 {
    std::fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|e| {
            if e.path().is_dir() {
                size_of(&e.path())
            } else {
                e.metadata().unwrap().len()
            }
        })
        .sum()
}

#[test]
fn opening_does_not_grow_the_database() {
    let dir = dir();
    let db = Database::create(dir.path(), small()).unwrap();
    for i in 0..200_u32 {
        db.put("t", &i.to_be_bytes(), &[7; 100]).unwrap();
    }
    db.close().unwrap();
    let reopen = |closes: bool| {
        let db = Database::open(dir.path(), small()).unwrap();
        db.put("t", b"same", b"value").unwrap();
        if closes {
            db.close().unwrap();
        } else {
            vanish(db);
        }
    };
    (0..4).for_each(|i| reopen(i % 2 == 0));
    let settled = size_of(dir.path());
    (0..20).for_each(|i| reopen(i % 2 == 0));
    assert!(
        size_of(dir.path()) <= settled,
        "{} > {settled}",
        size_of(dir.path())
    );
}

/// Flips one bit, opens, reads everything: each row is right, or an error says what is damaged, and so does `verify`.
fn read_with_a_flipped_bit(
    place: &Path,
    file: &str,
    offset: usize,
    rows: u32,
) -> Result<(), String> {
    let path = place.join(file);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[offset] ^= 0x10;
    std::fs::write(&path, &damaged).unwrap();
    let outcome = (|| {
        let db = Database::open(place, small().read_only(true)).map_err(|e| e.to_string())?;
        for i in 0..rows {
            match db.get("t", &i.to_be_bytes()) {
                Ok(value) => assert_eq!(
                    value.as_deref(),
                    Some(&[7; 100][..]),
                    "{file} at {offset}: row {i}"
                ),
                Err(error) => {
                    let report = db.verify().unwrap();
                    assert!(!report.is_clean(), "{file} at {offset}: {error}");
                    return Err(error.to_string());
                }
            }
        }
        Ok(())
    })();
    std::fs::write(&path, &whole).unwrap();
    outcome
}

#[test]
fn a_flipped_bit_never_makes_rows_vanish_or_change() {
    let dir = dir();
    let db = Database::create(dir.path(), small()).unwrap();
    for i in 0..200_u32 {
        db.put("t", &i.to_be_bytes(), &[7; 100]).unwrap();
    }
    db.close().unwrap();
    let mut detected = 0;
    for file in ["data", "map"] {
        let len = std::fs::metadata(dir.path().join(file)).unwrap().len() as usize;
        for offset in (0..len).step_by(509) {
            if let Err(error) = read_with_a_flipped_bit(dir.path(), file, offset, 200) {
                assert!(error.contains("damage"), "{error}");
                detected += 1;
            }
        }
    }
    assert!(
        detected > 10,
        "only {detected} flips were in anything that is read"
    );
}

#[test]
fn a_flipped_bit_in_the_log_never_drops_durable_rows_silently() {
    let dir = dir();
    let db = Database::create(dir.path(), Options::new().log_segment(4 << 20)).unwrap();
    for i in 0..200_u32 {
        db.put("t", &i.to_be_bytes(), &[7; 100]).unwrap();
    }
    vanish(db);
    let log = std::fs::read_dir(dir.path().join("wal")).unwrap();
    let mut segments: Vec<_> = log.map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let bytes = std::fs::read(&segments[0]).unwrap();
    let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    let last_group = used - used % 4096;
    let mut detected = 0;
    for offset in (4096..last_group).filter(|o| bytes[*o] != 0).step_by(101) {
        let name = format!("wal/{}", segments[0].file_name().unwrap().to_str().unwrap());
        let outcome = read_with_a_flipped_bit(dir.path(), &name, offset, 200);
        assert!(
            outcome.is_err(),
            "offset {offset}: read as if nothing had happened"
        );
        detected += 1;
    }
    assert!(detected > 100, "only {detected} flips");
}

#[test]
fn a_second_opening_is_refused_while_the_first_lives() {
    let dir = dir();
    let db = Database::create(dir.path(), small()).unwrap();
    assert!(matches!(
        Database::open(dir.path(), small()),
        Err(OpenError::Locked)
    ));
    drop(db);
    Database::open(dir.path(), small()).unwrap();
}

/// Set for a second process of this test: the database that it tries to open.
const PLACE: &str = "LIGHTNING_TEST_PLACE";

#[test]
fn a_second_process_is_refused_while_the_first_has_it_open() {
    if let Ok(place) = std::env::var(PLACE) {
        let refused = Database::open(place, small());
        assert!(matches!(refused, Err(OpenError::Locked)), "{refused:?}");
        return;
    }
    let dir = dir();
    let second = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "a_second_process_is_refused_while_the_first_has_it_open";
        command.args(["--exact", name]).env(PLACE, dir.path());
        command.output().unwrap()
    };
    let db = Database::create(dir.path(), small()).unwrap();
    db.put("t", b"k", b"v").unwrap();
    let output = second();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(db.get("t", b"k").unwrap().as_deref(), Some(&b"v"[..]));
    drop(db);
    assert!(
        !second().status.success(),
        "with the first gone nothing is refused"
    );
}

#[test]
fn encryption_is_not_offered_and_not_pretended() {
    let dir = dir();
    let db = Database::create(dir.path(), small()).unwrap();
    db.put("t", b"k", b"a value that anybody may read").unwrap();
    db.close().unwrap();
    let data = std::fs::read(dir.path().join("data")).unwrap();
    let value = b"a value that anybody may read";
    assert!(data.windows(value.len()).any(|bytes| bytes == value));
    assert!(
        !format!("{:?}", Options::new())
            .to_lowercase()
            .contains("crypt")
    );
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    assert!(!manifest.unwrap().to_lowercase().contains("crypt"));
}

#[test]
fn buffered_commits_are_durable_after_close() {
    let dir = dir();
    for durability in [Durability::None, Durability::Buffered] {
        let place = dir.path().join(format!("{durability:?}"));
        let db = Database::create(&place, small()).unwrap();
        for i in 0..50_u32 {
            let mut txn = db.begin().unwrap();
            txn.put("t", &i.to_be_bytes(), b"v").unwrap();
            txn.commit_with(durability).unwrap();
        }
        db.close().unwrap();
        let db = Database::open(&place, small()).unwrap();
        assert_eq!(db.snapshot().unwrap().scan("t").unwrap().count(), 50);
        assert_eq!(db.recovery_report().groups, 0);
    }
}

#[test]
fn every_defect_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../docs/design/named_defects.md")).unwrap();
    let mut named = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, file, tests] = cells[..] else {
            panic!("{row}")
        };
        if file == "file" {
            continue;
        }
        let source = std::fs::read_to_string(root.join("tests").join(file.trim_matches('`')));
        let source = source.unwrap();
        for test in tests.split(", ").map(|test| test.trim_matches('`')) {
            let is_there = source.contains(&format!("#[test]\nfn {test}() {{"));
            assert!(is_there, "{test} in {file}");
            named.push((file.to_owned(), test.to_owned()));
        }
    }
    assert!(named.len() >= 14, "{named:?}");
}
