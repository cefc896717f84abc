//! Groups of which leaves are prepared before they are applied, with and without a thread that helps.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::disk::{Disk, MemoryDisk};
use crate::options::{CheckpointMode, Durability, Isolation, Limits};
use crate::recovery;
use crate::transaction::{Session, Snapshot, Transaction};

use super::support::options;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Spreads numbers over all keys.
fn key(number: u64) -> Vec<u8> {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread.to_be_bytes().to_vec()
}

fn value(round: u64, number: u64) -> Vec<u8> {
    let len = usize::try_from(number % 90).unwrap();
    let mut value = vec![u8::try_from(round % 251).unwrap(); len];
    // Seldom one that is in an extent.
    if number.is_multiple_of(397) {
        value.resize(3000, 7);
    }
    value
}

fn session(mode: CheckpointMode, limits: Limits) -> Arc<Session> {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let options = options().limits(limits).checkpoint_mode(mode);
    Session::new(recovery::create(&disk, options).unwrap())
}

fn entries(session: &Arc<Session>, table: &str) -> Model {
    let snapshot = Snapshot::new(session).unwrap();
    let entries = snapshot.scan(table).unwrap().map(Result::unwrap);
    entries
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

/// Rounds of writes to two tables, each in one transaction: puts all over, overwrites, deletions, and a range.
fn write(session: &Arc<Session>, rounds: u64, each: u64) -> [Model; 2] {
    let mut models = [Model::new(), Model::new()];
    for round in 0..rounds {
        let mut txn = Transaction::new(session, Isolation::Snapshot).unwrap();
        for (table, model) in ["a", "b"].iter().zip(&mut models) {
            if round % 4 == 3 {
                let (low, high) = (key(round), key(round + 1));
                let (low, high) = (low.clone().min(high.clone()), low.max(high));
                let high = low
                    .iter()
                    .copied()
                    .chain([9])
                    .collect::<Vec<u8>>()
                    .min(high);
                txn.delete_range(table, &low[..]..&high[..]).unwrap();
                model.retain(|key, _| *key < low || *key >= high);
            }
            for number in 0..each {
                let number = number * 7 + round * 3;
                let key = key(number % (each * 4));
                if number % 5 == round % 5 {
                    txn.delete(table, &key).unwrap();
                    model.remove(&key);
                } else {
                    txn.put(table, &key, &value(round, number)).unwrap();
                    model.insert(key, value(round, number));
                }
            }
        }
        txn.commit_with(Durability::Buffered).unwrap();
        for (table, model) in ["a", "b"].iter().zip(&models) {
            assert!(
                entries(session, table) == *model,
                "round {round}, table {table}"
            );
        }
    }
    models
}

#[test]
fn large_groups_leave_what_a_map_holds_whether_the_leader_has_help_or_not() {
    let (rounds, each) = if cfg!(miri) { (2, 80) } else { (10, 900) };
    for mode in [CheckpointMode::Background, CheckpointMode::Inline] {
        write(&session(mode, Limits::default()), rounds, each);
    }
}

/// A helper that is late works on for a group that is over, while the next ones are written and readers read.
#[test]
fn groups_of_several_threads_one_after_the_other_are_all_there() {
    let session = session(CheckpointMode::Background, Limits::default());
    let (threads, rounds, each) = if cfg!(miri) { (2, 1, 70) } else { (3, 8, 600) };
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let session = &session;
            scope.spawn(move || {
                for round in 0..rounds {
                    let mut txn = Transaction::new(session, Isolation::Snapshot).unwrap();
                    for number in 0..each {
                        let key = key(number * threads + thread);
                        txn.put("t", &key, &value(round, number)).unwrap();
                    }
                    txn.commit_with(Durability::None).unwrap();
                }
            });
        }
    });
    let last =
        |thread: u64, number: u64| (key(number * threads + thread), value(rounds - 1, number));
    let expected =
        (0..threads).flat_map(|thread| (0..each).map(move |number| last(thread, number)));
    assert!(entries(&session, "t") == expected.collect::<Model>());
}

#[test]
fn a_commit_that_needs_more_memory_than_it_may_have_is_refused_though_its_leaves_are_prepared() {
    let limits = Limits {
        memory: 64 << 20,
        ..Limits::default()
    };
    let session = session(CheckpointMode::Background, limits);
    let put = |count: u64, step: u64, len: usize| {
        let mut txn = Transaction::new(&session, Isolation::Snapshot).unwrap();
        for number in 0..count {
            txn.put("t", &key(number * step), &vec![1; len]).unwrap();
        }
        txn.commit_with(Durability::None)
    };
    // Some 10,000 leaves, in several transactions, each with one entry or a few to overwrite.
    for part in 0..30 {
        let mut txn = Transaction::new(&session, Isolation::Snapshot).unwrap();
        for number in 0..1000 {
            txn.put("t", &key(part * 1000 + number), &[1; 900]).unwrap();
        }
        txn.commit_with(Durability::None).unwrap();
    }
    let refused = put(10_000, 3, 900);
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(entries(&session, "t").len(), 30_000);
    put(1000, 3, 899).unwrap();
}
