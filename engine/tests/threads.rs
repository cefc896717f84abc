//! Many threads on one database: transfers keep their sum, counters lose no increment.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at what it did not expect"
)]

use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db::{CommitError, Database, Durability, Options};

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
