//! Work that is not left to one commit: what a large one supersedes is freed by those that follow, and the log's next segment is made
//! beside it.

use std::sync::Arc;

use super::support::options;
use crate::database::Database;
use crate::disk::MemoryDisk;
use crate::disk::faulty::{FaultyDisk, Operation};
use crate::log_ahead;
use crate::options::{CheckpointMode, Durability};

fn put_all(db: &Database, keys: std::ops::Range<u32>, fill: u8) {
    let mut transaction = db.begin().unwrap();
    for key in keys {
        let key = key.to_be_bytes();
        transaction.put("t", &key, &[fill; 700]).unwrap();
    }
    transaction.commit_with(Durability::None).unwrap();
}

#[test]
fn what_a_large_commit_supersedes_is_freed_by_many_that_follow() {
    let quiet = options()
        .log_segment(1 << 20)
        .checkpoint_mode(CheckpointMode::Manual);
    let db = Database::create_on(Arc::new(MemoryDisk::new()), quiet).unwrap();
    put_all(&db, 0..4000, 1);
    put_all(&db, 0..4000, 2);
    let superseded = || db.session().engine.store.stats().superseded_bytes;
    let all = superseded();
    assert!(all > 700 << 12, "{all} bytes");
    put_all(&db, 0..1, 3);
    let left = superseded();
    assert!(left > 0 && left < all, "{left} of {all}");
    for fill in 4..20 {
        put_all(&db, 0..1, fill);
    }
    // The last commit's own page, and those above it.
    assert!(superseded() <= 4 << 12);
}

#[test]
fn a_checkpoint_frees_all_that_is_superseded() {
    let quiet = options()
        .log_segment(1 << 20)
        .checkpoint_mode(CheckpointMode::Manual);
    let db = Database::create_on(Arc::new(MemoryDisk::new()), quiet).unwrap();
    put_all(&db, 0..4000, 1);
    put_all(&db, 0..4000, 2);
    db.checkpoint().unwrap();
    assert_eq!(db.session().engine.store.stats().superseded_bytes, 0);
}

#[test]
fn a_commit_that_goes_on_in_the_next_segment_makes_none() {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let options = options()
        .log_segment(1 << 20)
        .checkpoint_mode(CheckpointMode::Background)
        .checkpoint_after(64 << 20);
    let db = Database::create_on(Arc::new(disk.clone()), options).unwrap();
    let segments = || db.stats().log_segments;
    put_all(&db, 0..900, 1);
    assert_eq!(segments(), 2);
    // The commit may have asked the background thread, which has made it or not.
    log_ahead::make_if_wanted(&db.session().engine);
    log_ahead::wait(&db.session().engine);
    assert_eq!(segments(), 3);
    disk.take_asked();
    put_all(&db, 0..900, 2);
    let asked = disk.take_asked();
    assert!(asked.iter().any(|asked| asked.operation == Operation::Sync));
    let made = asked
        .iter()
        .any(|asked| asked.operation == Operation::SyncDir);
    assert!(!made, "{asked:?}");
}
