//! Every limit holds at its value, below and above it, before anything is damaged: either as an error that names it,
//! or by making room first.
//!
//! Values of 1 GiB take gigabytes of memory and are tried by `examples/large_value.rs`. A full disk: `src/database/tests/space.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

#[allow(dead_code, reason = "a disk of another test")]
#[path = "model/power.rs"]
mod power;

use std::fmt::Debug;

use lightning_db::{
    CheckpointMode, CommitError, Database, Limits, OpenError, Options, ReadError, WriteError,
    WriteFailure,
};

/// Each field of `Limits`, and the test that meets it.
const TESTED: [(&str, fn()); 13] = [
    (
        "archive_bytes",
        log_that_cannot_be_archived_is_kept_up_to_the_limit,
    ),
    (
        "disk_bytes",
        files_grow_up_to_the_limit_and_room_revives_writes,
    ),
    (
        "memory",
        a_commit_changes_as_much_as_the_memory_has_room_for,
    ),
    (
        "snapshot_bytes",
        an_old_snapshot_is_kept_up_to_the_limit_and_given_up_above_it,
    ),
    ("freed_pages", a_commit_frees_pages_up_to_the_limit),
    (
        "snapshots",
        snapshots_above_the_limit_are_refused_until_one_ends,
    ),
    (
        "transaction_bytes",
        a_transaction_takes_writes_up_to_the_limit,
    ),
    ("key_bytes", a_key_up_to_the_limit_is_taken),
    ("value_bytes", a_value_up_to_the_limit_is_taken),
    ("table_name_bytes", a_table_name_up_to_the_limit_is_taken),
    (
        "wal_bytes",
        a_log_that_would_exceed_the_limit_is_emptied_first,
    ),
    ("dirty_bytes", dirty_pages_above_the_limit_are_written_first),
    (
        "conflict_keys",
        beyond_the_conflict_index_conflicts_are_found_all_the_same_and_no_others,
    ),
];

#[test]
fn no_limit_is_without_a_test() {
    let shown = format!("{:?}", Limits::default());
    let fields = shown
        .trim_start_matches("Limits {")
        .trim_end_matches('}')
        .split(',');
    let mut fields: Vec<_> = fields
        .filter_map(|f| f.split(':').next())
        .map(str::trim)
        .collect();
    let mut tested = TESTED.map(|(name, _)| name).to_vec();
    fields.sort_unstable();
    tested.sort_unstable();
    assert_eq!(fields, tested);
}

fn limits(set: impl FnOnce(&mut Limits)) -> Options {
    let mut limits = Limits::default();
    set(&mut limits);
    Options::new()
        .log_segment(16 << 10)
        .checkpoint_mode(CheckpointMode::Manual)
        .limits(limits)
}

fn database(set: impl FnOnce(&mut Limits)) -> Database {
    Database::in_memory(limits(set)).unwrap()
}

fn assert_refused<T: Debug>(
    written: Result<T, WriteError>,
    field: &str,
    needed: u64,
    allowed: u64,
) {
    match written {
        Err(WriteError::Limit {
            name,
            needed: n,
            allowed: a,
        }) => {
            assert_eq!((name, n, a), (field, needed, allowed));
        }
        other => panic!("{field}: {other:?}"),
    }
}

#[test]
fn snapshots_above_the_limit_are_refused_until_one_ends() {
    let db = database(|limits| limits.snapshots = 2);
    let first = db.snapshot().unwrap();
    let _second = db.begin().unwrap();
    let refused = db.snapshot().unwrap_err();
    assert!(matches!(refused, ReadError::Storage(_)));
    assert_eq!(refused.to_string(), "limit snapshots: 3 needed, 2 allowed");
    drop(first);
    db.put("t", b"k", b"v").unwrap();
    assert!(db.get("t", b"k").unwrap().is_some());
}

