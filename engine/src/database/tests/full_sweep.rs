//! The disk is full at each operation that takes space, for that one or for good: what is refused is refused by name, nothing
//! committed is lost, deletions, checkpoints and compactions go on, and so does everything once there is space.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::database::Database;
use crate::disk::MemoryDisk;
use crate::disk::faulty::FaultyDisk;
use crate::error::CommitError;
use crate::options::{CheckpointMode, Options};

/// A workload in work.
struct Run {
    memory: MemoryDisk,
    faulty: FaultyDisk,
    db: Option<Database>,
    /// Rows by key, with their lengths.
    model: BTreeMap<u32, usize>,
    mode: CheckpointMode,
    refused: u32,
}

fn key(number: u32) -> [u8; 4] {
    number.wrapping_mul(2_654_435_761).to_be_bytes()
}

/// Whether it was committed. Nothing else than a full disk may refuse it.
fn is_done<T>(result: Result<T, CommitError>) -> bool {
    match result {
        Ok(_) => true,
        Err(CommitError::Full(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

impl Run {
    fn new(mode: CheckpointMode, full: Range<u64>) -> Self {
        let memory = MemoryDisk::new();
        let faulty = FaultyDisk::new(memory.clone());
        let mut run = Self {
            memory,
            faulty,
            db: None,
            model: BTreeMap::new(),
            mode,
            refused: 0,
        };
        run.open();
        run.faulty.fill_at(full);
        run
    }

    fn options(&self) -> Options {
        Options::new()
            .salt(7)
            .log_segment(16 << 10)
            .checkpoint_mode(self.mode)
            .checkpoint_after(24 << 10)
    }

    fn open(&mut self) {
        self.db = None;
        let disk = Arc::new(self.faulty.clone());
        self.db = Some(Database::open_or_create_on(disk, self.options()).unwrap());
    }

    fn db(&self) -> &Database {
        self.db.as_ref().unwrap()
    }

    /// One transaction that writes rows of one length, or deletes them.
    fn write(&mut self, rows: impl IntoIterator<Item = u32>, len: Option<usize>) -> bool {
        let mut next = self.model.clone();
        let mut txn = self.db().begin().unwrap();
        for number in rows {
            match len {
                Some(len) => txn.put("t", &key(number), &vec![7; len]).unwrap(),
                None => txn.delete("t", &key(number)).unwrap(),
            }
            match len {
                Some(len) => next.insert(number, len),
                None => next.remove(&number),
            };
        }
        let is_done = is_done(txn.commit());
        if is_done {
            self.model = next;
        } else {
            self.refused += 1;
        }
        is_done
    }

    /// R12 and the reserve: neither of these is ever refused.
    fn shrink(&mut self, which: impl Fn(u32) -> bool) {
        let gone: Vec<u32> = self.model.keys().copied().filter(|n| which(*n)).collect();
        for number in gone {
            assert!(self.write([number], None), "row {number} stays");
        }
        self.db().checkpoint().unwrap();
        self.check();
    }

    fn compact(&self) {
        self.db().compact().unwrap();
        self.check();
    }

    fn check(&self) {
        let db = self.db();
        assert!(db.stats().poisoned.is_none());
        assert_eq!(db.stats().checkpoint_failures, 0);
        assert_eq!(db.count::<&[u8]>("t", ..).unwrap(), self.model.len() as u64);
        for (number, len) in &self.model {
            let found = db.get("t", &key(*number)).unwrap();
            assert_eq!(found.map(|found| found.len()), Some(*len), "row {number}");
        }
    }

    fn work(&mut self) {
        self.write([0], Some(10));
        for number in 0..60 {
            self.write([number], Some(700));
        }
        self.shrink(|number| number % 5 == 1);
        self.write(100..125, Some(600));
        self.write([200], Some(30_000));
        let old = self.db().snapshot().unwrap();
        self.write((0..60).filter(|number| number % 3 == 0), Some(900));
        self.db().checkpoint().unwrap();
        drop(old);
        self.write([200], Some(45_000));
        self.compact();
        self.open();
        self.check();
        for number in 300..330 {
            self.write([number], Some(400));
        }
        self.shrink(|number| number % 2 == 0);
        self.compact();
        self.db.take().unwrap().close().unwrap();
        self.open();
        self.write(400..440, Some(800));
        self.db().checkpoint().unwrap();
        // A compaction gives free segments up, so that each round takes space again.
        for round in 0..4 {
            for number in 600..615 {
                self.write([number + 100 * round], Some(1_500));
            }
            self.compact();
        }
        self.check();
    }

    /// With the disk as it is, and then with space. How many operations took some.
    fn end(mut self) -> u64 {
        if !self.model.is_empty() {
            self.shrink(|number| number % 3 != 0);
        }
        self.compact();
        let growths = self.faulty.empty();
        assert!(self.write(500..540, Some(900)));
        self.db().checkpoint().unwrap();
        self.check();
        assert_eq!(self.db().verify().unwrap().problems, Vec::<String>::new());
        self.faulty = FaultyDisk::new(self.memory.clone());
        self.open();
        self.check();
        assert_eq!(self.db().verify().unwrap().problems, Vec::<String>::new());
        growths
    }
}

fn sweep(mode: CheckpointMode, full: impl Fn(u64) -> Range<u64>) {
    let mut refused = 0;
    for nth in 0.. {
        let mut run = Run::new(mode, full(nth));
        run.work();
        refused += run.refused;
        if run.end() <= nth {
            assert!(nth > 30, "only {nth} operations take space");
            break;
        }
    }
    assert!(refused > 50, "{refused} refused");
}

#[test]
fn a_disk_that_is_full_for_good_from_any_operation_on_costs_only_what_adds() {
    for mode in [CheckpointMode::Inline, CheckpointMode::Manual] {
        sweep(mode, |nth| nth..u64::MAX);
    }
}

#[test]
fn a_disk_that_is_full_for_one_operation_refuses_nothing_that_finds_space_at_once() {
    for mode in [CheckpointMode::Inline, CheckpointMode::Manual] {
        for nth in 0.. {
            let mut run = Run::new(mode, nth..nth + 1);
            run.work();
            assert_eq!(run.refused, 0, "operation {nth}");
            if run.end() <= nth {
                break;
            }
        }
    }
}
