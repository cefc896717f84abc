//! A disk that is full: what would add is refused by name and before harm; reads, deletions, checkpoints and compactions go on, and
//! what they give back can be used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::database::{Database, WriteFailure};
use crate::disk::MemoryDisk;
use crate::disk::faulty::FaultyDisk;
use crate::error::CommitError;
use crate::options::{CheckpointMode, Limits, Options};

type Model = BTreeMap<u32, usize>;

fn options(disk_bytes: u64) -> Options {
    let limits = Limits {
        disk_bytes,
        ..Limits::default()
    };
    Options::new()
        .salt(7)
        .log_segment(if disk_bytes < 300 << 10 {
            8 << 10
        } else {
            16 << 10
        })
        .checkpoint_mode(CheckpointMode::Manual)
        .limits(limits)
}

fn key(number: u32) -> [u8; 4] {
    number.wrapping_mul(2_654_435_761).to_be_bytes()
}

fn put(db: &Database, number: u32, len: usize) -> Result<(), String> {
    match db.put("t", &key(number), &vec![7; len]) {
        Ok(_) => Ok(()),
        Err(WriteFailure::Commit(CommitError::Full(cause))) => {
            let cause: &dyn std::error::Error = &cause;
            Err(cause
                .source()
                .map_or(cause.to_string(), ToString::to_string))
        }
        Err(other) => panic!("{other}"),
    }
}

/// Adds rows until one is refused. Returns why.
fn fill(db: &Database, model: &mut Model, len: usize) -> String {
    let first = model.last_key_value().map_or(0, |(last, _)| last + 1);
    let mut number = first;
    loop {
        if let Err(cause) = put(db, number, len) {
            return cause;
        }
        model.insert(number, len);
        number += 1;
    }
}

fn assert_holds(db: &Database, model: &Model) {
    assert_eq!(db.count::<&[u8]>("t", ..).unwrap(), model.len() as u64);
    for (number, len) in model {
        let found = db.get("t", &key(*number)).unwrap();
        assert_eq!(found.map(|found| found.len()), Some(*len), "row {number}");
    }
    assert!(db.stats().poisoned.is_none());
}

fn delete(db: &Database, model: &mut Model, which: impl Fn(u32) -> bool) {
    let gone: Vec<u32> = model.keys().copied().filter(|n| which(*n)).collect();
    for number in gone {
        db.delete("t", &key(number)).unwrap();
        model.remove(&number);
    }
}

/// On a full disk half of the rows are deleted, and as many are written again as there is room for. Returns the share that fits.
fn share_that_fits_again(
    (disk_bytes, len): (u64, usize),
    which: impl Fn(u32, u32) -> bool,
    give_back: impl Fn(&Database),
) -> f64 {
    let disk = Arc::new(MemoryDisk::new());
    let db = Database::create_on(disk.clone(), options(disk_bytes)).unwrap();
    let mut model = Model::new();
    let cause = fill(&db, &mut model, len);
    assert!(cause.starts_with("limit disk_bytes: "), "{cause}");
    assert_holds(&db, &model);
    let full = u32::try_from(model.len()).unwrap();
    assert!(full > 10, "{disk_bytes}: {full} rows");
    delete(&db, &mut model, |number| which(number, full));
    give_back(&db);
    assert_holds(&db, &model);
    let left = u32::try_from(model.len()).unwrap();
    fill(&db, &mut model, len);
    assert_holds(&db, &model);
    let now = u32::try_from(model.len()).unwrap();
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
    assert_eq!(db.stats().checkpoint_failures, 0);
    drop(db);
    let db = Database::open_on(disk, options(disk_bytes)).unwrap();
    assert_holds(&db, &model);
    f64::from(now - left) / f64::from(full - left)
}

const DISKS: [(u64, usize); 5] = [
    (500 << 10, 1000),
    (1 << 20, 300),
    (1 << 20, 5000),
    (3 << 20, 900),
    (3 << 20, 20_000),
];

