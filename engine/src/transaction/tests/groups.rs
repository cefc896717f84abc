//! Members of one group, and groups one after the other: who conflicts with whom, and what the error says.

use crate::error::{CommitError, Conflict, ConflictKind, ConflictPlace, StorageError};
use crate::ids::Version;
use crate::options::{Isolation, Limits};
use crate::transaction::Transaction;
use crate::transaction::commit_queue::CommitResult;

use super::support::{Index, Rig};

use Isolation::{Serializable, Snapshot};

/// A rig with `keys` in table `t`, each with itself for a value.
fn rig(index: Index, keys: &[&str]) -> Rig {
    let mut rig = Rig::new(index, Limits::default());
    let mut setup = rig.begin(Snapshot);
    for key in keys {
        setup.put("t", key.as_bytes(), key.as_bytes()).unwrap();
    }
    rig.commit([setup]).remove(0).unwrap();
    rig
}

fn conflict(result: &CommitResult) -> &Conflict {
    match result {
        Err(CommitError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, found {other:?}"),
    }
}

/// What a transaction does before it commits.
type Body = fn(&mut Transaction);

/// The outcome for `second` after `first`: in one group, and in groups of their own; with each index. All must agree.
#[track_caller]
fn after(isolation: Isolation, first: Body, second: Body) -> Result<(), Box<Conflict>> {
    let mut outcomes = Vec::new();
    for index in [Index::Complete, Index::Short, Index::Blind] {
        for together in [true, false] {
            let mut rig = rig(index, &["a", "b", "c", "d"]);
            let mut txns = [rig.begin(isolation), rig.begin(isolation)];
            first(&mut txns[0]);
            second(&mut txns[1]);
            let results = if together {
                rig.commit(txns)
            } else {
                let [one, two] = txns;
                let mut results = rig.commit([one]);
                results.extend(rig.commit([two]));
                results
            };
            assert!(results[0].is_ok(), "{:?}", results[0]);
            let outcome = match &results[1] {
                Ok(_) => Ok(()),
                result => Err(Box::new(Conflict {
                    winner: None,
                    ..conflict(result).clone()
                })),
            };
            outcomes.push((outcome, index, together));
        }
    }
    let (outcome, ..) = outcomes[0].clone();
    for other in &outcomes {
        assert_eq!(other.0, outcome, "{other:?}");
    }
    outcome
}

fn put(txn: &mut Transaction, key: &str) {
    txn.put("t", key.as_bytes(), b"new").unwrap();
}

fn get(txn: &Transaction, key: &str) {
    txn.get("t", key.as_bytes()).unwrap();
}

#[test]
fn two_writes_of_one_key_conflict_and_of_two_keys_do_not() {
    let refused = after(Snapshot, |txn| put(txn, "a"), |txn| put(txn, "a")).unwrap_err();
    assert_eq!(refused.table, "t");
    assert_eq!(refused.kind, ConflictKind::WriteWrite);
    assert_eq!(refused.place, ConflictPlace::Key(b"a".to_vec()));
    assert_eq!(
        after(Snapshot, |txn| put(txn, "a"), |txn| put(txn, "b")),
        Ok(())
    );
    let deleted = after(
        Snapshot,
        |txn| txn.delete("t", b"a").unwrap(),
        |txn| put(txn, "a"),
    );
    assert!(deleted.is_err());
}

#[test]
fn a_read_of_a_written_key_conflicts_only_where_reads_count() {
    let second: Body = |txn| {
        get(txn, "a");
        put(txn, "b");
    };
    assert_eq!(after(Snapshot, |txn| put(txn, "a"), second), Ok(()));
    let refused = after(Serializable, |txn| put(txn, "a"), second).unwrap_err();
    assert_eq!(refused.kind, ConflictKind::ReadWrite);
    assert_eq!(refused.place, ConflictPlace::Key(b"a".to_vec()));
    assert_eq!(after(Serializable, |txn| put(txn, "c"), second), Ok(()));
}

#[test]
fn a_read_of_an_absent_key_conflicts_with_its_insertion() {
    let second: Body = |txn| {
        get(txn, "absent");
        put(txn, "b");
    };
    assert!(after(Serializable, |txn| put(txn, "absent"), second).is_err());
    let second: Body = |txn| {
        assert!(txn.get("absent", b"k").unwrap().is_none());
        put(txn, "b");
    };
    assert!(
        after(
            Serializable,
            |txn| txn.put("absent", b"k", b"").unwrap(),
            second
        )
        .is_err()
    );
    assert_eq!(
        after(
            Serializable,
            |txn| txn.create_table("absent").unwrap(),
            second
        ),
        Ok(())
    );
}

#[test]
fn a_key_written_before_it_is_read_is_not_read_from_the_snapshot() {
    let second: Body = |txn| {
        txn.put("u", b"own", b"1").unwrap();
        assert!(txn.get("u", b"own").unwrap().is_some());
    };
    assert_eq!(after(Serializable, |txn| put(txn, "a"), second), Ok(()));
}

#[test]
fn a_key_put_into_a_scanned_range_is_a_conflict() {
    let second: Body = |txn| {
        assert_eq!(txn.range("t", "b".."d").unwrap().count(), 2);
        txn.put("u", b"k", b"").unwrap();
    };
    let refused = after(Serializable, |txn| put(txn, "bb"), second).unwrap_err();
    assert_eq!(refused.kind, ConflictKind::ReadWrite);
    let ConflictPlace::Range { key, .. } = refused.place else {
        panic!("{refused:?}")
    };
    assert_eq!(key, b"bb");
    for outside in ["a", "d", "e"] {
        let mut rig = rig(Index::Complete, &["a", "b", "c", "d"]);
        let mut txns = [rig.begin(Serializable), rig.begin(Serializable)];
        put(&mut txns[0], outside);
        second(&mut txns[1]);
        assert!(rig.commit(txns).iter().all(Result::is_ok), "{outside}");
    }
    assert!(after(Serializable, |txn| txn.delete("t", b"c").unwrap(), second).is_err());
}

#[test]
fn of_a_range_read_in_part_only_the_part_read_counts() {
    let front: Body = |txn| {
        let mut range = txn.scan("t").unwrap();
        assert_eq!(&*range.next().unwrap().unwrap().0, b"a");
        assert_eq!(&*range.next().unwrap().unwrap().0, b"b");
        drop(range);
        txn.put("u", b"k", b"").unwrap();
    };
    assert_eq!(after(Serializable, |txn| put(txn, "bb"), front), Ok(()));
    assert!(after(Serializable, |txn| put(txn, "b"), front).is_err());
    assert!(after(Serializable, |txn| put(txn, "A"), front).is_err());
    let back: Body = |txn| {
        let mut range = txn.scan("t").unwrap();
        assert_eq!(&*range.next_back().unwrap().unwrap().0, b"d");
        drop(range);
        txn.put("u", b"k", b"").unwrap();
    };
    assert_eq!(after(Serializable, |txn| put(txn, "cc"), back), Ok(()));
    assert!(after(Serializable, |txn| put(txn, "d"), back).is_err());
    assert!(after(Serializable, |txn| put(txn, "e"), back).is_err());
    let unread: Body = |txn| {
        drop(txn.scan("t").unwrap());
        txn.put("u", b"k", b"").unwrap();
    };
    assert_eq!(after(Serializable, |txn| put(txn, "a"), unread), Ok(()));
}

#[test]
fn a_range_that_is_never_dropped_counts_whole() {
    let leaked: Body = |txn| {
        std::mem::forget(txn.scan("t").unwrap());
        txn.put("u", b"k", b"").unwrap();
    };
    assert!(after(Serializable, |txn| put(txn, "a"), leaked).is_err());
}

#[test]
fn a_range_read_to_its_end_counts_to_its_end() {
    let whole: Body = |txn| {
        assert_eq!(txn.scan("t").unwrap().count(), 4);
        txn.put("u", b"k", b"").unwrap();
    };
    assert!(after(Serializable, |txn| put(txn, "zzz"), whole).is_err());
    let both_ends: Body = |txn| {
        let mut range = txn.scan("t").unwrap();
        while range.next().is_some() && range.next_back().is_some() {}
        drop(range);
        txn.put("u", b"k", b"").unwrap();
    };
    assert!(after(Serializable, |txn| put(txn, "bb"), both_ends).is_err());
}

#[test]
fn a_deleted_range_conflicts_with_every_change_in_it_both_ways() {
    let delete: Body = |txn| txn.delete_range("t", "b".."d").unwrap();
    for change in [
        (|txn| put(txn, "b")) as Body,
        |txn| put(txn, "bb"),
        |txn| txn.delete("t", b"c").unwrap(),
    ] {
        let refused = after(Snapshot, change, delete).unwrap_err();
        assert_eq!(refused.kind, ConflictKind::WriteWrite);
    }
    assert!(after(Snapshot, delete, |txn| put(txn, "b")).is_err());
    assert!(after(Snapshot, delete, delete).is_err());
    assert_eq!(after(Snapshot, delete, |txn| put(txn, "a")), Ok(()));
    assert_eq!(
        after(Snapshot, delete, |txn| put(txn, "bb")),
        Ok(()),
        "nothing was there"
    );
    assert_eq!(after(Snapshot, |txn| put(txn, "d"), delete), Ok(()));
}

#[test]
fn a_dropped_or_renamed_table_conflicts_with_every_use_of_it() {
    let drop: Body = |txn| txn.drop_table("t").unwrap();
    let rename: Body = |txn| txn.rename_table("t", "u").unwrap();
    let write: Body = |txn| put(txn, "a");
    for change in [drop, rename] {
        for later in [write, drop, rename] {
            let refused = after(Snapshot, change, later).unwrap_err();
            assert_eq!(refused.kind, ConflictKind::Table);
            assert_eq!(refused.place, ConflictPlace::Table);
        }
        let read: Body = |txn| {
            get(txn, "a");
            txn.put("other", b"k", b"").unwrap();
        };
        assert!(after(Serializable, change, read).is_err());
        assert_eq!(after(Snapshot, change, read), Ok(()));
    }
    let refused = after(Snapshot, write, drop).unwrap_err();
    assert_eq!(refused.kind, ConflictKind::WriteWrite);
    assert_eq!(
        after(Snapshot, write, rename),
        Ok(()),
        "the write moves with the table"
    );
    let recreate: Body = |txn| {
        txn.drop_table("t").unwrap();
        txn.create_table("t").unwrap();
    };
    assert!(after(Snapshot, recreate, write).is_err());
}

#[test]
fn a_name_taken_by_one_is_refused_to_another() {
    let create: Body = |txn| txn.create_table("u").unwrap();
    let rename: Body = |txn| txn.rename_table("t", "u").unwrap();
    let implicit: Body = |txn| txn.put("u", b"mine", b"").unwrap();
    let other: Body = |txn| txn.put("u", b"other", b"").unwrap();
    for first in [create, rename, implicit] {
        for second in [create, rename] {
            assert!(after(Snapshot, first, second).is_err());
        }
    }
    assert_eq!(
        after(Snapshot, implicit, other),
        Ok(()),
        "two puts make one table"
    );
    assert!(after(Snapshot, implicit, implicit).is_err());
    let moved: Body = |txn| txn.put("u", b"a", b"").unwrap();
    assert!(
        after(Snapshot, rename, moved).is_err(),
        "the key came with the table"
    );
}

#[test]
fn keys_follow_their_table_through_its_names() {
    let first: Body = |txn| {
        put(txn, "a");
        txn.rename_table("t", "u").unwrap();
        txn.rename_table("u", "t").unwrap();
        txn.put("t", b"b", b"new").unwrap();
    };
    assert!(after(Snapshot, first, |txn| put(txn, "a")).is_err());
    assert!(after(Snapshot, first, |txn| put(txn, "b")).is_err());
    assert_eq!(after(Snapshot, first, |txn| put(txn, "c")), Ok(()));
    let second: Body = |txn| {
        txn.rename_table("t", "mine").unwrap();
        txn.put("mine", b"a", b"").unwrap();
    };
    let refused = after(Snapshot, |txn| put(txn, "a"), second).unwrap_err();
    assert_eq!(refused.table, "mine", "as the refused transaction calls it");
}

#[test]
fn the_list_of_tables_and_what_a_refusal_tells_are_reads() {
    let list: Body = |txn| {
        txn.tables().unwrap();
        put(txn, "a");
    };
    let exists: Body = |txn| {
        assert!(txn.drop_table("u").is_err());
        put(txn, "a");
    };
    for reads in [list, exists] {
        assert!(after(Serializable, |txn| txn.create_table("u").unwrap(), reads).is_err());
        assert_eq!(
            after(Snapshot, |txn| txn.create_table("u").unwrap(), reads),
            Ok(())
        );
    }
    assert_eq!(
        after(Serializable, |txn| txn.create_table("v").unwrap(), exists),
        Ok(())
    );
}

#[test]
fn what_is_undone_conflicts_with_nobody() {
    let undone: Body = |txn| {
        let savepoint = txn.savepoint();
        put(txn, "a");
        txn.delete_range("t", "a".."c").unwrap();
        txn.drop_table("t").unwrap();
        txn.rollback_to(savepoint).unwrap();
        put(txn, "d");
    };
    assert_eq!(after(Snapshot, |txn| put(txn, "a"), undone), Ok(()));
    assert_eq!(after(Snapshot, undone, |txn| put(txn, "a")), Ok(()));
    assert!(after(Snapshot, |txn| put(txn, "d"), undone).is_err());
    let nothing_left: Body = |txn| {
        let savepoint = txn.savepoint();
        put(txn, "a");
        txn.rollback_to(savepoint).unwrap();
        txn.put("other", b"k", b"").unwrap();
    };
    assert_eq!(
        after(Snapshot, |txn| txn.drop_table("t").unwrap(), nothing_left),
        Ok(())
    );
}

#[test]
fn a_conflict_names_the_version_that_won() {
    let mut rig = rig(Index::Complete, &["a"]);
    let mut txns = [rig.begin(Snapshot), rig.begin(Snapshot)];
    for txn in &mut txns {
        put(txn, "a");
    }
    let [first, second] = txns;
    let winner = rig.commit([first]).remove(0).unwrap().version;
    let refused = rig.commit([second]).remove(0);
    assert_eq!(conflict(&refused).winner, Some(winner));
    let Err(error) = refused else { return };
    assert!(error.is_retryable());
    let text = error.to_string();
    let expected = format!(
        "conflict: key \"a\" of table \"t\" was written, as by this one, by another transaction that committed since, \
         at version {winner}"
    );
    assert_eq!(text, expected);
}

#[test]
fn a_serializable_group_commits_what_some_order_explains() {
    let mut rig = rig(Index::Complete, &["a", "b"]);
    let mut txns = [rig.begin(Serializable), rig.begin(Serializable)];
    for (txn, own) in txns.iter_mut().zip(["a", "b"]) {
        get(txn, "a");
        get(txn, "b");
        put(txn, own);
    }
    let results = rig.commit(txns);
    let version = Version(rig.session.engine.store.snapshots().published().get());
    assert_eq!(results[0].as_ref().unwrap().version, version);
    assert_eq!(conflict(&results[1]).winner, Some(version));
}

#[test]
fn a_member_that_cannot_be_applied_makes_nobody_conflict() {
    let limits = Limits {
        freed_pages: 2,
        ..Limits::default()
    };
    let mut rig = Rig::new(Index::Complete, limits);
    let mut setup = rig.begin(Snapshot);
    for n in 0..100_u8 {
        setup.put("large", &[n], &[0; 500]).unwrap();
    }
    rig.commit([setup]).remove(0).unwrap();
    let mut txns = [(); 3].map(|()| rig.begin(Serializable));
    txns[0].drop_table("large").unwrap();
    put(&mut txns[0], "a");
    txns[0].create_table("u").unwrap();
    put(&mut txns[1], "a");
    get(&txns[2], "b");
    txns[2].put("u", b"k", b"").unwrap();
    let results = rig.commit(txns);
    let Err(CommitError::Refused(StorageError::Limit(limit))) = &results[0] else {
        panic!("{results:?}")
    };
    assert_eq!((limit.name, limit.allowed), ("freed_pages", 2));
    assert!(limit.needed > 2);
    assert!(results[1].is_ok() && results[2].is_ok(), "{results:?}");
    let seen = rig.begin(Snapshot);
    assert_eq!(seen.scan("large").unwrap().count(), 100);
    assert_eq!(seen.get("t", b"a").unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(seen.tables().unwrap(), ["large", "t", "u"]);
}

/// Each member's way was found in what its snapshot shows. Another one splits the leaf that it leads to: in its group, or before it.
#[test]
fn a_way_that_was_found_before_others_changed_the_tree_is_not_gone() {
    let own = |txn: &mut Transaction, key: &str| txn.put("t", key.as_bytes(), &[1; 100]).unwrap();
    let split: Vec<String> = (0..60).map(|n| format!("k050a{n:02}")).collect();
    for (together, mine) in [
        (true, "k050a99"),
        (false, "k050a99"),
        (true, "k051"),
        (false, "k051"),
    ] {
        let keys: Vec<String> = (0..100).map(|n| format!("k{n:03}")).collect();
        let mut rig = rig(Index::Complete, &[]);
        for key in &keys {
            let mut setup = rig.begin(Snapshot);
            own(&mut setup, key);
            rig.commit([setup]).remove(0).unwrap();
        }
        let mut first = rig.begin(Snapshot);
        for key in &split {
            own(&mut first, key);
        }
        let mut second = rig.begin(Snapshot);
        own(&mut second, mine);
        let results = if together {
            rig.commit([first, second])
        } else {
            // Its way is found when it comes to commit, in its snapshot.
            let mut results = rig.commit([first]);
            results.extend(rig.commit([second]));
            results
        };
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let reader = rig.begin(Snapshot);
        for key in keys.iter().chain(&split).map(String::as_str).chain([mine]) {
            let value = reader.get("t", key.as_bytes()).unwrap();
            assert_eq!(
                value.as_deref(),
                Some(&[1; 100][..]),
                "{key} after {mine}, {together}"
            );
        }
    }
}

#[test]
fn a_write_alone_is_what_it_is_among_others() {
    let mut rig = rig(Index::Complete, &["a", "b"]);
    let mut commit = |body: Body| {
        let mut txn = rig.begin(Snapshot);
        body(&mut txn);
        rig.commit([txn]).remove(0).unwrap();
        let reader = rig.begin(Snapshot);
        let entries = |table| -> Vec<_> {
            let entries = reader.scan(table).unwrap().map(Result::unwrap);
            entries
                .map(|(key, _)| String::from_utf8_lossy(&key).into_owned())
                .collect()
        };
        (reader.tables().unwrap(), entries("t"), entries("u"))
    };
    let (t, u) = (
        || vec!["t".to_owned()],
        || vec!["t".to_owned(), "u".to_owned()],
    );
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    // Of a table that is not there nothing is deleted, and it does not come to be.
    let seen = commit(|txn| txn.delete("u", b"k").unwrap());
    assert_eq!(seen, (t(), names(&["a", "b"]), names(&[])));
    let seen = commit(|txn| txn.delete("t", b"a").unwrap());
    assert_eq!(seen, (t(), names(&["b"]), names(&[])));
    // What was put and taken back leaves nothing but the table.
    let seen = commit(|txn| {
        txn.put("t", b"c", b"").unwrap();
        let before = txn.savepoint();
        txn.put("u", b"k", b"").unwrap();
        txn.rollback_to(before).unwrap();
    });
    assert_eq!(seen, (t(), names(&["b", "c"]), names(&[])));
    let seen = commit(|txn| {
        let before = txn.savepoint();
        txn.put("t", b"d", b"").unwrap();
        txn.rollback_to(before).unwrap();
        txn.delete("t", b"c").unwrap();
    });
    assert_eq!(seen, (t(), names(&["b"]), names(&[])));
    let seen = commit(|txn| txn.put("u", b"k", b"").unwrap());
    assert_eq!(seen, (u(), names(&["b"]), names(&["k"])));
    let seen = commit(|txn| {
        txn.delete_range::<&[u8]>("t", ..).unwrap();
        txn.put("t", b"z", b"").unwrap();
    });
    assert_eq!(seen, (u(), names(&["z"]), names(&["k"])));
}