#[test]
fn a_transaction_takes_writes_up_to_the_limit() {
    let db = database(|limits| limits.transaction_bytes = 100);
    let mut txn = db.begin().unwrap();
    txn.put("t", b"k", &[0; 98]).unwrap();
    txn.put("t", b"k", &[0; 99]).unwrap();
    assert_refused(txn.put("t", b"k", &[0; 100]), "transaction_bytes", 101, 100);
    assert_refused(txn.put("t", b"l", b""), "transaction_bytes", 101, 100);
    txn.commit().unwrap();
    assert_eq!(db.get("t", b"k").unwrap().unwrap().len(), 99);
}

/// Also `tests/tiny_memory.rs`.
#[test]
fn a_commit_changes_as_much_as_the_memory_has_room_for() {
    let quarter = 16 << 20;
    let db = database(|limits| limits.memory = 64 << 20);
    let mut txn = db.begin().unwrap();
    txn.put("t", b"k", &vec![1; quarter - 1]).unwrap();
    assert_refused(
        txn.put("t", b"k", &vec![1; quarter]),
        "memory",
        quarter as u64 + 1,
        quarter as u64,
    );
    // A little less, for the pages that lead to the value.
    let len = quarter - (64 << 10);
    txn.put("t", b"k", &vec![1; len]).unwrap();
    txn.commit().unwrap();
    assert_eq!(db.get("t", b"k").unwrap().unwrap().len(), len);
    assert!(Database::in_memory(limits(|limits| limits.memory = 16 * 4096)).is_ok());
    let less = limits(|limits| limits.memory = 16 * 4096 - 1);
    assert_option_refused(less, "limits.memory 65535");
}

#[test]
fn an_old_snapshot_is_kept_up_to_the_limit_and_given_up_above_it() {
    // No checkpoint: each commit supersedes a version of the leaf that is on no disk.
    let take = |snapshots: usize, db: &Database| {
        let mut held = Vec::new();
        for n in 0..snapshots {
            db.put("t", b"k", &n.to_be_bytes()).unwrap();
            held.push(db.snapshot().unwrap());
        }
        db.put("t", b"k", b"newer").unwrap();
        db.put("t", b"k", b"newest").unwrap();
        held
    };
    for (pages, is_kept) in [(9, true), (10, true), (11, false)] {
        let db = database(|limits| limits.snapshot_bytes = 10 * 4096);
        db.put("t", b"k", b"first").unwrap();
        let held = take(pages, &db);
        db.put("t", b"k", b"last").unwrap();
        match held[0].get("t", b"k") {
            Ok(found) => {
                assert!(is_kept, "{pages} pages");
                assert_eq!(found.as_deref(), Some(&0_usize.to_be_bytes()[..]));
            }
            Err(ReadError::SnapshotTooOld(too_old)) => {
                assert!(
                    !is_kept && too_old.limit == "snapshot_bytes",
                    "{pages} pages"
                );
            }
            Err(other) => panic!("{other}"),
        }
        let newest = held[pages - 1].get("t", b"k").unwrap();
        assert_eq!(newest.as_deref(), Some(&(pages - 1).to_be_bytes()[..]));
    }
}

#[test]
fn a_key_up_to_the_limit_is_taken() {
    let db = database(|limits| limits.key_bytes = 10);
    let mut txn = db.begin().unwrap();
    txn.put("t", &[1; 9], b"").unwrap();
    txn.put("t", &[1; 10], b"").unwrap();
    assert_refused(txn.put("t", &[1; 11], b""), "key_bytes", 11, 10);
    assert_refused(txn.delete("t", &[1; 11]), "key_bytes", 11, 10);
    txn.commit().unwrap();
    assert_eq!(db.count::<&[u8]>("t", ..).unwrap(), 2);
    assert!(db.get("t", &[1; 11]).unwrap().is_none());
    let most = limits(|limits| limits.key_bytes = 65_535);
    assert!(Database::in_memory(most).is_ok());
    let more = limits(|limits| limits.key_bytes = 65_536);
    assert_option_refused(more, "limits.key_bytes 65536");
}

