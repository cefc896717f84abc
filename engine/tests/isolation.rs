//! Transactions through the public calls: tables, ranges, savepoints, retries, and both isolation levels under threads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::sync::Arc;
use std::time::Duration;

use lightning_db::disk::{Disk, MemoryDisk};
use lightning_db::{
    CommitError, Database, Durability, Isolation, Limits, NoSuchSavepoint, Options, ReadError,
    Retry, TableError, Transaction, WriteError, WriteFailure,
};

fn assert_clean(db: &Database) {
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}

fn number(txn: &Transaction, key: &[u8]) -> u64 {
    let value = txn.get("t", key).unwrap();
    value.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().unwrap()))
}

fn set(txn: &mut Transaction, key: &[u8], value: u64) {
    txn.put("t", key, &value.to_be_bytes()).unwrap();
}

/// A database over a disk that can be opened again.
fn on_memory() -> (Arc<dyn Disk>, Database) {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let db = Database::create_on(Arc::clone(&disk), Options::new()).unwrap();
    (disk, db)
}

/// The database after a close if `closed`, else after its handle vanished and the log was replayed.
fn reopened(disk: &Arc<dyn Disk>, db: Database, closed: bool) -> Database {
    if closed {
        db.close().unwrap();
    } else {
        drop(db);
    }
    Database::open_on(Arc::clone(disk), Options::new()).unwrap()
}

