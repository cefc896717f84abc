//! Entries that a range lends are the entries that it hands out, in snapshots and transactions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::collections::BTreeMap;
use std::ops::Bound;

use lightning_db::{CommitError, Database, Isolation, Limits, Options, Range, ReadError};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn lent(range: &mut Range<'_>) -> Model {
    let mut all = Model::new();
    while let Some(entry) = range.next_ref() {
        let (key, value) = entry.unwrap();
        assert!(all.last_key_value().is_none_or(|(last, _)| **last < *key));
        all.insert(key.to_vec(), value.to_vec());
    }
    all
}

fn key(number: u32) -> Vec<u8> {
    // Short and long ones: some are held without an allocation, of some the end is elsewhere.
    let mut key = number.to_be_bytes().to_vec();
    key.resize(4 + (number as usize % 5) * 160, b'k');
    key
}

fn filled(numbers: std::ops::Range<u32>) -> (Database, Model) {
    let db = Database::in_memory(Options::new()).unwrap();
    let mut txn = db.begin().unwrap();
    let mut model = Model::new();
    for number in numbers {
        let value = vec![b'v'; (number as usize * 37) % 3000];
        txn.put("t", &key(number), &value).unwrap();
        model.insert(key(number), value);
    }
    txn.commit().unwrap();
    (db, model)
}

#[test]
fn a_snapshot_lends_all_entries_from_both_ends() {
    let (db, model) = filled(0..500);
    let snapshot = db.snapshot().unwrap();
    assert_eq!(lent(&mut snapshot.scan("t").unwrap()), model);
    let mut backwards = snapshot.scan("t").unwrap();
    for (key, value) in model.iter().rev() {
        let (k, v) = backwards.next_back_ref().unwrap().unwrap();
        assert_eq!((k, v), (&key[..], &value[..]));
    }
    assert!(backwards.next_back_ref().is_none() && backwards.next_ref().is_none());
    let (low, high) = (key(100), key(300));
    let within: Model = model
        .range(low.clone()..high.clone())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    assert_eq!(lent(&mut snapshot.range("t", low..high).unwrap()), within);
    assert!(snapshot.scan("no such table").unwrap().next_ref().is_none());
}

#[test]
fn a_transaction_lends_its_own_writes_and_not_what_it_deleted() {
    let (db, mut model) = filled(0..300);
    let mut txn = db.begin().unwrap();
    for number in (0..300).step_by(7) {
        txn.delete("t", &key(number)).unwrap();
        model.remove(&key(number));
        txn.put("t", &key(number + 1), b"new").unwrap();
        model.insert(key(number + 1), b"new".to_vec());
    }
    txn.delete_range("t", key(50)..key(90)).unwrap();
    model.retain(|k, _| !(key(50)..key(90)).contains(k));
    assert_eq!(lent(&mut txn.scan("t").unwrap()), model);
    let mut turns = txn.scan("t").unwrap();
    let mut expected = model.iter();
    for turn in 0..model.len() {
        let theirs = match turn % 3 {
            0 => expected.next_back(),
            _ => expected.next(),
        };
        let (theirs_key, theirs_value) = theirs.unwrap();
        let same = match turn % 3 {
            0 => turns.next_back_ref().unwrap().unwrap() == (theirs_key, theirs_value),
            1 => turns.next_ref().unwrap().unwrap() == (theirs_key, theirs_value),
            _ => {
                let (k, v) = turns.next().unwrap().unwrap();
                (&*k, &*v) == (&theirs_key[..], &theirs_value[..])
            }
        };
        assert!(same, "turn {turn}");
    }
    assert!(turns.next_ref().is_none());
}

#[test]
fn a_serializable_transaction_has_read_what_it_was_lent() {
    // A write of this key, after the transaction was lent the first 10 of 100 entries.
    let outcome = |written: u32| {
        let (db, _) = filled(0..100);
        let mut reader = db.begin_with(Isolation::Serializable).unwrap();
        let mut range = reader.scan("t").unwrap();
        for _ in 0..10 {
            range.next_ref().unwrap().unwrap();
        }
        drop(range);
        db.put("t", &key(written), b"other").unwrap();
        reader.put("t", b"own", b"").unwrap();
        reader.commit()
    };
    assert!(matches!(outcome(3), Err(CommitError::Conflict(_))));
    assert!(matches!(outcome(9), Err(CommitError::Conflict(_))));
    assert!(outcome(10).is_ok());
    assert!(outcome(50).is_ok());
}

