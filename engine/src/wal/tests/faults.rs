//! A disk that is full, fails, or holds what an earlier failure left.

use std::io::ErrorKind;
use std::sync::Arc;

use super::support::*;
use crate::disk::faulty::{FaultyDisk, Operation};
use crate::disk::{Disk, MemoryDisk, OpenMode};
use crate::error::StorageError;
use crate::ids::LogPosition;
use crate::wal::Wal;

fn faulty() -> FaultyDisk {
    FaultyDisk::new(MemoryDisk::new())
}

#[test]
fn a_full_disk_appends_nothing_and_is_forgotten_once_there_is_space() {
    for space in (0..5 * CONFIG.segment_len).step_by(4096) {
        let disk = faulty();
        let mut wal = create(&disk);
        wal.append(b"before").unwrap();
        wal.sync().unwrap();
        let (end, live) = (wal.end(), wal.bytes_live());
        disk.set_space(Some(space));
        // Needs seven segments and there is one spare.
        let error = wal.append(&payload(1, 80_000)).unwrap_err();
        assert!(error.is_full() && !wal.is_poisoned(), "{error}");
        assert_eq!((wal.end(), wal.bytes_live()), (end, live));
        wal.append(b"small").unwrap();
        wal.sync().unwrap();
        disk.set_space(None);
        wal.append(&payload(1, 80_000)).unwrap();
        wal.sync().unwrap();
        let groups = read(&disk, wal.start()).unwrap().0.groups;
        assert_eq!(
            groups,
            [b"before".to_vec(), b"small".to_vec(), payload(1, 80_000)]
        );
    }
}

#[test]
fn a_write_or_sync_without_space_while_a_segment_is_made_is_clean() {
    for operation in [
        Operation::Allocate,
        Operation::Write,
        Operation::Sync,
        Operation::SyncDir,
    ] {
        let disk = faulty();
        let mut wal = create(&disk);
        let files = disk.list("wal").unwrap().len();
        disk.fail_nth(Some(operation), 0, ErrorKind::StorageFull);
        let error = wal.append(&payload(1, 30_000)).unwrap_err();
        assert!(
            error.is_full() && !wal.is_poisoned(),
            "{operation:?}: {error}"
        );
        assert_eq!(disk.list("wal").unwrap().len(), files);
        wal.append(&payload(1, 30_000)).unwrap();
        wal.sync().unwrap();
        assert_eq!(
            read(&disk, wal.start()).unwrap().0.groups,
            [payload(1, 30_000)]
        );
    }
}

#[test]
fn a_failed_sync_poisons_and_is_not_repeated() {
    let disk = faulty();
    let mut wal = create(&disk);
    wal.append(b"one").unwrap();
    disk.fail_nth(Some(Operation::Sync), 0, ErrorKind::Other);
    wal.sync().unwrap_err();
    assert!(wal.is_poisoned());
    disk.take_asked();
    for error in [
        wal.sync().unwrap_err(),
        wal.flush().unwrap_err(),
        wal.append(b"two").unwrap_err(),
    ] {
        assert!(
            !error.is_full() && matches!(error, StorageError::Io(_)),
            "{error}"
        );
    }
    remove(wal.recycle(wal.end().lsn, None));
    assert_eq!(disk.take_asked(), []);
}

#[test]
fn a_full_disk_beneath_the_logs_own_bytes_poisons_and_does_not_say_full() {
    for operation in [Operation::Write, Operation::Sync] {
        let disk = faulty();
        let mut wal = create(&disk);
        wal.append(b"one").unwrap();
        disk.fail_nth(Some(operation), 0, ErrorKind::StorageFull);
        assert!(!wal.sync().unwrap_err().is_full());
        assert!(wal.is_poisoned());
        // The next segment's header.
        let disk = faulty();
        let mut wal = create(&disk);
        wal.append(&payload(0, 12_000)).unwrap();
        wal.sync().unwrap();
        disk.fail_nth(Some(operation), 0, ErrorKind::StorageFull);
        assert!(!wal.append(&payload(0, 12_000)).unwrap_err().is_full());
        assert!(wal.is_poisoned());
    }
}

/// Appends, some large; says what was acknowledged and whether anything failed.
fn script(wal: &mut Wal) -> (Vec<Vec<u8>>, usize, Option<StorageError>) {
    let mut groups = Vec::new();
    let mut synced = 0;
    for (number, len) in [100, 20_000, 50, 9000, 40_000, 10].into_iter().enumerate() {
        match wal.append(&payload(number, len)) {
            Ok(_) => groups.push(payload(number, len)),
            Err(error) => {
                let poisoned = wal.is_poisoned();
                if poisoned {
                    groups.push(payload(number, len));
                }
                return (groups, synced, Some(error));
            }
        }
        let result = if number % 2 == 0 {
            wal.sync()
        } else {
            wal.flush()
        };
        if let Err(error) = result {
            return (groups, synced, Some(error));
        }
        if number % 2 == 0 {
            synced = groups.len();
        }
    }
    (groups, synced, None)
}

