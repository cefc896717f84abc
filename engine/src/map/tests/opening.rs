//! What is a database, what is none, and what is a damaged one.

use std::sync::Arc;

use super::model::{Model, Step, checkpoint, create, geometry};
use crate::disk::{Disk, MemoryDisk, OpenMode};
use crate::disk_format::codec::checksum;
use crate::disk_format::{SUPERBLOCK_LEN, SUPERBLOCK_OFFSETS};
use crate::ids::LogPosition;
use crate::map::{Access, BufferOutcome, Map, MapOpenError};

fn memory() -> Arc<dyn Disk> {
    Arc::new(MemoryDisk::new())
}

fn open_error(disk: &Arc<dyn Disk>) -> MapOpenError {
    Map::recover(disk, Access::ReadWrite).unwrap_err()
}

#[test]
fn an_empty_directory_is_no_database() {
    assert!(matches!(open_error(&memory()), MapOpenError::NoDatabase));
}

#[test]
fn files_without_a_superblock_are_not_an_empty_database() {
    let disk = memory();
    for name in ["data", "map", "doublewrite"] {
        disk.open(name, OpenMode::Create).unwrap();
        assert!(matches!(open_error(&disk), MapOpenError::NoSuperblock(_)));
    }
}

#[test]
fn a_missing_file_is_corruption() {
    for name in ["data", "map", "doublewrite"] {
        let disk = memory();
        create(&disk, 512);
        disk.remove(name).unwrap();
        let error = open_error(&disk);
        assert!(matches!(error, MapOpenError::Storage(_)), "{name}: {error}");
        assert!(Map::remove_cut_off_create(&disk).is_err());
    }
}

#[test]
fn a_database_is_not_created_twice() {
    let disk = memory();
    create(&disk, 512);
    assert!(Map::create(&disk, geometry(512), LogPosition::default()).is_err());
    Map::recover(&disk, Access::ReadWrite).unwrap();
}

#[test]
fn a_page_size_that_the_format_has_not_is_refused() {
    for page_size in [0, 256, 4095, 128 << 10] {
        assert!(Map::create(&memory(), geometry(page_size), LogPosition::default()).is_err());
    }
}

#[test]
fn a_newer_format_is_named_not_taken_for_damage() {
    let disk = memory();
    create(&disk, 512);
    let file = disk.open("data", OpenMode::Write).unwrap();
    let mut sector = [0; SUPERBLOCK_LEN];
    file.read_at(SUPERBLOCK_OFFSETS[1], &mut sector).unwrap();
    sector[8] = 9;
    sector[508..].fill(0);
    let crc = checksum(&[&sector]);
    sector[508..].copy_from_slice(&crc.to_le_bytes());
    file.write_at(SUPERBLOCK_OFFSETS[1], &sector).unwrap();
    let error = open_error(&disk);
    assert!(
        matches!(
            error,
            MapOpenError::UnsupportedFormat {
                found: 9,
                supported: 1
            }
        ),
        "{error}"
    );
}

#[test]
fn another_databases_file_is_refused() {
    let (ours, other) = (memory(), memory());
    create(&ours, 512);
    let mut foreign = geometry(512);
    foreign.salt ^= 1;
    Map::create(&other, foreign, LogPosition::default()).unwrap();
    let file = other.open("data", OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    ours.open("data", OpenMode::Write)
        .unwrap()
        .write_at(0, &bytes)
        .unwrap();
    assert!(matches!(open_error(&ours), MapOpenError::Storage(_)));
}

#[test]
fn the_report_says_what_the_buffer_was_good_for() {
    let disk = memory();
    let (map, mut model) = (create(&disk, 512), Model::default());
    let (_, report) = Map::recover(&disk, Access::ReadWrite).unwrap();
    assert_eq!(report.buffer, BufferOutcome::Empty);
    checkpoint(&map, &mut model, &Step::writing([1])).unwrap();
    let (map, report) = Map::recover(&disk, Access::ReadWrite).unwrap();
    assert_eq!(report.buffer, BufferOutcome::Accepted);
    assert_eq!(report.checkpoint, map.superblock().checkpoint);
    assert!(report.damaged_superblocks.is_empty() && report.rebuilt.is_empty());
}