#[test]
fn a_snapshot_given_up_in_the_middle_of_lending_says_so_and_goes_on_saying_so() {
    let mut limits = Limits::default();
    limits.snapshot_bytes = 256 << 10;
    let db = Database::in_memory(Options::new().limits(limits)).unwrap();
    let put = |version: u8| {
        let mut txn = db.begin().unwrap();
        for number in 0..400_u32 {
            txn.put("t", &number.to_be_bytes(), &vec![version; 300])
                .unwrap();
        }
        txn.commit().unwrap();
    };
    put(1);
    let old = db.snapshot().unwrap();
    let mut range = old.scan("t").unwrap();
    range.next_ref().unwrap().unwrap();
    put(2);
    let _young = db.snapshot().unwrap();
    put(3);
    put(4);
    let mut lent = 1;
    let error = loop {
        match range.next_ref().expect("it ended as if all was there") {
            Ok((_, value)) => assert!(value.iter().all(|byte| *byte == 1)),
            Err(error) => break error,
        }
        lent += 1;
    };
    assert!(
        lent < 400 && matches!(error, ReadError::SnapshotTooOld(_)),
        "{error}"
    );
    for _ in 0..2 {
        assert!(matches!(
            range.next_ref(),
            Some(Err(ReadError::SnapshotTooOld(_)))
        ));
        assert!(matches!(
            range.next_back_ref(),
            Some(Err(ReadError::SnapshotTooOld(_)))
        ));
    }
}

/// The first `count` entries that a source shows.
macro_rules! visited {
    ($source:expr, $bounds:expr, $count:expr) => {{
        let mut seen = Vec::new();
        let count = $source
            .visit::<&[u8]>("t", $bounds, $count, |key, value| {
                seen.push((key.to_vec(), value.to_vec()));
            })
            .unwrap();
        assert_eq!(count, seen.len());
        seen
    }};
}

#[test]
fn a_snapshot_a_transaction_and_the_database_show_as_many_entries_as_are_asked_for() {
    let (db, model) = filled(0..500);
    let (low, high) = (key(100), key(300));
    let snapshot = db.snapshot().unwrap();
    let mut txn = db.begin().unwrap();
    let within = |model: &Model, count: usize| -> Vec<_> {
        let within = model.range(low.clone()..high.clone()).take(count);
        within.map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    let bounds = || (Bound::Included(&*low), Bound::Excluded(&*high));
    for count in [0, 1, 10, 199, 200, 201, usize::MAX] {
        let expected = within(&model, count);
        assert_eq!(visited!(snapshot, bounds(), count), expected);
        assert_eq!(visited!(txn, bounds(), count), expected);
        assert_eq!(visited!(db, bounds(), count), expected);
    }
    let crossed = (Bound::Excluded(&*high), Bound::Excluded(&*low));
    assert!(visited!(snapshot, crossed, 5).is_empty());
    let mut own = model.clone();
    own.insert(key(101), b"own".to_vec());
    txn.put("t", &key(101), b"own").unwrap();
    assert_eq!(visited!(txn, bounds(), 10), within(&own, 10));
    db.put("t", &key(102), b"newer").unwrap();
    assert_eq!(visited!(snapshot, bounds(), 10), within(&model, 10));
    assert_ne!(visited!(db, bounds(), 10), within(&model, 10));
    let nothing = snapshot.visit::<&[u8]>("no such table", .., 10, |_, _| panic!("an entry"));
    assert_eq!(nothing.unwrap(), 0);
}

#[test]
fn a_serializable_transaction_has_read_what_it_was_shown() {
    let outcome = |written: u32| {
        let (db, _) = filled(0..100);
        let mut reader = db.begin_with(Isolation::Serializable).unwrap();
        reader.visit::<&[u8]>("t", .., 10, |_, _| ()).unwrap();
        db.put("t", &key(written), b"other").unwrap();
        reader.put("t", b"own", b"").unwrap();
        reader.commit()
    };
    assert!(matches!(outcome(9), Err(CommitError::Conflict(_))));
    assert!(outcome(10).is_ok());
}

/// Who looks at entries may write meanwhile, and so much that his snapshot is given up: he is told, and shown nothing else.
#[test]
fn a_snapshot_given_up_while_entries_are_shown_says_so() {
    let mut limits = Limits::default();
    limits.snapshot_bytes = 256 << 10;
    let db = Database::in_memory(Options::new().limits(limits)).unwrap();
    let put = |version: u8| {
        let mut txn = db.begin().unwrap();
        for number in 0..400_u32 {
            txn.put("t", &number.to_be_bytes(), &vec![version; 300])
                .unwrap();
        }
        txn.commit().unwrap();
    };
    put(1);
    let old = db.snapshot().unwrap();
    let mut seen = 0_u32;
    let ended = old.visit::<&[u8]>("t", .., usize::MAX, |key, value| {
        assert_eq!((key, value), (&seen.to_be_bytes()[..], &[1; 300][..]));
        seen += 1;
        if seen == 30 {
            put(2);
            let _young = db.snapshot().unwrap();
            put(3);
            put(4);
        }
    });
    assert!((30..400).contains(&seen), "{seen}");
    assert!(
        matches!(ended, Err(ReadError::SnapshotTooOld(_))),
        "{ended:?}"
    );
}
