//! A disk that fills up at any point, and has room again: the database goes on without being reopened.

use std::io::ErrorKind;
use std::sync::Arc;

use super::support::{Rig, Step, options, put, rows, workload};
use crate::database::{Database, WriteFailure};
use crate::disk::faulty::{FaultyDisk, Operation};
use crate::disk::{Disk, MemoryDisk, OpenMode};
use crate::error::{CheckpointError, CommitError};
use crate::options::{CheckpointMode, Durability, Limits};

/// Does the workload as far as the disk has room for it. Whether it was full at any time.
fn run_into(rig: &mut Rig) -> bool {
    let mut was_full = false;
    for step in workload() {
        match step {
            Step::Commit(writes, durability) => match rig.commit(&writes, durability) {
                Ok(()) => {}
                Err(CommitError::Full(_)) => was_full = true,
                Err(other) => panic!("{other}"),
            },
            Step::Checkpoint | Step::Close | Step::Vanish => match rig.checkpoint() {
                Ok(()) => {}
                Err(CheckpointError::Full(_)) => was_full = true,
                Err(other) => panic!("{other}"),
            },
        }
        rig.check();
    }
    was_full
}

fn assert_goes_on(rig: &mut Rig) {
    rig.faulty.set_space(None);
    rig.commit(&[put(200, 30_000)], Durability::Sync).unwrap();
    rig.checkpoint().unwrap();
    rig.commit(&[put(201, 10)], Durability::Sync).unwrap();
    rig.check();
    assert_eq!(rig.db().verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_full_disk_refuses_commits_until_there_is_room() {
    let (mut full, mut done) = (0, 0);
    for space in (0..320 << 10).step_by(1024) {
        let mut rig = Rig::new();
        rig.open().unwrap();
        rig.faulty.set_space(Some(space));
        if run_into(&mut rig) {
            full += 1;
        } else {
            done += 1;
        }
        assert_goes_on(&mut rig);
        rig.check_what_is_left();
    }
    assert!(full > 20 && done > 20, "{full} full, {done} done");
}

#[test]
fn a_session_that_could_not_start_on_a_full_disk_starts_when_there_is_room() {
    for space in (0..100 << 10).step_by(1024) {
        let mut rig = Rig::new();
        rig.open().unwrap();
        rig.commit(&[put(1, 10)], Durability::Sync).unwrap();
        rig.close().unwrap();
        rig.open().unwrap();
        rig.faulty.set_space(Some(space));
        run_into(&mut rig);
        assert_goes_on(&mut rig);
        rig.check_what_is_left();
    }
}

#[test]
fn a_spare_segment_that_could_not_be_made_ready_is_made_so_when_there_is_room() {
    let mut rig = Rig::new();
    rig.open().unwrap();
    rig.db = None;
    rig.open().unwrap();
    let (allocate, full) = (Some(Operation::Allocate), ErrorKind::StorageFull);
    rig.faulty.fail_nth(allocate, 0, full);
    let refused = rig.commit(&[put(1, 10)], Durability::Sync);
    assert!(rig.faulty.all_fired() && matches!(refused, Err(CommitError::Full(_))));
    assert_goes_on(&mut rig);
    rig.check_what_is_left();
}

#[test]
fn a_creation_that_met_a_full_disk_is_repeated_when_there_is_room() {
    let mut failed = 0;
    for space in (0..100 << 10).step_by(1024) {
        let mut rig = Rig::new();
        rig.faulty.set_space(Some(space));
        if rig.open().is_err() {
            failed += 1;
            rig.faulty.set_space(None);
            rig.open().unwrap();
        }
        assert_goes_on(&mut rig);
        rig.check_what_is_left();
    }
    assert!(failed > 20, "{failed}");
}

#[test]
fn a_log_larger_than_memory_is_readable_on_a_full_disk() {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let manual = || options().checkpoint_mode(CheckpointMode::Manual);
    let db = Database::create_on(Arc::new(disk.clone()), manual()).unwrap();
    for key in 0..20_u8 {
        db.put("t", &[key], &[key; 6_000]).unwrap();
    }
    let found = rows(&db).unwrap();
    drop(db);
    // Nothing of it was synced: a power cut takes the space that was reserved.
    let data = disk.open("data", OpenMode::Write).unwrap();
    data.set_len(32 << 10).unwrap();
    disk.set_space(Some(0));
    let limits = Limits {
        dirty_bytes: 20_000,
        ..Limits::default()
    };
    let limited = || manual().limits(limits.clone());
    let db = Database::open_on(Arc::new(disk.clone()), limited()).unwrap();
    assert!(db.recovery_report().read_only.is_some());
    assert!(rows(&db).unwrap() == found);
    assert!(matches!(
        db.put("t", b"k", b"v"),
        Err(WriteFailure::Commit(CommitError::ReadOnly))
    ));
    drop(db);
    disk.set_space(None);
    let db = Database::open_on(Arc::new(disk), limited()).unwrap();
    assert!(rows(&db).unwrap() == found);
    db.put("t", b"k", b"v").unwrap();
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}
