//! Every operation of a workload fails once: nothing acknowledged is lost, nothing panics, and the database
//! goes on or says that it does not.

use std::io::ErrorKind;

use super::support::{Rig, Step, put, workload};
use crate::disk::faulty::Operation;
use crate::error::{CheckpointError, CommitError};
use crate::options::Durability;

/// What a workload met.
#[derive(Debug, Default, PartialEq, Eq)]
struct Met {
    failed_openings: u32,
    poisoned: u32,
    clean: u32,
}

fn is_poisoned(rig: &Rig) -> bool {
    rig.db()
        .stats()
        .poisoned
        .is_some_and(|cause| !cause.is_empty())
}

/// A clean failure leaves a database that takes the same commit the next time.
fn commit(rig: &mut Rig, step: &Step, met: &mut Met) {
    let Step::Commit(writes, durability) = step else {
        return;
    };
    let was_poisoned = is_poisoned(rig);
    match rig.commit(writes, *durability) {
        Ok(()) => assert!(!was_poisoned),
        Err(CommitError::Full(_) | CommitError::Refused(_)) => {
            assert!(!is_poisoned(rig));
            met.clean += 1;
            rig.commit(writes, *durability).unwrap();
        }
        Err(CommitError::Unknown(_) | CommitError::Poisoned(_)) => {
            assert!(is_poisoned(rig));
            met.poisoned += 1;
        }
        Err(CommitError::ReadOnly) => assert!(rig.db().recovery_report().read_only.is_some()),
        Err(other) => panic!("{other}"),
    }
}

fn checkpoint(rig: &mut Rig, met: &mut Met) {
    match rig.checkpoint() {
        Ok(()) => {}
        Err(CheckpointError::Full(_)) => {
            assert!(!is_poisoned(rig));
            met.clean += 1;
            rig.checkpoint().unwrap();
        }
        Err(CheckpointError::Poisoned(_)) => {
            assert!(is_poisoned(rig));
            met.poisoned += 1;
        }
        Err(CheckpointError::ReadOnly) => {
            assert!(rig.db().recovery_report().read_only.is_some());
        }
        Err(error @ CheckpointError::Archive(_)) => panic!("no archive is set: {error}"),
    }
}

/// A second try meets no fault any more.
fn open(rig: &mut Rig, met: &mut Met) {
    if rig.open().is_err() {
        met.failed_openings += 1;
        rig.open().unwrap();
    }
}

fn run(rig: &mut Rig, met: &mut Met) {
    open(rig, met);
    for step in workload() {
        match &step {
            Step::Commit(..) => commit(rig, &step, met),
            Step::Checkpoint => checkpoint(rig, met),
            Step::Close => {
                drop(rig.close());
                open(rig, met);
            }
            Step::Vanish => {
                rig.db = None;
                open(rig, met);
            }
        }
        rig.check();
    }
}

fn fail_each(kind: ErrorKind) -> Met {
    let mut met = Met::default();
    for nth in 0.. {
        let mut rig = Rig::new();
        rig.faulty.fail_nth(None, nth, kind);
        run(&mut rig, &mut met);
        if !rig.faulty.all_fired() {
            assert!(nth > 300, "only {nth} operations");
            break;
        }
        rig.check_what_is_left();
    }
    met
}

#[test]
fn a_segment_that_cannot_be_opened_refuses_the_commit_and_nothing_else() {
    let mut rig = Rig::new();
    rig.open().unwrap();
    rig.faulty
        .fail_nth(Some(Operation::Open), 0, ErrorKind::Other);
    // It needs more segments than there are.
    let writes = [put(1, 100_000)];
    let refused = rig.commit(&writes, Durability::Sync);
    assert!(rig.faulty.all_fired() && matches!(refused, Err(CommitError::Refused(_))));
    assert!(!is_poisoned(&rig));
    rig.commit(&writes, Durability::Sync).unwrap();
    rig.check();
    rig.check_what_is_left();
}

#[test]
fn whatever_operation_fails_no_durable_commit_is_lost() {
    let met = fail_each(ErrorKind::Other);
    assert!(met.poisoned > 50 && met.failed_openings > 50, "{met:?}");
}

#[test]
fn whatever_operation_meets_a_full_disk_no_durable_commit_is_lost() {
    let met = fail_each(ErrorKind::StorageFull);
    assert!(met.clean > 5 && met.failed_openings > 50, "{met:?}");
    let of_a_quota = fail_each(ErrorKind::QuotaExceeded);
    assert_eq!(of_a_quota, met, "a quota that is used up is a full disk");
}

/// The workload up to where the disk is gone. Whether it came to its end.
fn run_to_the_end(rig: &mut Rig) -> bool {
    if rig.open().is_err() {
        return false;
    }
    for step in workload() {
        let went_on = match &step {
            Step::Commit(writes, durability) => rig.commit(writes, *durability).is_ok(),
            Step::Checkpoint => rig.checkpoint().is_ok(),
            Step::Close => rig.close().is_ok() && rig.open().is_ok(),
            Step::Vanish => {
                rig.db = None;
                rig.open().is_ok()
            }
        };
        if !went_on {
            return false;
        }
    }
    true
}

#[test]
fn wherever_the_process_ends_no_durable_commit_is_lost() {
    for nth in 0.. {
        let mut rig = Rig::new();
        rig.faulty.end_at(nth);
        let is_whole = run_to_the_end(&mut rig);
        rig.check_what_is_left();
        if is_whole {
            assert!(nth > 300, "only {nth} operations");
            break;
        }
    }
}