#[test]
fn the_smallest_database_can_be_emptied_row_by_row_and_filled_again() {
    for (disk_bytes, len) in [(244 << 10, 300), (256 << 10, 60), (256 << 10, 600)] {
        let share = share_that_fits_again((disk_bytes, len), |_, _| true, |_| ());
        assert!(share > 0.5, "{disk_bytes}, {len}: {share}");
    }
}

#[test]
fn where_neighbouring_rows_were_deleted_about_as_many_fit_again_after_a_checkpoint() {
    for disk in DISKS {
        let low = |number, _| key(number) < [128, 0, 0, 0];
        let share = share_that_fits_again(disk, low, |db| db.checkpoint().unwrap());
        assert!(share > 0.75, "{disk:?}: {share}");
    }
}

/// Where the keys of new rows lie between those of old ones some leaves are full before others.
#[test]
fn where_every_other_row_was_deleted_about_as_many_fit_again_after_a_compaction() {
    for disk in DISKS {
        let odd = |number: u32, _| !number.is_multiple_of(2);
        let compact = |db: &Database| {
            db.compact().unwrap();
        };
        let share = share_that_fits_again(disk, odd, compact);
        assert!(share > 0.85, "{disk:?}: {share}");
        let share = share_that_fits_again(disk, odd, |db| db.checkpoint().unwrap());
        assert!(share > 0.7, "{disk:?}: {share} without");
        let share = share_that_fits_again(disk, odd, |_| {});
        assert!(share > 0.7, "{disk:?}: {share} with nothing");
    }
}

#[test]
fn rows_can_be_overwritten_on_a_full_disk() {
    for disk in DISKS {
        let db = Database::create_on(Arc::new(MemoryDisk::new()), options(disk.0)).unwrap();
        let mut model = Model::new();
        fill(&db, &mut model, disk.1);
        let all: Vec<u32> = model.keys().copied().collect();
        for number in all {
            put(&db, number, disk.1).unwrap();
        }
        assert_holds(&db, &model);
        assert_eq!(db.stats().checkpoint_failures, 0);
    }
}

/// What it sees keeps its slots, so rows may be refused that would be taken without it. A checkpoint never is.
#[test]
fn a_snapshot_that_is_held_while_the_disk_fills_up_gives_its_space_back_when_it_ends() {
    let limit = 1 << 20;
    let db = Database::create_on(Arc::new(MemoryDisk::new()), options(limit)).unwrap();
    let mut model = Model::new();
    fill(&db, &mut model, 400);
    delete(&db, &mut model, |number| number.is_multiple_of(2));
    let held = db.snapshot().unwrap();
    let seen = model.len() as u64;
    let mut refused = 0;
    for number in 0..5000 {
        match put(&db, number, 400) {
            Ok(()) => drop(model.insert(number, 400)),
            Err(_) => refused += 1,
        }
        if number.is_multiple_of(50) {
            db.checkpoint().unwrap();
        }
    }
    assert!(refused > 1000, "{refused}");
    assert_eq!(held.count::<&[u8]>("t", ..).unwrap(), seen);
    assert_holds(&db, &model);
    assert_eq!(db.stats().checkpoint_failures, 0);
    drop(held);
    db.checkpoint().unwrap();
    delete(&db, &mut model, |number| !number.is_multiple_of(3));
    db.checkpoint().unwrap();
    put(&db, 9000, 400).unwrap();
    model.insert(9000, 400);
    assert_holds(&db, &model);
}