#[test]
fn tables_are_created_renamed_dropped_and_listed_in_a_transaction_and_stay_so() {
    for closed in [true, false] {
        let (disk, db) = on_memory();
        db.put("old", b"k", b"v").unwrap();
        db.create_table("empty").unwrap();
        let mut txn = db.begin().unwrap();
        txn.rename_table("old", "new").unwrap();
        txn.create_table("fresh").unwrap();
        txn.drop_table("empty").unwrap();
        assert_eq!(txn.tables().unwrap(), ["fresh", "new"]);
        assert!(txn.get("old", b"k").unwrap().is_none());
        assert_eq!(txn.get("new", b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(db.tables().unwrap(), ["empty", "old"], "not yet");
        txn.commit().unwrap();
        let db = reopened(&disk, db, closed);
        assert_eq!(db.tables().unwrap(), ["fresh", "new"]);
        assert_eq!(db.get("new", b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_clean(&db);
    }
}

#[test]
fn a_rolled_back_change_of_tables_leaves_no_trace() {
    let db = Database::in_memory(Options::new()).unwrap();
    db.put("t", b"k", b"v").unwrap();
    let mut txn = db.begin().unwrap();
    txn.drop_table("t").unwrap();
    txn.create_table("u").unwrap();
    txn.rollback();
    assert_eq!(db.tables().unwrap(), ["t"]);
    assert_clean(&db);
}

#[test]
fn tables_that_are_not_there_or_are_there_already_are_refused_by_name() {
    let db = Database::in_memory(Options::new()).unwrap();
    db.create_table("t").unwrap();
    db.create_table("u").unwrap();
    let mut txn = db.begin().unwrap();
    let missing = |result| matches!(result, Err(TableError::Missing(name)) if name == "none");
    let exists = |result| matches!(result, Err(TableError::Exists(name)) if name == "u");
    assert!(missing(txn.drop_table("none")));
    assert!(missing(txn.rename_table("none", "v")));
    assert!(exists(txn.create_table("u")));
    assert!(exists(txn.rename_table("t", "u")));
    assert!(exists(txn.rename_table("u", "u")));
    let long = "n".repeat(256);
    assert!(matches!(
        txn.create_table(&long),
        Err(TableError::Write(WriteError::Limit {
            name: "table_name_bytes",
            ..
        }))
    ));
    txn.create_table(&long[..255]).unwrap();
    txn.commit().unwrap();
    let failure = db.create_table("t").unwrap_err();
    assert!(!failure.is_retryable());
    assert_eq!(failure.to_string(), "there is a table \"t\" already");
}

#[test]
fn a_dropped_table_gives_back_all_its_pages() {
    let (disk, db) = on_memory();
    db.create_table("small").unwrap();
    let fill = || {
        let mut txn = db.begin().unwrap();
        for n in 0..2000_u32 {
            txn.put("large", &n.to_be_bytes(), &[1; 100]).unwrap();
        }
        txn.put("large", b"extent", &vec![2; 50_000]).unwrap();
        txn.commit().unwrap();
    };
    fill();
    let held = db.snapshot().unwrap();
    db.drop_table("large").unwrap();
    assert_eq!(
        held.scan("large").unwrap().count(),
        2001,
        "an old snapshot sees it"
    );
    drop(held);
    db.put("small", b"k", b"").unwrap();
    assert_clean(&db);
    let free = db.stats().pages_free;
    assert!(free > 60, "{free}");
    fill();
    assert!(db.stats().pages_free < free / 4, "its pages are used again");
    let db = reopened(&disk, db, false);
    assert_eq!(db.snapshot().unwrap().scan("large").unwrap().count(), 2001);
    assert_clean(&db);
}

#[test]
fn a_range_delete_removes_just_that_range() {
    for closed in [true, false] {
        let (disk, db) = on_memory();
        let key = |n: u32| n.to_be_bytes();
        let mut txn = db.begin().unwrap();
        for n in 0..3000 {
            txn.put("t", &key(n), &[0; 40]).unwrap();
        }
        txn.commit().unwrap();
        let mut txn = db.begin().unwrap();
        txn.put("t", &key(500), b"gone too").unwrap();
        txn.delete_range("t", key(100)..key(2900)).unwrap();
        txn.put("t", &key(1000), b"after").unwrap();
        assert_eq!(txn.scan("t").unwrap().count(), 201);
        assert_eq!(txn.scan("t").unwrap().rev().count(), 201);
        assert!(txn.get("t", &key(100)).unwrap().is_none());
        assert!(txn.get("t", &key(2900)).unwrap().is_some());
        txn.commit().unwrap();
        let db = reopened(&disk, db, closed);
        let snapshot = db.snapshot().unwrap();
        let keys: Vec<_> = snapshot
            .scan("t")
            .unwrap()
            .map(|e| e.unwrap().0.to_vec())
            .collect();
        let expected = (0..100).chain([1000]).chain(2900..3000);
        assert_eq!(keys, expected.map(|n| key(n).to_vec()).collect::<Vec<_>>());
        assert_clean(&db);
        db.delete_range::<&[u8]>("t", ..).unwrap();
        assert_eq!(db.tables().unwrap(), ["t"], "emptied it stays");
        assert_clean(&db);
    }
}

#[test]
fn freed_pages_are_limited_below_at_and_above() {
    let freed_pages = |pages| {
        let mut limits = Limits::default();
        limits.freed_pages = pages;
        Options::new().limits(limits)
    };
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let db = Database::create_on(Arc::clone(&disk), freed_pages(u64::MAX)).unwrap();
    let mut txn = db.begin().unwrap();
    for n in 0..500_u32 {
        txn.put("t", &n.to_be_bytes(), &[0; 100]).unwrap();
    }
    txn.commit().unwrap();
    let before = db.stats().pages_free;
    let pages = db.verify().unwrap().pages - 1;
    db.close().unwrap();
    let attempt = |allowed| {
        let db = Database::open_on(Arc::clone(&disk), freed_pages(allowed)).unwrap();
        let result = db.drop_table("t");
        assert_clean(&db);
        let rows = db.snapshot().unwrap().scan("t").unwrap().count();
        (result, rows)
    };
    let (refused, rows) = attempt(pages - 1);
    assert!(matches!(
        refused,
        Err(WriteFailure::Commit(CommitError::Refused(_)))
    ));
    assert!(refused.unwrap_err().to_string().contains("freed_pages"));
    assert_eq!(rows, 500);
    let (dropped, rows) = attempt(pages);
    dropped.unwrap();
    assert_eq!((rows, before), (0, 0));
}

#[test]
fn savepoints_nest_and_are_known_by_their_transaction_alone() {
    let db = Database::in_memory(Options::new()).unwrap();
    let mut txn = db.begin().unwrap();
    txn.put("t", b"a", b"1").unwrap();
    let outer = txn.savepoint();
    txn.put("t", b"a", b"2").unwrap();
    txn.put("t", b"b", b"2").unwrap();
    let inner = txn.savepoint();
    txn.delete_range::<&[u8]>("t", ..).unwrap();
    txn.rename_table("t", "u").unwrap();
    txn.rollback_to(inner).unwrap();
    assert_eq!(txn.get("t", b"a").unwrap().as_deref(), Some(&b"2"[..]));
    txn.release(inner).unwrap();
    assert_eq!(txn.rollback_to(inner), Err(NoSuchSavepoint));
    let mut other = db.begin().unwrap();
    assert_eq!(other.rollback_to(outer), Err(NoSuchSavepoint));
    assert_eq!(other.release(outer), Err(NoSuchSavepoint));
    txn.rollback_to(outer).unwrap();
    txn.rollback_to(outer).unwrap();
    assert_eq!(txn.scan("t").unwrap().count(), 1);
    txn.commit().unwrap();
    assert_eq!(db.get("t", b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn what_a_savepoint_keeps_counts_against_the_transaction() {
    let mut limits = Limits::default();
    limits.transaction_bytes = 10_000;
    let db = Database::in_memory(Options::new().limits(limits)).unwrap();
    let mut txn = db.begin().unwrap();
    for _ in 0..100 {
        txn.put("t", b"key", &[0; 1000]).unwrap();
    }
    let savepoint = txn.savepoint();
    let refused = (0..100).find_map(|_| txn.put("t", b"key", &[0; 1000]).err());
    assert!(matches!(
        refused,
        Some(WriteError::Limit {
            name: "transaction_bytes",
            ..
        })
    ));
    txn.rollback_to(savepoint).unwrap();
    txn.release(savepoint).unwrap();
    for _ in 0..100 {
        txn.put("t", b"key", &[0; 1000]).unwrap();
    }
    txn.commit().unwrap();
}

#[test]
fn the_isolation_of_a_transaction_is_the_one_asked_for_or_the_default() {
    let db = Database::in_memory(Options::new()).unwrap();
    assert_eq!(db.begin().unwrap().isolation(), Isolation::Snapshot);
    let options = Options::new().isolation(Isolation::Serializable);
    let db = Database::in_memory(options).unwrap();
    assert_eq!(db.begin().unwrap().isolation(), Isolation::Serializable);
    let asked = db.begin_with(Isolation::Snapshot).unwrap();
    assert_eq!(asked.isolation(), Isolation::Snapshot);
}

#[test]
fn a_read_only_transaction_of_either_level_always_commits() {
    let db = Database::in_memory(Options::new()).unwrap();
    db.put("t", b"k", b"1").unwrap();
    for level in [Isolation::Snapshot, Isolation::Serializable] {
        let txn = db.begin_with(level).unwrap();
        assert_eq!(txn.scan("t").unwrap().count(), 1);
        db.put("t", b"k", b"2").unwrap();
        assert_eq!(
            txn.commit().unwrap().get() + 1,
            db.snapshot().unwrap().version().get()
        );
    }
}

/// What a closure may fail with.
#[derive(Debug)]
enum Failure {
    Read,
    Commit(CommitError),
    Own(&'static str),
}

impl From<ReadError> for Failure {
    fn from(_: ReadError) -> Self {
        Self::Read
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

fn impatient(tries: u32) -> Options {
    let mut retry = Retry::default();
    retry.tries = tries;
    retry.wait_first = Duration::ZERO;
    retry.wait_max = Duration::ZERO;
    Options::new().retry(retry)
}

#[test]
fn a_conflict_is_retried_as_often_as_the_options_say() {
    for (tries, conflicts, succeeds) in [(5, 4, true), (5, 5, false), (1, 1, false), (0, 0, true)] {
        let db = Database::in_memory(impatient(tries)).unwrap();
        let mut runs = 0;
        let result: Result<u32, Failure> = db.transact(|txn| {
            runs += 1;
            txn.put("t", b"k", b"mine").unwrap();
            if runs <= conflicts {
                db.put("t", b"k", b"theirs").unwrap();
            }
            Ok(runs)
        });
        assert_eq!(
            runs,
            if succeeds {
                conflicts + 1
            } else {
                tries.max(1)
            }
        );
        match result {
            Ok(last) => assert!(succeeds && last == runs),
            Err(Failure::Commit(error)) => assert!(!succeeds && error.is_retryable()),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_error_of_the_closure_ends_it_and_comes_back_as_it_is() {
    let db = Database::in_memory(impatient(5)).unwrap();
    let result: Result<(), Failure> = db.transact(|txn| {
        txn.put("t", b"k", b"v").unwrap();
        Err(Failure::Own("no"))
    });
    assert!(matches!(result, Err(Failure::Own("no"))));
    assert!(db.get("t", b"k").unwrap().is_none());
}

/// Two accounts may together not fall below zero; each withdrawal looks at both and writes one. Only write skew breaks it.
#[test]
fn threads_of_serializable_transactions_keep_what_each_of_them_checks() {
    let options = impatient(u32::MAX)
        .isolation(Isolation::Serializable)
        .durability(Durability::None);
    let db = Database::in_memory(options).unwrap();
    let mut setup = db.begin().unwrap();
    set(&mut setup, b"x", 60);
    set(&mut setup, b"y", 60);
    setup.commit().unwrap();
    let withdraw = |from: &[u8]| {
        let done: Result<bool, WriteFailure> = db.transact(|txn| {
            let (x, y) = (number(txn, b"x"), number(txn, b"y"));
            let own = if from == b"x" { x } else { y };
            // Together they must keep 20.
            let may = x + y > 20 && own > 0;
            if may {
                set(txn, from, own - 1);
            }
            Ok(may)
        });
        done.unwrap()
    };
    let taken: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = [b"x", b"y", b"x", b"y"]
            .into_iter()
            .map(|account| {
                scope.spawn(move || (0..60).filter(|_| withdraw(account)).count() as u64)
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    let end = db.begin().unwrap();
    assert_eq!(taken, 100);
    assert_eq!(number(&end, b"x") + number(&end, b"y"), 20);
}

/// Each inserts the number of rows that it counted: serial executions leave no number out and none twice.
#[test]
fn threads_that_count_a_range_and_insert_into_it_meet_no_phantom() {
    let options = impatient(u32::MAX).isolation(Isolation::Serializable);
    let db = Database::in_memory(options.durability(Durability::None)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let db = &db;
            scope.spawn(move || {
                for n in 0..25_u8 {
                    let inserted: Result<(), WriteFailure> = db.transact(|txn| {
                        let count = txn.scan("t").unwrap().count() as u64;
                        txn.put("t", &[thread, n], &count.to_be_bytes())?;
                        Ok(())
                    });
                    inserted.unwrap();
                }
            });
        }
    });
    let snapshot = db.snapshot().unwrap();
    let mut counts: Vec<u64> = snapshot
        .scan("t")
        .unwrap()
        .map(|entry| u64::from_be_bytes(entry.unwrap().1[..].try_into().unwrap()))
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (0..100).collect::<Vec<_>>());
}

/// Tables move under the writers' feet: every acknowledged row is in the one table that there is.
#[test]
fn threads_that_write_to_a_table_while_it_is_renamed_lose_nothing() {
    let db = Database::in_memory(impatient(u32::MAX).durability(Durability::None)).unwrap();
    db.create_table("here").unwrap();
    let where_it_is = |txn: &Transaction| txn.tables().unwrap().remove(0);
    std::thread::scope(|scope| {
        for thread in 0..3_u8 {
            let db = &db;
            scope.spawn(move || {
                for n in 0..50_u8 {
                    let put: Result<(), WriteFailure> = db.transact(|txn| {
                        let table = where_it_is(txn);
                        txn.put(&table, &[thread, n], b"")?;
                        Ok(())
                    });
                    put.unwrap();
                }
            });
        }
        for _ in 0..50 {
            let moved: Result<(), WriteFailure> = db.transact(|txn| {
                let table = where_it_is(txn);
                let other = if table == "here" { "there" } else { "here" };
                Ok(txn.rename_table(&table, other)?)
            });
            moved.unwrap();
        }
    });
    let tables = db.tables().unwrap();
    assert_eq!(tables.len(), 1);
    assert_eq!(
        db.snapshot().unwrap().scan(&tables[0]).unwrap().count(),
        150
    );
    assert_clean(&db);
}

#[test]
fn where_the_conflict_index_has_forgotten_values_decide() {
    let mut limits = Limits::default();
    limits.conflict_keys = 2;
    let db = Database::in_memory(Options::new().limits(limits)).unwrap();
    let mut txns = [(); 2].map(|()| db.begin_with(Isolation::Serializable).unwrap());
    for n in 0..100_u8 {
        db.put("t", &[n], b"theirs").unwrap();
    }
    let [apart, met] = txns.each_mut();
    apart.get("t", b"other").unwrap();
    apart.put("t", b"mine", b"").unwrap();
    met.get("t", &[3]).unwrap();
    met.put("t", b"mine too", b"").unwrap();
    let [apart, met] = txns;
    apart.commit().unwrap();
    assert!(matches!(met.commit(), Err(CommitError::Conflict(_))));
}
