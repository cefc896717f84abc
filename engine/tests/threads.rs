//! Many threads on one database: transfers keep their sum, counters lose no increment.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at what it did not expect"
)]

use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db::{CheckpointMode, CommitError, Database, Durability, Limits, Options, Snapshot};

fn number(bytes: Option<lightning_db::Value>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().unwrap()))
}

/// Runs `body` in a transaction until it wins.
fn until_committed(
    db: &Database,
    durability: Durability,
    body: impl Fn(&mut lightning_db::Transaction),
) {
    loop {
        let mut txn = db.begin().unwrap();
        body(&mut txn);
        match txn.commit_with(durability) {
            Ok(_) => return,
            Err(CommitError::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn no_increment_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let options = || {
        Options::new()
            .log_segment(256 << 10)
            .checkpoint_after(64 << 10)
    };
    let db = Database::create(dir.path(), options()).unwrap();
    let (threads, each) = (4, 200);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let db = &db;
            scope.spawn(move || {
                for _ in 0..each {
                    let durability = [Durability::None, Durability::Buffered][thread % 2];
                    until_committed(db, durability, |txn| {
                        let seen = number(txn.get("t", b"counter").unwrap());
                        txn.put("t", b"counter", &(seen + 1).to_be_bytes()).unwrap();
                    });
                }
            });
        }
    });
    assert_eq!(
        number(db.get("t", b"counter").unwrap()),
        (threads * each) as u64
    );
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
    db.close().unwrap();
    let db = Database::open(dir.path(), options()).unwrap();
    assert_eq!(
        number(db.get("t", b"counter").unwrap()),
        (threads * each) as u64
    );
}

#[test]
fn every_snapshot_of_concurrent_transfers_has_the_same_sum() {
    let db = Database::in_memory(
        Options::new()
            .checkpoint_after(32 << 10)
            .log_segment(64 << 10),
    )
    .unwrap();
    let accounts = 16_u8;
    let mut txn = db.begin().unwrap();
    for account in 0..accounts {
        txn.put("t", &[account], &100_u64.to_be_bytes()).unwrap();
    }
    txn.commit().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut sums = 0;
            while !done.load(Ordering::Relaxed) || sums == 0 {
                let snapshot = db.snapshot().unwrap();
                let sum: u64 = snapshot
                    .scan("t")
                    .unwrap()
                    .map(|e| number(Some(e.unwrap().1)))
                    .sum();
                assert_eq!(sum, u64::from(accounts) * 100);
                sums += 1;
            }
        });
        let writers: Vec<_> = (0..3_u8)
            .map(|writer| {
                let db = &db;
                scope.spawn(move || {
                    for i in 0..300_u32 {
                        let from = [((i * 7 + u32::from(writer)) % u32::from(accounts)) as u8];
                        let to = [((i * 3 + 1) % u32::from(accounts)) as u8];
                        until_committed(db, Durability::Sync, |txn| {
                            let have = number(txn.get("t", &from).unwrap());
                            if from != to && have > 0 {
                                let there = number(txn.get("t", &to).unwrap());
                                txn.put("t", &from, &(have - 1).to_be_bytes()).unwrap();
                                txn.put("t", &to, &(there + 1).to_be_bytes()).unwrap();
                            }
                        });
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn as_many_snapshots_as_threads_are_enough() {
    let threads = 4_u32;
    let mut limits = Limits::default();
    limits.snapshots = threads as usize;
    let db = Database::in_memory(Options::new().limits(limits)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let db = &db;
            scope.spawn(move || {
                for i in 0..2000 {
                    let key = (thread * 10_000 + i).to_be_bytes();
                    db.put("t", &key, b"value").unwrap();
                }
            });
        }
    });
    assert_eq!(db.stats().snapshots, 0);
}

/// The value of a row: its length and bytes follow from its key and round, so that any mixture shows.
fn row(key: u32, round: u32) -> Vec<u8> {
    let len = if (key + round).is_multiple_of(7) {
        9_000
    } else {
        60
    };
    let mut row = vec![(key * 31 + round) as u8; len];
    row[..4].copy_from_slice(&round.to_be_bytes());
    row
}

const ROW_KEYS: u32 = 20;

fn has_row(key: u32, round: u32) -> bool {
    !(key + round).is_multiple_of(5)
}

/// One transaction of a writer: all of its rows are of one round.
fn write_round(db: &Database, writer: u32, round: u32) {
    let mut txn = db.begin().unwrap();
    let table = format!("t{writer}");
    for key in 0..ROW_KEYS {
        let name = key.to_be_bytes();
        if has_row(key, round) {
            txn.put(&table, &name, &row(key, round)).unwrap();
        } else {
            txn.delete(&table, &name).unwrap();
        }
    }
    let durability = [Durability::None, Durability::Buffered, Durability::Sync];
    txn.commit_with(durability[(round % 3) as usize]).unwrap();
}

/// The round that all of a writer's rows are of.
fn round_of(snapshot: &Snapshot, writer: u32) -> u32 {
    let mut seen = Vec::new();
    for entry in snapshot.scan(&format!("t{writer}")).unwrap() {
        let (key, value) = entry.unwrap();
        let key = u32::from_be_bytes(key[..].try_into().unwrap());
        let round = u32::from_be_bytes(value[..4].try_into().unwrap());
        assert!(value[..] == row(key, round), "key {key} of round {round}");
        seen.push((key, round));
    }
    let round = seen[0].1;
    let whole = (0..ROW_KEYS).filter(|key| has_row(*key, round));
    assert!(seen.into_iter().eq(whole.map(|key| (key, round))));
    round
}

fn assert_clean(db: &Database) {
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}

/// Two writers, a reader, and one who verifies and takes checkpoints.
fn run_at_once(db: &Database, rounds: u32) {
    (0..2).for_each(|writer| write_round(db, writer, 0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers = [0, 1].map(|writer| {
            scope.spawn(move || (1..=rounds).for_each(|round| write_round(db, writer, round)))
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let snapshot = db.snapshot().unwrap();
                let rounds = [0, 1].map(|writer| round_of(&snapshot, writer));
                assert_eq!(rounds, [0, 1].map(|writer| round_of(&snapshot, writer)));
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert_clean(db);
                db.checkpoint().unwrap();
            }
        });
        let ended = writers.map(std::thread::ScopedJoinHandle::join);
        done.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
}

#[test]
fn commits_snapshots_checkpoints_and_verification_run_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let options = || {
        Options::new()
            .log_segment(64 << 10)
            .checkpoint_after(100 << 10)
            .checkpoint_mode(CheckpointMode::Background)
    };
    let rounds = 25;
    for closes in [false, true, false] {
        let db = Database::open_or_create(dir.path(), options()).unwrap();
        run_at_once(&db, rounds);
        if closes {
            db.close().unwrap();
        } else {
            // The last round is not in the log's file yet.
            db.put("t", b"k", b"v").unwrap();
            drop(db);
        }
        let db = Database::open(dir.path(), options()).unwrap();
        let snapshot = db.snapshot().unwrap();
        assert_eq!(
            [0, 1].map(|writer| round_of(&snapshot, writer)),
            [rounds; 2]
        );
        assert_clean(&db);
    }
}
