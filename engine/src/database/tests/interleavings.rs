//! What others do between two steps of a reader or a checkpoint.

use std::io::ErrorKind;
use std::sync::Arc;

use super::hooked_disk::HookedDisk;
use crate::checkpoint;
use crate::database::Database;
use crate::disk::faulty::Operation;
use crate::disk::{Disk, MemoryDisk};
use crate::error::CheckpointError;
use crate::options::{CheckpointMode, Options};
use crate::recovery;

static LARGE: [u8; 20_000] = [7; 20_000];

fn options() -> Options {
    Options::new()
        .log_segment(64 << 10)
        .checkpoint_mode(CheckpointMode::Manual)
}

/// A database with a small and a large value, of which nothing is in memory.
fn opened() -> (HookedDisk, Database) {
    let disk = HookedDisk::default();
    let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    db.put("t", b"small", b"value").unwrap();
    db.put("t", b"large", &LARGE).unwrap();
    db.close().unwrap();
    let db = Database::open_on(Arc::new(disk.clone()), options()).unwrap();
    (disk, db)
}

#[test]
fn a_database_that_somebody_else_makes_between_a_look_and_the_making_is_opened() {
    let disk = HookedDisk::default();
    let other = disk.clone();
    // Where there is nothing to open only the making takes the lock.
    disk.before(Operation::Lock, "lock", move || {
        let db = Database::create_on(Arc::new(other), options()).unwrap();
        db.put("t", b"k", b"of somebody else").unwrap();
        db.close().unwrap();
        Ok(())
    });
    let db = Database::open_or_create_on(Arc::new(disk.clone()), options()).unwrap();
    assert!(disk.has_run());
    let found = db.get("t", b"k").unwrap();
    assert_eq!(found.as_deref(), Some(&b"of somebody else"[..]));
}

#[test]
fn a_page_that_is_changed_and_its_slot_reused_during_a_read_is_seen_as_it_was() {
    let (disk, db) = opened();
    let snapshot = db.snapshot().unwrap();
    let other = db.clone();
    // The first page read is the catalog's root.
    disk.before(Operation::Read, "data", move || {
        for table in ["one", "two"] {
            other.put(table, b"k", b"v").unwrap();
            other.checkpoint().unwrap();
        }
        Ok(())
    });
    let found = snapshot.get("t", b"small").unwrap();
    assert!(disk.has_run());
    assert_eq!(found.as_deref(), Some(&b"value"[..]));
    assert_eq!(snapshot.tables().unwrap(), ["t"]);
    assert_eq!(
        db.snapshot().unwrap().tables().unwrap(),
        ["one", "t", "two"]
    );
}

#[test]
fn a_value_that_is_deleted_and_its_slots_reused_during_a_read_is_seen_as_it_was() {
    let (disk, db) = opened();
    let snapshot = db.snapshot().unwrap();
    assert!(snapshot.get("t", b"small").unwrap().is_some());
    let other = db.clone();
    // The trees are in memory by now: the next page read is the value's first piece.
    disk.before(Operation::Read, "data", move || {
        assert_eq!(
            other.get("t", b"large").unwrap().as_deref(),
            Some(&LARGE[..])
        );
        other.delete("t", b"large").unwrap();
        other.checkpoint().unwrap();
        other.put("t", b"other", &vec![8; 20_000]).unwrap();
        other.checkpoint().unwrap();
        Ok(())
    });
    let found = snapshot.get("t", b"large").unwrap();
    assert!(disk.has_run());
    assert_eq!(found.as_deref(), Some(&LARGE[..]));
    assert!(db.get("t", b"large").unwrap().is_none());
}

#[test]
fn an_abandoned_checkpoint_leaves_the_gauge_of_dirty_pages_right() {
    let (disk, db) = opened();
    db.put("t", b"first", &LARGE).unwrap();
    let before = db.stats().dirty_bytes;
    let other = db.clone();
    disk.before(Operation::Write, "data", move || {
        other.put("t", b"meanwhile", b"v").unwrap();
        Err(ErrorKind::StorageFull.into())
    });
    let error = db.checkpoint().unwrap_err();
    assert!(disk.has_run() && matches!(error, CheckpointError::Full(_)));
    assert!(db.stats().dirty_bytes >= before, "{:?}", db.stats());
}

#[test]
fn no_checkpoint_is_taken_of_what_a_panic_left_half_done() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let engine = recovery::create(&disk, options()).unwrap();
    let before = engine.map.superblock();
    let writer = std::thread::scope(|scope| {
        let panics = || {
            let _held = engine.writer();
            panic!("in the middle of a write");
        };
        scope.spawn(panics).join()
    });
    assert!(writer.is_err());
    let error = checkpoint::run(&engine).unwrap_err();
    assert!(matches!(error, CheckpointError::Poisoned(_)));
    assert_eq!(engine.map.superblock(), before);
}
