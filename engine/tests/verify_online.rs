//! Verification beside writers, checkpoints and compaction: what moves meanwhile is not taken for damage.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use lightning_db::{CheckpointMode, Database, Durability, Limits, Options, ReadError, VerifyPhase};

fn write(db: &Database, round: u32) {
    let mut txn = db.begin().unwrap();
    for i in 0..40_u32 {
        let key = (round * 17 + i * 131) % 2_000;
        let len = if i == 0 {
            20_000
        } else {
            60 + key as usize % 300
        };
        if (round + i).is_multiple_of(5) {
            txn.delete("t", &key.to_be_bytes()).unwrap();
        } else {
            txn.put("t", &key.to_be_bytes(), &vec![7; len]).unwrap();
        }
    }
    txn.commit_with(Durability::Buffered).unwrap();
}

#[test]
fn verify_beside_writers_and_checkpoints_finds_nothing_wrong() {
    let options = Options::new()
        .log_segment(64 << 10)
        .checkpoint_mode(CheckpointMode::Inline)
        .checkpoint_after(96 << 10);
    let db = Database::in_memory(options).unwrap();
    write(&db, 0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..400 {
                write(&db, round);
                if round % 50 == 0 {
                    db.compact().unwrap();
                }
            }
            done.store(true, Relaxed);
        });
        let mut runs = 0;
        while !done.load(Relaxed) || runs == 0 {
            let report = db.verify().unwrap();
            assert_eq!(report.problems, Vec::<String>::new());
            runs += 1;
        }
    });
    assert!(db.stats().checkpoints > 3);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn a_verification_whose_snapshot_expires_says_so_and_finds_no_damage() {
    let mut limits = Limits::default();
    limits.snapshot_bytes = 4 * 4096;
    let options = Options::new()
        .log_segment(64 << 10)
        .checkpoint_mode(CheckpointMode::Manual)
        .limits(limits);
    let db = Database::in_memory(options).unwrap();
    for round in 0..60 {
        write(&db, round);
    }
    let mut rounds = 60;
    let verified = db.verify_with(&mut |progress| {
        if progress.phase == VerifyPhase::Tables && rounds < 120 {
            // What the verification's snapshot sees is superseded, and stands in no slot.
            for _ in 0..20 {
                write(&db, rounds);
                rounds += 1;
            }
        }
        ControlFlow::Continue(())
    });
    assert!(
        matches!(verified, Err(ReadError::SnapshotTooOld(_))),
        "{verified:?}"
    );
    assert!(db.verify().unwrap().is_clean());
}