fn assert_option_refused(options: Options, text: &str) {
    match Database::in_memory(options) {
        Err(OpenError::Options(why)) => assert!(why.contains(text), "{why}"),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_value_up_to_the_limit_is_taken() {
    let db = database(|limits| limits.value_bytes = 5000);
    let mut txn = db.begin().unwrap();
    txn.put("t", b"below", &[1; 4999]).unwrap();
    txn.put("t", b"at", &[1; 5000]).unwrap();
    assert_refused(
        txn.put("t", b"above", &[1; 5001]),
        "value_bytes",
        5001,
        5000,
    );
    txn.commit().unwrap();
    assert_eq!(db.count::<&[u8]>("t", ..).unwrap(), 2);
}

#[test]
fn a_table_name_up_to_the_limit_is_taken() {
    let db = database(|limits| limits.table_name_bytes = 4);
    let mut txn = db.begin().unwrap();
    txn.put("abc", b"k", b"").unwrap();
    txn.put("abcd", b"k", b"").unwrap();
    assert_refused(txn.put("abcde", b"k", b""), "table_name_bytes", 5, 4);
    txn.commit().unwrap();
    assert_eq!(db.snapshot().unwrap().tables().unwrap(), ["abc", "abcd"]);
}

/// Ten commits, each of 2,003 bytes of a key and a value, which takes a page of its own.
fn ten_commits(db: &Database) {
    for n in 0..10_u8 {
        db.put("t", &[n; 3], &[n; 2000]).unwrap();
    }
}

#[test]
fn a_log_that_would_exceed_the_limit_is_emptied_first() {
    let unlimited = database(|_| {});
    ten_commits(&unlimited);
    let before = unlimited.stats();
    assert_eq!(before.checkpoints, 0);
    for (wal_bytes, checkpoints) in [
        (before.log_bytes + 2004, 0),
        (before.log_bytes + 2003, 0),
        (before.log_bytes + 2002, 1),
    ] {
        let db = database(|limits| limits.wal_bytes = wal_bytes);
        ten_commits(&db);
        assert_eq!(db.stats().checkpoints, 0);
        db.put("t", b"new", &[1; 2000]).unwrap();
        assert_eq!(db.stats().checkpoints, checkpoints, "{wal_bytes}");
        assert_eq!(db.count::<&[u8]>("t", ..).unwrap(), 11);
    }
}

#[test]
fn dirty_pages_above_the_limit_are_written_first() {
    let unlimited = database(|_| {});
    ten_commits(&unlimited);
    let dirty = unlimited.stats().dirty_bytes;
    for (dirty_bytes, checkpoints) in [(dirty + 1, 0), (dirty, 0), (dirty - 1, 1)] {
        let db = database(|limits| limits.dirty_bytes = dirty_bytes);
        ten_commits(&db);
        assert_eq!(db.stats().checkpoints, 0);
        db.put("t", b"new", b"").unwrap();
        assert_eq!(db.stats().checkpoints, checkpoints, "{dirty_bytes}");
        assert_eq!(db.count::<&[u8]>("t", ..).unwrap(), 11);
    }
}

#[test]
fn beyond_the_conflict_index_conflicts_are_found_all_the_same_and_no_others() {
    for written in [9_u8, 10, 11, 40] {
        let db = database(|limits| limits.conflict_keys = 10);
        db.put("t", b"before", b"").unwrap();
        let (mut apart, mut meets) = (db.begin().unwrap(), db.begin().unwrap());
        for n in 0..written {
            db.put("t", &[n], b"").unwrap();
        }
        apart.put("t", b"apart", b"").unwrap();
        apart.commit().unwrap();
        meets.put("t", &[0], b"other").unwrap();
        let refused = meets.commit();
        assert!(
            matches!(refused, Err(CommitError::Conflict { .. })),
            "{written}: {refused:?}"
        );
    }
}

/// The lengths of all files in a directory and those below it.
fn size_of(place: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(place).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let kind = entry.metadata().unwrap();
            if kind.is_dir() {
                size_of(&entry.path())
            } else {
                kind.len()
            }
        })
        .sum()
}