/// Deletions that are refused are tried again: what a transaction that is open sees keeps its slots until it ends.
#[test]
fn many_writers_a_compaction_and_checkpoints_on_a_full_disk_lose_nothing() {
    const ROUNDS: u32 = 6;
    let background = options(1 << 20)
        .checkpoint_mode(CheckpointMode::Background)
        .checkpoint_after(64 << 10);
    let db = Database::create_on(Arc::new(MemoryDisk::new()), background).unwrap();
    let done = AtomicBool::new(false);
    let models: Vec<Model> = std::thread::scope(|scope| {
        let writer = |first: u32| {
            let db = &db;
            move || {
                let mut model = Model::new();
                for round in 0..ROUNDS {
                    for number in (first..first + 4000).step_by(4) {
                        let len = 300 + usize::try_from(number % 700).unwrap();
                        if put(db, number, len).is_err() {
                            break;
                        }
                        model.insert(number, len);
                    }
                    let gone = model.keys().copied().filter(|n| n / 4 % 3 != round % 3);
                    for number in gone.collect::<Vec<_>>() {
                        while let Err(refused) = db.delete("t", &key(number)) {
                            assert!(
                                matches!(refused, WriteFailure::Commit(CommitError::Full(_))),
                                "{refused}"
                            );
                            std::thread::yield_now();
                        }
                        model.remove(&number);
                    }
                }
                model
            }
        };
        let writers: Vec<_> = (0..4).map(|first| scope.spawn(writer(first))).collect();
        scope.spawn(|| {
            while !done.load(Relaxed) {
                db.compact().unwrap();
            }
        });
        let models = writers.into_iter().map(|writer| writer.join().unwrap());
        let models = models.collect();
        done.store(true, Relaxed);
        models
    });
    let model = models.into_iter().flatten().collect();
    assert_holds(&db, &model);
    assert_eq!(db.stats().checkpoint_failures, 0);
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_database_that_was_full_when_it_crashed_opens_for_writing_and_rows_can_be_deleted() {
    let disk = Arc::new(MemoryDisk::new());
    let db = Database::create_on(disk.clone(), options(2 << 20)).unwrap();
    let mut model = Model::new();
    fill(&db, &mut model, 700);
    drop(db);
    let db = Database::open_on(disk, options(2 << 20)).unwrap();
    assert!(
        db.recovery_report().read_only.is_none(),
        "{:?}",
        db.recovery_report()
    );
    assert_holds(&db, &model);
    delete(&db, &mut model, |number| number.is_multiple_of(2));
    db.checkpoint().unwrap();
    let left = model.len();
    fill(&db, &mut model, 700);
    assert!(model.len() > left + 10);
    assert_holds(&db, &model);
}

/// R12: what was committed has its slots, its map pages and its buffer.
#[test]
fn a_checkpoint_never_meets_a_full_disk_that_its_commits_did_not_meet() {
    for space in (0..400 << 10).step_by(7 << 10) {
        let faulty = FaultyDisk::new(MemoryDisk::new());
        let db = Database::create_on(Arc::new(faulty.clone()), options(u64::MAX)).unwrap();
        faulty.set_space(Some(space));
        let mut model = Model::new();
        for round in 0..6 {
            fill(&db, &mut model, 500 + 900 * (round % 3));
            db.checkpoint().unwrap();
            delete(&db, &mut model, |number| {
                number % 7 == u32::try_from(round).unwrap()
            });
            db.checkpoint().unwrap();
        }
        assert_holds(&db, &model);
        faulty.set_space(None);
        put(&db, u32::MAX, 100).unwrap();
        model.insert(u32::MAX, 100);
        assert_holds(&db, &model);
        assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn a_row_is_taken_at_the_limit_and_refused_a_byte_below_it() {
    // What one more row than ten needs, at least.
    let takes = |disk_bytes: u64| {
        let disk = Arc::new(MemoryDisk::new());
        let db = Database::create_on(disk, options(disk_bytes)).map_err(|e| e.to_string())?;
        let mut model = Model::new();
        for number in 0..10 {
            put(&db, number, 3000)?;
            model.insert(number, 3000);
        }
        let last = put(&db, 10, 3000);
        if last.is_ok() {
            model.insert(10, 3000);
        }
        assert_holds(&db, &model);
        last
    };
    let (mut below, mut at) = (64 << 10, 1 << 20);
    assert!(takes(below).is_err() && takes(at).is_ok());
    while at - below > 1 {
        let middle = u64::midpoint(below, at);
        if takes(middle).is_ok() {
            at = middle;
        } else {
            below = middle;
        }
    }
    let refused = takes(at - 1).unwrap_err();
    assert!(refused.contains("limit disk_bytes: "), "{refused}");
    assert!(takes(at).is_ok() && takes(at + 1).is_ok());
}
