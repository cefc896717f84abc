//! Segments made beside the log.

use std::io::ErrorKind;

use super::support::*;
use crate::disk::faulty::{Asked, FaultyDisk, Operation};
use crate::disk::{Disk, MemoryDisk};
use crate::wal::Wal;

/// A log whose first segment is half full.
fn half_full() -> (FaultyDisk, Wal) {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let mut wal = create(&disk);
    assert!(!wal.wants_segment() && wal.order_segment().is_none());
    append(&mut wal, 0..1);
    append(&mut wal, 1..2);
    (disk, wal)
}

fn append(wal: &mut Wal, numbers: std::ops::Range<usize>) {
    for number in numbers {
        wal.append_leaving(&payload(number, 3000), crate::wal::Spare::Session)
            .unwrap();
        wal.sync().unwrap();
    }
}

fn makes_a_file(asked: &Asked) -> bool {
    matches!(
        asked.operation,
        Operation::Allocate | Operation::Open | Operation::SyncDir
    )
}

#[test]
fn a_group_that_needs_a_segment_makes_none_if_one_was_made_beside_the_log() {
    for is_made in [true, false] {
        let (disk, mut wal) = half_full();
        let start = wal.start();
        if is_made {
            let ordered = wal.order_segment().unwrap();
            assert!(!wal.wants_segment() && wal.order_segment().is_none());
            wal.deliver(ordered.make_beside_the_log()).unwrap();
            assert!(!wal.wants_segment());
            // The spare is opened when it is first needed: so that only the making is counted, now.
            wal.reserve_next().unwrap();
        }
        disk.take_asked();
        append(&mut wal, 2..5);
        let made = disk
            .take_asked()
            .iter()
            .filter(|asked| makes_a_file(asked))
            .count();
        assert_eq!(made > 0, !is_made);
        let expected: Vec<_> = (0..5).map(|number| payload(number, 3000)).collect();
        assert_eq!(read(&disk, start).unwrap().0.groups, expected);
    }
}

#[test]
fn want_of_space_beside_the_log_is_clean_and_not_met_again_before_the_log_has_moved_on() {
    for operation in [Operation::Allocate, Operation::Write, Operation::Sync] {
        let (disk, mut wal) = half_full();
        let files = disk.list("wal").unwrap();
        let ordered = wal.order_segment().unwrap();
        disk.fail_nth(Some(operation), 0, ErrorKind::StorageFull);
        wal.deliver(ordered.make_beside_the_log()).unwrap();
        assert!(disk.all_fired() && !wal.is_poisoned() && !wal.wants_segment());
        assert_eq!(disk.list("wal").unwrap(), files);
        append(&mut wal, 2..6);
        assert!(wal.wants_segment());
    }
}

#[test]
fn a_failed_sync_beside_the_log_poisons_it() {
    let (disk, mut wal) = half_full();
    let ordered = wal.order_segment().unwrap();
    disk.fail_nth(Some(Operation::Sync), 0, ErrorKind::Other);
    assert!(wal.deliver(ordered.make_beside_the_log()).is_err());
    assert!(wal.is_poisoned() && wal.append(b"after").is_err());
}

#[test]
fn a_segment_that_was_never_delivered_is_free_in_the_next_session() {
    let (disk, mut wal) = half_full();
    let start = wal.start();
    let ordered = wal.order_segment().unwrap();
    append(&mut wal, 2..6);
    drop(ordered.make_beside_the_log());
    append(&mut wal, 6..8);
    let (contents, mut next) = reopen(&disk, start);
    assert_eq!(contents.groups.len(), 8);
    remove(next.recycle(next.start().lsn, None));
    assert_eq!(next.segments(), disk.list("wal").unwrap().len());
    append(&mut next, 0..20);
}

#[test]
fn a_steady_log_neither_makes_nor_removes_files() {
    let (disk, mut wal) = half_full();
    let files = || disk.list("wal").unwrap();
    for checkpoint in 0..20 {
        let before = files();
        // Not a whole number of segments, so that it is not always the same part of one that is written at last.
        for number in 0..11 {
            if let Some(ordered) = wal.order_segment() {
                wal.deliver(ordered.make_beside_the_log()).unwrap();
            }
            append(&mut wal, number..number + 1);
        }
        remove(wal.recycle(wal.end().lsn, None));
        if checkpoint > 2 {
            assert_eq!(files(), before, "checkpoint {checkpoint}");
        }
    }
}
