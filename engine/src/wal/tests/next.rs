//! L8: the log's last segment names the file in which the log goes on.

use std::io::ErrorKind;

use super::support::*;
use crate::disk::faulty::{FaultyDisk, Operation};
use crate::disk::{Disk, MemoryDisk};
use crate::disk_format::segment::{NextFile, SegmentHeader};
use crate::error::StorageError;
use crate::ids::LogPosition;
use crate::wal::{Spare, Wal};

/// A log of four segments, each group synced, and where it starts.
fn four_segments(spare: Spare) -> (MemoryDisk, LogPosition) {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    for number in 0..4 {
        wal.append_leaving(&payload(number, 12_000), spare).unwrap();
        wal.sync().unwrap();
    }
    (disk, wal.start())
}

fn damaged_file(result: Result<(Contents, crate::wal::LogEnd), StorageError>) -> String {
    match result {
        Err(StorageError::Corruption(damage)) => damage.file.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_newest_segment_is_corruption_that_names_its_file() {
    // With a spare all notes are written with the headers; without one the later ones are added when the segment is full.
    for spare in [Spare::Session, Spare::Nothing] {
        let (disk, start) = four_segments(spare);
        let mut image = image(&disk);
        assert_eq!(read(&disk, start).unwrap().0.groups.len(), 4);
        image.remove("wal/000004").unwrap();
        let result = read(&disk_of(&image), start);
        assert_eq!(damaged_file(result), "wal/000004", "{spare:?}");
    }
}

#[test]
fn any_missing_segment_or_spare_is_corruption() {
    let (disk, start) = four_segments(Spare::Session);
    let whole = image(&disk);
    assert_eq!(whole.len(), 5);
    for name in whole.keys() {
        let mut image = whole.clone();
        image.remove(name).unwrap();
        assert!(is_corruption(&read(&disk_of(&image), start)), "{name}");
    }
}

#[test]
fn a_newest_segment_that_is_cut_anywhere_is_corruption() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    for number in 0..9 {
        wal.append(&payload(number, 2000)).unwrap();
        wal.sync().unwrap();
    }
    let whole = image(&disk);
    let newest = whole.keys().next_back().unwrap();
    let len = whole[newest].len();
    for at in (0..len).step_by(61).chain([len - 1]) {
        let mut image = whole.clone();
        image.get_mut(newest).unwrap().truncate(at);
        let result = read(&disk_of(&image), wal.start());
        assert_eq!(damaged_file(result), *newest, "cut to {at}");
    }
}

#[test]
fn a_log_without_notes_is_read() {
    let (disk, start) = four_segments(Spare::Session);
    let mut image = image(&disk);
    for bytes in image.values_mut() {
        bytes[512..4096].fill(0);
    }
    image.remove("wal/000005").unwrap();
    let disk = disk_of(&image);
    assert_eq!(read(&disk, start).unwrap().0.groups.len(), 4);
    let (_, mut wal) = reopen(&disk, start);
    wal.append(b"next").unwrap();
    wal.sync().unwrap();
    assert_eq!(read(&disk, start).unwrap().0.groups.len(), 5);
}

#[test]
fn a_note_of_a_files_last_life_says_nothing() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    wal.append(b"one").unwrap();
    wal.sync().unwrap();
    let whole = image(&disk);
    let (header, chain) = SegmentHeader::decode(&whole["wal/000001"]).unwrap();
    let its_own = NextFile {
        salt: header.salt,
        seq: header.seq,
        header_crc: chain,
        number: 77,
    };
    let noted = |note: NextFile| {
        let mut image = whole.clone();
        image.get_mut("wal/000001").unwrap()[512..576].copy_from_slice(&note.encode());
        read(&disk_of(&image), wal.start())
    };
    assert_eq!(damaged_file(noted(its_own)), "wal/000077");
    let others = [
        NextFile { salt: 7, ..its_own },
        NextFile {
            header_crc: chain ^ 1,
            ..its_own
        },
        NextFile {
            seq: crate::ids::SegmentSeq(9),
            ..its_own
        },
    ];
    for note in others {
        assert_eq!(noted(note).unwrap().0.groups, [b"one"], "{note:?}");
    }
}

#[test]
fn a_file_that_is_named_is_not_given_up() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    for (number, files) in [2, 2, 3].into_iter().enumerate() {
        remove(wal.shrink(0));
        assert_eq!(wal.segments(), files, "the named one stays");
        assert_eq!(disk.list("wal").unwrap().len(), files);
        wal.append_leaving(&payload(number, 12_000), Spare::Session)
            .unwrap();
        wal.sync().unwrap();
        assert_eq!(read(&disk, wal.start()).unwrap().0.groups.len(), number + 1);
    }
    remove(wal.recycle(wal.end().lsn, None));
    remove(wal.shrink(0));
    assert_eq!(wal.segments(), 2);
    assert!(read(&disk, wal.end()).unwrap().0.groups.is_empty());
}

#[test]
fn a_session_on_a_full_disk_takes_the_named_file_as_it_is() {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let mut wal = create(&disk);
    wal.append(b"one").unwrap();
    wal.sync().unwrap();
    let start = wal.start();
    disk.fail_nth(Some(Operation::Allocate), 0, ErrorKind::StorageFull);
    let (contents, end) = read(&disk, start).unwrap();
    assert_eq!(contents.groups, [b"one"]);
    let next = Wal::start_session(std::sync::Arc::new(disk.clone()), CONFIG, end).unwrap();
    assert_eq!(disk.list("wal").unwrap(), ["000001", "000002"]);
    assert!(next.start().lsn > start.lsn);
    assert_eq!(read(&disk, start).unwrap().0.groups, [b"one"]);
}
