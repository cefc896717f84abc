//! Where a table is may be remembered; what a name means to a snapshot must not change with it.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use lightning_db::{Database, Options, Snapshot, Transaction};

fn commit(db: &Database, change: impl FnOnce(&mut Transaction)) {
    let mut transaction = db.begin().unwrap();
    change(&mut transaction);
    transaction.commit().unwrap();
}

fn seen(snapshot: &Snapshot, table: &str) -> Option<Vec<u8>> {
    let first = snapshot.get(table, b"k").unwrap();
    let again = snapshot.get(table, b"k").unwrap();
    assert_eq!(first.as_deref(), again.as_deref());
    let listed: Vec<_> = snapshot
        .scan(table)
        .unwrap()
        .map(|entry| entry.unwrap().1.to_vec())
        .collect();
    assert_eq!(listed.first().map(Vec::as_slice), first.as_deref());
    first.map(|value| value.to_vec())
}

#[test]
fn each_snapshot_keeps_its_own_meaning_of_a_name() {
    let db = Database::in_memory(Options::new()).unwrap();
    commit(&db, |t| t.put("a", b"k", b"first").unwrap());
    let first = db.snapshot().unwrap();
    assert_eq!(seen(&first, "a").as_deref(), Some(&b"first"[..]));

    commit(&db, |t| t.rename_table("a", "b").unwrap());
    let renamed = db.snapshot().unwrap();
    commit(&db, |t| t.put("a", b"k", b"second").unwrap());
    let second = db.snapshot().unwrap();
    commit(&db, |t| t.drop_table("a").unwrap());
    let dropped = db.snapshot().unwrap();
    commit(&db, |t| t.put("a", b"k", b"third").unwrap());
    // In every order, so that each finds what the others made known.
    for _ in 0..3 {
        assert_eq!(db.get("a", b"k").unwrap().as_deref(), Some(&b"third"[..]));
        assert_eq!(seen(&second, "a").as_deref(), Some(&b"second"[..]));
        assert_eq!(seen(&first, "a").as_deref(), Some(&b"first"[..]));
        assert_eq!(seen(&dropped, "a"), None);
        assert_eq!(seen(&renamed, "a"), None);
        assert_eq!(seen(&first, "b"), None);
        for later in [&renamed, &second, &dropped] {
            assert_eq!(seen(later, "b").as_deref(), Some(&b"first"[..]));
        }
        assert_eq!(db.get("b", b"k").unwrap().as_deref(), Some(&b"first"[..]));
    }
    assert!(db.verify().unwrap().problems.is_empty());
}

/// Readers that begin while a table comes, goes and changes its name see one of its states, and never another table's rows.
#[test]
fn readers_beside_changes_of_names_never_see_another_tables_rows() {
    let db = Database::in_memory(Options::new()).unwrap();
    commit(&db, |t| {
        t.put("a", b"k", b"a").unwrap();
        t.put("b", b"k", b"b").unwrap();
    });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let snapshot = db.snapshot().unwrap();
                    let values = ["a", "b"].map(|table| snapshot.get(table, b"k").unwrap());
                    let values = values.map(|value| value.map(|value| value.to_vec()));
                    let values = values.each_ref().map(Option::as_deref);
                    let states: [[Option<&[u8]>; 2]; 3] = [
                        [Some(b"a"), Some(b"b")],
                        [Some(b"b"), Some(b"a")],
                        [None, Some(b"b")],
                    ];
                    assert!(states.contains(&values), "{values:?}");
                    let now = db.get("b", b"k").unwrap();
                    assert!(matches!(now.as_deref(), Some(b"a" | b"b")));
                }
            });
        }
        for _ in 0..100 {
            // Both names change hands, then the first table goes and comes back.
            for _ in 0..2 {
                commit(&db, |t| {
                    t.rename_table("a", "c").unwrap();
                    t.rename_table("b", "a").unwrap();
                    t.rename_table("c", "b").unwrap();
                });
            }
            commit(&db, |t| t.drop_table("a").unwrap());
            commit(&db, |t| t.put("a", b"k", b"a").unwrap());
        }
        done.store(true, Relaxed);
    });
}