#[test]
fn a_failure_of_any_operation_loses_nothing_synced() {
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        let mut failures = 0;
        for nth in 0.. {
            let disk = faulty();
            let mut wal = create(&disk);
            disk.fail_nth(None, nth, kind);
            let (groups, synced, failed) = script(&mut wal);
            if !disk.all_fired() {
                break;
            }
            failures += 1;
            let error = failed.expect("a failed operation is an error");
            assert!(!(error.is_full() && wal.is_poisoned()), "{error}");
            if wal.is_poisoned() {
                assert!(wal.append(b"more").is_err() && wal.sync().is_err());
            }
            let start = wal.start();
            drop(wal);
            let (contents, mut next) = reopen(&disk, start);
            let count = contents.groups.len();
            assert!(count >= synced && count <= groups.len(), "{nth}: {count}");
            assert!(contents.groups == groups[..count], "{nth}");
            remove(next.recycle(next.start().lsn, None));
            next.append(&payload(7, 30_000)).unwrap();
            next.sync().unwrap();
            assert_eq!(
                read(&disk, next.start()).unwrap().0.groups,
                [payload(7, 30_000)]
            );
        }
        assert!(failures > 30, "{failures}");
    }
}

#[test]
fn a_failure_in_reading_or_starting_a_session_can_be_tried_again() {
    let disk = faulty();
    let mut wal = create(&disk);
    wal.append(&payload(1, 30_000)).unwrap();
    wal.sync().unwrap();
    let start = wal.start();
    let before = image(&disk);
    for nth in 0.. {
        let disk = FaultyDisk::new(disk_of(&before));
        disk.fail_nth(None, nth, ErrorKind::Other);
        let attempt = read(&disk, start)
            .and_then(|(_, end)| Wal::start_session(Arc::new(disk.clone()), CONFIG, end));
        if !disk.all_fired() {
            break;
        }
        assert!(
            matches!(attempt, Err(StorageError::Io(_))),
            "{nth}: {attempt:?}"
        );
        let (contents, _) = reopen(&disk, start);
        assert_eq!(contents.groups, [payload(1, 30_000)]);
    }
}

#[test]
fn a_failed_creation_can_be_repeated() {
    for nth in 0.. {
        let disk = faulty();
        disk.fail_nth(None, nth, ErrorKind::Other);
        if Wal::create(Arc::new(disk.clone()), CONFIG).is_ok() && !disk.all_fired() {
            break;
        }
        let mut wal = create(&disk);
        wal.append(b"one").unwrap();
        wal.sync().unwrap();
        assert_eq!(read(&disk, wal.start()).unwrap().0.groups, [b"one"]);
        assert_eq!(wal.segments(), disk.list("wal").unwrap().len());
    }
}

#[test]
fn leftovers_of_a_crash_are_made_ready_before_use() {
    let len = usize::try_from(CONFIG.segment_len).unwrap();
    for leftover in [
        vec![],
        vec![0; 100],
        vec![0; len],
        vec![0x55; len],
        vec![0x55; 2 * len],
    ] {
        let disk = faulty();
        let mut wal = create(&disk);
        wal.append(b"one").unwrap();
        wal.sync().unwrap();
        let start = wal.start();
        let spare = disk.open("wal/000003", OpenMode::Create).unwrap();
        spare.write_at(0, &leftover).unwrap();
        disk.open("wal/notes", OpenMode::Create).unwrap();
        disk.take_asked();
        let (contents, mut wal) = reopen(&disk, start);
        assert_eq!(contents.groups, [b"one"]);
        wal.append(&payload(1, 30_000)).unwrap();
        wal.sync().unwrap();
        assert_made_before_headed(&disk, "wal/000003");
        let LogPosition { lsn, .. } = wal.start();
        remove(wal.recycle(lsn, None));
        assert_eq!(
            read(&disk, wal.start()).unwrap().0.groups,
            [payload(1, 30_000)]
        );
        assert!(image(&disk)["wal/000003"].len() == len);
    }
}

/// Zeroes over all of it, synced, and its name synced; only then a header.
fn assert_made_before_headed(disk: &FaultyDisk, name: &str) {
    let asked = disk.take_asked();
    let position = |operation, after: usize| {
        asked[after..]
            .iter()
            .position(|asked| {
                asked.operation == operation
                    && (asked.name == name || operation == Operation::SyncDir)
            })
            .map(|at| after + at)
            .unwrap()
    };
    let zeroed = position(Operation::Write, 0);
    assert_eq!(
        (asked[zeroed].offset, asked[zeroed].len),
        (0, CONFIG.segment_len)
    );
    let synced = position(Operation::Sync, zeroed);
    let named = position(Operation::SyncDir, synced);
    let headed = position(Operation::Write, named);
    assert_eq!((asked[headed].offset, asked[headed].len), (0, 4096));
    position(Operation::Sync, headed);
}

#[test]
fn a_new_segment_is_headed_only_after_the_old_one_is_synced() {
    let disk = faulty();
    let mut wal = create(&disk);
    disk.take_asked();
    wal.append(&payload(0, 20_000)).unwrap();
    wal.sync().unwrap();
    let steps: Vec<_> = disk
        .take_asked()
        .into_iter()
        .filter(|asked| matches!(asked.operation, Operation::Write | Operation::Sync))
        .map(|asked| (asked.name, asked.operation, asked.offset))
        .collect();
    let (old, new) = ("wal/000001", "wal/000002");
    let expected = [
        (old, Operation::Write, 4096),
        (old, Operation::Sync, 0),
        (new, Operation::Write, 0),
        (new, Operation::Sync, 0),
        (new, Operation::Write, 4096),
        (new, Operation::Sync, 0),
    ]
    .map(|(name, operation, offset)| (name.to_owned(), operation, offset));
    assert_eq!(steps, expected);
}
