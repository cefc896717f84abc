//! Writes that depend on what is there: they see their transaction's own writes, and a conflict undoes or
//! repeats them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use lightning_db::{CommitError, Database, Limits, Options, UpdateError, WriteError, WriteFailure};

fn database() -> Database {
    Database::in_memory(Options::new()).unwrap()
}

#[test]
fn a_swap_happens_only_over_the_expected_value() {
    let db = database();
    let swap = |old: Option<&[u8]>, new: Option<&[u8]>| {
        let swapped = db.compare_and_swap("t", b"k", old, new).unwrap();
        swapped
            .err()
            .map(|mismatch| mismatch.actual.map(|value| value.to_vec()))
    };
    assert_eq!(swap(Some(b"a"), Some(b"b")), Some(None));
    assert_eq!(swap(None, Some(b"a")), None);
    assert_eq!(swap(None, Some(b"b")), Some(Some(b"a".to_vec())));
    assert_eq!(swap(Some(b"a"), Some(b"")), None);
    assert_eq!(
        swap(None, Some(b"b")),
        Some(Some(vec![])),
        "empty is not absent"
    );
    assert_eq!(swap(Some(b""), None), None);
    assert!(!db.contains("t", b"k").unwrap());
}

#[test]
fn of_two_swaps_that_expected_the_same_value_one_commits() {
    let db = database();
    db.put("t", b"k", b"0").unwrap();
    let (mut one, mut two) = (db.begin().unwrap(), db.begin().unwrap());
    for txn in [&mut one, &mut two] {
        let swapped = txn.compare_and_swap("t", b"k", Some(b"0"), Some(b"1"));
        assert!(swapped.unwrap().is_ok());
    }
    one.commit().unwrap();
    assert!(matches!(two.commit(), Err(CommitError::Conflict { .. })));
}

#[test]
fn an_update_is_repeated_over_what_another_thread_made_of_the_value() {
    let db = database();
    let (threads, each) = (4_u64, 100_u64);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let next = |old: Option<&[u8]>| {
                        let old = old.map_or(0, |b| u64::from_be_bytes(b.try_into().unwrap()));
                        Some((old + 1).to_be_bytes())
                    };
                    db.update("t", b"n", next).unwrap();
                }
            });
        }
    });
    let total = db.get("t", b"n").unwrap().unwrap();
    assert_eq!(&*total, (threads * each).to_be_bytes());
}

#[test]
fn of_threads_that_insert_one_absent_key_exactly_one_does() {
    let db = database();
    let winners: Vec<bool> = std::thread::scope(|scope| {
        let insert = |n: u8| db.put_if_absent("t", b"k", &[n]).unwrap().is_none();
        let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || insert(n))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(winners.iter().filter(|won| **won).count(), 1);
    let winner = winners.iter().position(|won| *won).unwrap();
    assert_eq!(usize::from(db.get("t", b"k").unwrap().unwrap()[0]), winner);
}

#[test]
fn a_value_is_taken_once() {
    let db = database();
    db.put("t", b"k", b"v").unwrap();
    let mut txn = db.begin().unwrap();
    assert_eq!(txn.take("t", b"k").unwrap().as_deref(), Some(&b"v"[..]));
    assert!(txn.take("t", b"k").unwrap().is_none());
    txn.rollback();
    assert_eq!(db.take("t", b"k").unwrap().as_deref(), Some(&b"v"[..]));
    assert!(db.take("t", b"k").unwrap().is_none());
}

#[test]
fn a_queue_is_emptied_in_order() {
    let db = database();
    let mut txn = db.begin().unwrap();
    for key in [b"b", b"a", b"c"] {
        txn.put("t", key, b"").unwrap();
    }
    txn.commit().unwrap();
    let mut txn = db.begin().unwrap();
    txn.put("t", b"aa", b"").unwrap();
    let mut taken = Vec::new();
    while let Some((key, _)) = txn.take_first("t").unwrap() {
        taken.push(String::from_utf8_lossy(&key).into_owned());
    }
    assert_eq!(taken, ["a", "aa", "b", "c"]);
    txn.commit().unwrap();
    assert!(db.first("t").unwrap().is_none());
}

#[test]
fn an_update_over_a_limit_names_it_and_leaves_the_value() {
    let mut limits = Limits::default();
    limits.value_bytes = 3;
    let db = Database::in_memory(Options::new().limits(limits)).unwrap();
    db.put("t", b"k", b"abc").unwrap();
    let longer = |old: Option<&[u8]>| Some([old.unwrap(), b"d"].concat());
    let mut txn = db.begin().unwrap();
    let refused = txn.update("t", b"k", longer).unwrap_err();
    assert!(matches!(
        refused,
        UpdateError::Write(WriteError::Limit {
            name: "value_bytes",
            needed: 4,
            allowed: 3
        })
    ));
    let refused = db.update("t", b"k", longer).unwrap_err();
    assert!(matches!(
        refused,
        WriteFailure::Write(WriteError::Limit { .. })
    ));
    assert_eq!(db.get("t", b"k").unwrap().as_deref(), Some(&b"abc"[..]));
}