#[test]
fn files_grow_up_to_the_limit_and_room_revives_writes() {
    let dir = tempfile::tempdir().unwrap();
    let options = limits(|limits| limits.disk_bytes = 1 << 20);
    let db = Database::create(dir.path(), options).unwrap();
    let mut written = 0_u32;
    let refused = loop {
        match db.put("t", &written.to_be_bytes(), &[7; 5000]) {
            Ok(_) => written += 1,
            Err(WriteFailure::Commit(CommitError::Full(cause))) => break cause,
            Err(other) => panic!("{other}"),
        }
        assert!(size_of(dir.path()) <= 1 << 20);
    };
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.starts_with("limit disk_bytes: "), "{source}");
    assert!(source.ends_with(" needed, 1048576 allowed"), "{source}");
    assert!(written > 40, "{written}");
    assert_eq!(
        db.count::<&[u8]>("t", ..).unwrap(),
        u64::from(written),
        "reads go on"
    );
    assert!(db.stats().poisoned.is_none());
    drop(db);
    // More is allowed: everything is there, and writes go on.
    let more = limits(|limits| limits.disk_bytes = 8 << 20);
    let db = Database::open(dir.path(), more).unwrap();
    db.put("t", b"new", &[7; 5000]).unwrap();
    assert_eq!(db.count::<&[u8]>("t", ..).unwrap(), u64::from(written) + 1);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn log_that_cannot_be_archived_is_kept_up_to_the_limit() {
    let archive = power::PowerDisk::default();
    let options = limits(|limits| limits.archive_bytes = 200 << 10);
    let options = options
        .checkpoint_mode(CheckpointMode::Inline)
        .checkpoint_after(32 << 10)
        .archive(archive.shared());
    let db = Database::in_memory(options).unwrap();
    db.put("t", b"k", b"v").unwrap();
    archive.set_life(Some(0));
    let mut written = 0_u64;
    let refused = loop {
        match db.put("t", b"k", &[7; 5000]) {
            Ok(_) => written += 5000,
            Err(refused) => break refused,
        }
        assert!(written < 1 << 20, "nothing was refused");
    };
    assert!(
        refused.to_string().contains("limit archive_bytes"),
        "{refused}"
    );
    // A commit of 5,000 bytes takes 8 KiB of log.
    assert!(written / 5000 * 8192 > 100 << 10, "{written}");
    archive.set_life(None);
    db.archive_log().unwrap();
    db.put("t", b"k", b"v").unwrap();
}

#[test]
fn a_commit_frees_pages_up_to_the_limit() {
    let drop_with = |freed_pages| {
        let db = database(|limits| limits.freed_pages = freed_pages);
        ten_commits(&db);
        let mut txn = db.begin().unwrap();
        txn.drop_table("t").unwrap();
        let refused = txn.commit().err().map(|error| error.to_string());
        let left = db.count::<&[u8]>("t", ..).unwrap();
        assert_eq!(left, if refused.is_some() { 10 } else { 0 });
        refused
    };
    // One leaf, and a page for each value.
    assert_eq!(drop_with(12), None);
    assert_eq!(drop_with(11), None);
    let refused = drop_with(10).unwrap();
    assert!(
        refused.contains("limit freed_pages: 11 needed, 10 allowed"),
        "{refused}"
    );
}

#[test]
fn ten_thousand_tables_are_no_limit() {
    let name = |n: u32| format!("table {n:05}");
    let options = || limits(|_| {}).log_segment(1 << 20);
    let dir = tempfile::tempdir().unwrap();
    let db = Database::create(dir.path(), options()).unwrap();
    for from in (0..10_000_u32).step_by(1000) {
        let mut txn = db.begin().unwrap();
        for n in from..from + 1000 {
            txn.put(&name(n), b"key", &n.to_be_bytes()).unwrap();
        }
        txn.commit().unwrap();
    }
    db.close().unwrap();
    let db = Database::open(dir.path(), options()).unwrap();
    let snapshot = db.snapshot().unwrap();
    let tables = snapshot.tables().unwrap();
    assert!(tables.iter().cloned().eq((0..10_000).map(name)));
    for n in 0..10_000 {
        let value = snapshot.get(&name(n), b"key").unwrap();
        assert_eq!(value.as_deref(), Some(&n.to_be_bytes()[..]));
    }
    assert!(db.verify().unwrap().is_clean());
}
