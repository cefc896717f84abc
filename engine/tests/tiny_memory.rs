//! Databases larger than their memory: all that is true with room for everything is true with 16 pages.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at what it did not expect"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_db::disk::{Disk, MemoryDisk};
use lightning_db::error::StorageError;
use lightning_db::{
    CheckpointMode, CommitError, Database, Durability, Limits, Options, ReadError, Snapshot,
    WriteError,
};
use proptest::prelude::*;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn options(page_size: u32) -> Options {
    let mut limits = Limits::default();
    limits.memory = 16 * u64::from(page_size);
    Options::new()
        .page_size(page_size)
        .log_segment(64 << 10)
        .checkpoint_mode(CheckpointMode::Manual)
        .durability(Durability::None)
        .limits(limits)
}

fn key(number: u32) -> Vec<u8> {
    let mut key = number.wrapping_mul(0x9E37_79B1).to_be_bytes().to_vec();
    key.extend(number.to_be_bytes());
    key
}

fn value(number: u32, len: usize) -> Vec<u8> {
    vec![(number % 251) as u8; len]
}

fn rows(snapshot: &Snapshot) -> Result<Rows, ReadError> {
    let entries = snapshot.scan("t")?;
    let entries = entries.map(|entry| entry.map(|(k, v)| (k.to_vec(), v.to_vec())));
    entries.collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// Sets this many keys from this one on, with values of this length.
    Put(u32, u32, usize),
    Delete(u32, u32),
    Checkpoint,
    Hold,
    /// Reads a held snapshot whole, and keeps it.
    Scan(usize),
    /// Reads one key of a held snapshot.
    Get(usize, u32),
    Release(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![6 => 0_usize..900, 1 => 5_000_usize..150_000];
    prop_oneof![
        8 => (0_u32..400, 1_u32..40, len).prop_map(|(k, n, len)| {
            Step::Put(k, if len > 1000 { n % 2 + 1 } else { n }, len)
        }),
        3 => (0_u32..400, 1_u32..80).prop_map(|(k, n)| Step::Delete(k, n)),
        3 => Just(Step::Checkpoint),
        3 => Just(Step::Hold),
        3 => (0_usize..8).prop_map(Step::Scan),
        6 => (0_usize..8, 0_u32..440).prop_map(|(s, k)| Step::Get(s, k)),
        2 => (0_usize..8).prop_map(Step::Release),
        1 => Just(Step::Reopen),
    ]
}

struct Run {
    disk: Arc<dyn Disk>,
    options: Options,
    db: Database,
    now: Rows,
    held: Vec<(Snapshot, Rows)>,
}

impl Run {
    fn new(page_size: u32) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let options = options(page_size);
        Self {
            db: Database::create_on(Arc::clone(&disk), options.clone()).unwrap(),
            disk,
            options,
            now: Rows::new(),
            held: Vec::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Put(first, count, len) => {
                let mut txn = self.db.begin().unwrap();
                for number in first..first + count {
                    txn.put("t", &key(number), &value(number, len)).unwrap();
                    self.now.insert(key(number), value(number, len));
                }
                txn.commit().unwrap();
            }
            Step::Delete(first, count) => {
                let mut txn = self.db.begin().unwrap();
                for number in first..first + count {
                    txn.delete("t", &key(number)).unwrap();
                    self.now.remove(&key(number));
                }
                txn.commit().unwrap();
            }
            Step::Checkpoint => self.db.checkpoint().unwrap(),
            Step::Hold => {
                let snapshot = self.db.snapshot().unwrap();
                self.held.push((snapshot, self.now.clone()));
            }
            Step::Scan(index) => {
                if let Some((snapshot, seen)) = self.held.get(index) {
                    assert!(rows(snapshot).unwrap() == *seen, "snapshot {index}");
                }
            }
            Step::Get(index, number) => {
                let key = key(number);
                let (found, expected) = match self.held.get(index) {
                    Some((snapshot, seen)) => (snapshot.get("t", &key), seen.get(&key)),
                    None => (self.db.get("t", &key), self.now.get(&key)),
                };
                assert_eq!(found.unwrap().as_deref(), expected.map(Vec::as_slice));
            }
            Step::Release(index) => {
                if index < self.held.len() {
                    self.held.swap_remove(index);
                }
            }
            Step::Reopen => {
                self.held.clear();
                self.db.clone().close().unwrap();
                // The last handle goes before the next opening takes the lock.
                let parked = Database::in_memory(Options::new()).unwrap();
                drop(std::mem::replace(&mut self.db, parked));
                self.db = Database::open_on(Arc::clone(&self.disk), self.options.clone()).unwrap();
            }
        }
    }

    fn check(mut self) {
        for (snapshot, seen) in self.held.drain(..) {
            assert!(rows(&snapshot).unwrap() == seen, "a held snapshot");
        }
        assert!(rows(&self.db.snapshot().unwrap()).unwrap() == self.now);
        // One more commit cleans up what the snapshots held.
        self.db.put("u", b"k", b"v").unwrap();
        self.db.put("u", b"k", b"w").unwrap();
        assert_eq!(self.db.verify().unwrap().problems, Vec::<String>::new());
        self.db.checkpoint().unwrap();
        let stats = self.db.stats();
        assert_eq!(stats.slots_pinned, 0, "{stats:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_run_with_sixteen_pages_of_memory_follows_the_model(
        page_size in prop::sample::select(vec![4096_u32, 8192, 65536]),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut run = Run::new(page_size);
        for step in &steps {
            run.take(step);
        }
        run.check();
    }
}

#[test]
fn memory_stays_within_the_limit_and_evicted_pages_come_back() {
    let mut run = Run::new(4096);
    for first in (0..4000).step_by(20) {
        run.take(&Step::Put(first, 20, 300));
        run.take(&Step::Checkpoint);
    }
    let limit = 16 * 4096;
    let stats = run.db.stats();
    assert!(stats.memory_bytes <= limit, "{stats:?}");
    for number in (0..4000).rev() {
        run.take(&Step::Get(8, number));
    }
    let stats = run.db.stats();
    assert!(stats.memory_bytes <= limit, "{stats:?}");
    assert!(
        stats.evictions > 1000 && stats.page_loads > 1000,
        "{stats:?}"
    );
    run.check();
}

#[test]
fn a_long_snapshot_keeps_slots_not_memory() {
    let mut run = Run::new(4096);
    for first in (0..1000).step_by(20) {
        run.take(&Step::Put(first, 20, 300));
        run.take(&Step::Checkpoint);
    }
    run.take(&Step::Hold);
    for _ in 0..3 {
        for first in (0..1000).step_by(20) {
            run.take(&Step::Put(first, 20, 310));
            run.take(&Step::Checkpoint);
        }
    }
    let stats = run.db.stats();
    assert!(stats.slots_pinned > 50, "{stats:?}");
    assert!(stats.memory_bytes <= 16 * 4096, "{stats:?}");
    run.take(&Step::Scan(0));
    run.check();
}

#[test]
fn what_no_snapshot_sees_goes_though_an_older_one_lives() {
    let mut run = Run::new(4096);
    run.take(&Step::Put(0, 200, 300));
    run.take(&Step::Checkpoint);
    run.take(&Step::Hold);
    for _ in 0..50 {
        run.take(&Step::Put(0, 200, 300));
        run.take(&Step::Checkpoint);
        let stats = run.db.stats();
        assert!(stats.slots_pinned <= 60, "{stats:?}");
        assert!(stats.superseded_bytes <= 16 * 4096, "{stats:?}");
    }
    run.check();
}

#[test]
fn an_old_version_is_not_taken_for_a_newer_one_that_was_dropped_above_it() {
    let mut run = Run::new(4096);
    run.take(&Step::Put(0, 20, 300));
    run.take(&Step::Hold);
    // On disk, and seen by nobody once the next one is there.
    run.take(&Step::Put(0, 20, 301));
    run.take(&Step::Checkpoint);
    run.take(&Step::Put(0, 20, 302));
    for first in (100..300).step_by(20) {
        run.take(&Step::Put(first, 20, 300));
    }
    run.take(&Step::Scan(0));
    run.take(&Step::Checkpoint);
    run.take(&Step::Scan(0));
    run.check();
}

#[test]
fn a_value_larger_than_the_memory_is_read_and_stays_valid_while_it_is_held() {
    let mut run = Run::new(4096);
    run.take(&Step::Put(0, 2, 1 << 20));
    run.take(&Step::Checkpoint);
    run.take(&Step::Get(8, 0));
    let held = run.db.get("t", &key(1)).unwrap().unwrap();
    run.take(&Step::Put(1, 1, 100));
    run.take(&Step::Checkpoint);
    run.take(&Step::Put(2, 1, 1 << 20));
    run.take(&Step::Checkpoint);
    assert!(*held == *value(1, 1 << 20));
    let stats = run.db.stats();
    assert!(stats.memory_bytes <= 16 * 4096, "{stats:?}");
    run.check();
}

#[test]
fn a_transaction_too_large_for_the_memory_is_refused_by_name_before_harm() {
    let mut run = Run::new(4096);
    let mut txn = run.db.begin().unwrap();
    txn.put("t", b"a", &vec![1; 5 << 20]).unwrap();
    let refused = txn.put("t", b"b", &vec![1; 5 << 20]).unwrap_err();
    assert!(
        matches!(refused, WriteError::Limit { name: "memory", .. }),
        "{refused}"
    );
    drop(txn);
    for first in (0..7000).step_by(1000) {
        run.take(&Step::Put(first, 1000, 1200));
        run.take(&Step::Checkpoint);
    }
    // No more bytes than are allowed, but on more pages.
    let mut txn = run.db.begin().unwrap();
    for number in 0..7000 {
        txn.put("t", &key(number), &value(number, 1000)).unwrap();
    }
    let refused = txn.commit().unwrap_err();
    let by_name = matches!(
        &refused,
        CommitError::Refused(StorageError::Limit(limit)) if limit.name == "memory"
    );
    assert!(by_name, "{refused}");
    run.check();
}

#[test]
fn at_its_limit_the_oldest_snapshot_is_given_up_in_the_middle_of_its_scan_and_no_other() {
    let mut limits = Limits::default();
    limits.snapshot_bytes = 256 << 10;
    let options = options(4096).limits(limits);
    let db = Database::in_memory(options).unwrap();
    let put = |version: u8| {
        let mut txn = db.begin().unwrap();
        for number in 0..400 {
            txn.put("t", &key(number), &vec![version; 300]).unwrap();
        }
        txn.commit().unwrap();
    };
    put(1);
    let old = db.snapshot().unwrap();
    let mut scan = old.scan("t").unwrap();
    assert_eq!(scan.next().unwrap().unwrap().1[..], [1; 300]);
    // No checkpoint: each version of each page is in memory only. Two rounds exceed the limit.
    put(2);
    let young = db.snapshot().unwrap();
    put(3);
    put(4);
    let mut errors = 0;
    for entry in scan {
        match entry {
            Ok((_, value)) => assert!(errors == 0 && value.iter().all(|byte| *byte == 1)),
            Err(ReadError::SnapshotTooOld(too_old)) => {
                assert_eq!(too_old.limit, "snapshot_bytes");
                errors += 1;
                if errors == 3 {
                    break;
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(
        errors, 3,
        "the error is returned, and goes on being returned"
    );
    assert!(matches!(
        old.get("t", &key(1)),
        Err(ReadError::SnapshotTooOld(_))
    ));
    for entry in young.scan("t").unwrap() {
        assert!(entry.unwrap().1.iter().all(|byte| *byte == 2));
    }
    // What the last commit superseded goes with the next one.
    db.put("u", b"k", b"v").unwrap();
    assert!(db.stats().superseded_bytes <= 256 << 10);
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}

fn balance_in(value: &[u8]) -> i64 {
    i64::from_be_bytes(value[..8].try_into().unwrap())
}

/// The sum of all balances is what it was, and the large value is of one piece.
fn check_bank(snapshot: &Snapshot, accounts: u32) {
    let mut sum = 0;
    for entry in snapshot.scan("t").unwrap() {
        let (key, value) = entry.unwrap();
        if *key == b"large"[..] {
            assert!(value.iter().all(|byte| *byte == value[0]));
        } else {
            sum += balance_in(&value);
        }
    }
    assert_eq!(sum, i64::from(accounts) * 100);
}

#[test]
fn threads_and_long_snapshots_see_one_state_each_with_sixteen_pages_of_memory() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(4096)
        .checkpoint_mode(CheckpointMode::Background)
        .checkpoint_after(32 << 10);
    let db = Database::create(dir.path().join("db"), options).unwrap();
    let keys = 300_u32;
    let mut txn = db.begin().unwrap();
    for number in 0..keys {
        txn.put(
            "t",
            &key(number),
            &[&100_i64.to_be_bytes()[..], &[7; 300]].concat(),
        )
        .unwrap();
    }
    txn.put("t", b"large", &vec![0; 30_000]).unwrap();
    txn.commit().unwrap();
    let check = |snapshot: &Snapshot| check_bank(snapshot, keys);
    let transfer = |from: u32, to: u32| -> Result<(), CommitError> {
        let mut txn = db.begin().unwrap();
        for (number, change) in [(from, -1), (to, 1)] {
            let mut value = txn.get("t", &key(number)).unwrap().unwrap().to_vec();
            let balance = balance_in(&value) + change;
            value[..8].copy_from_slice(&balance.to_be_bytes());
            txn.put("t", &key(number), &value).unwrap();
        }
        if from.is_multiple_of(16) {
            txn.put("t", b"large", &vec![(to % 251) as u8; 30_000])
                .unwrap();
        }
        txn.commit().map(drop)
    };
    std::thread::scope(|scope| {
        for thread in 0..2_u32 {
            scope.spawn(move || {
                for round in 0..400_u32 {
                    let from = round.wrapping_mul(7 + thread) % keys;
                    match transfer(from, (from + 1 + round % 50) % keys) {
                        Ok(()) | Err(CommitError::Conflict { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = vec![db.snapshot().unwrap()];
                for round in 0..20 {
                    held.push(db.snapshot().unwrap());
                    check(&held[round / 4]);
                    check(&held[round]);
                }
                held.iter().for_each(check);
            });
        }
    });
    check(&db.snapshot().unwrap());
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}
