//! Logs to try things on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::disk::{Disk, MemoryDisk, OpenMode};
use crate::error::StorageError;
use crate::ids::LogPosition;
use crate::wal::{LogEnd, Surplus, Wal, WalConfig, read_log};

pub(super) const CONFIG: WalConfig = WalConfig {
    segment_len: 16 * 1024,
    salt: 0x5eed_0f5a_1755_a175,
};
pub(super) const SECTOR: usize = 512;

/// The bytes of every file.
pub(super) type Image = BTreeMap<String, Vec<u8>>;

/// What a log holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) groups: Vec<Vec<u8>>,
    pub(super) ends: Vec<LogPosition>,
}

/// A payload that tells which it is.
pub(super) fn payload(number: usize, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (number * 31 + at * 7 + at / 251).to_le_bytes()[0])
        .collect()
}

pub(super) fn read(
    disk: &dyn Disk,
    start: LogPosition,
) -> Result<(Contents, LogEnd), StorageError> {
    let mut contents = Contents {
        groups: Vec::new(),
        ends: Vec::new(),
    };
    let end = read_log(disk, &CONFIG, start, &mut |group| {
        contents.groups.push(group.payload.to_vec());
        contents.ends.push(group.end);
        Ok(())
    })?;
    assert_eq!(end.groups, contents.groups.len() as u64);
    assert_eq!(
        end.bytes,
        contents
            .groups
            .iter()
            .map(|group| group.len() as u64)
            .sum::<u64>()
    );
    Ok((contents, end))
}

/// Removes what a log has given up.
pub(super) fn remove(surplus: Option<Surplus>) {
    assert!(surplus.and_then(Surplus::remove).is_none());
}

pub(super) fn create(disk: &(impl Disk + Clone + 'static)) -> Wal {
    Wal::create(Arc::new(disk.clone()), CONFIG).unwrap()
}

/// Reads the log and starts a session behind it.
pub(super) fn reopen(disk: &(impl Disk + Clone + 'static), start: LogPosition) -> (Contents, Wal) {
    let (contents, end) = read(disk, start).unwrap();
    (
        contents,
        Wal::start_session(Arc::new(disk.clone()), CONFIG, end).unwrap(),
    )
}

pub(super) fn image(disk: &dyn Disk) -> Image {
    let names = disk.list("wal").unwrap();
    names
        .into_iter()
        .map(|name| (format!("wal/{name}"), bytes(disk, &name)))
        .collect()
}

fn bytes(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let file = disk.open(&format!("wal/{name}"), OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

pub(super) fn disk_of(image: &Image) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir("wal").unwrap();
    for (name, bytes) in image {
        disk.open(name, OpenMode::Create)
            .unwrap()
            .write_at(0, bytes)
            .unwrap();
    }
    disk
}

/// The image with one byte changed.
pub(super) fn flipped(image: &Image, name: &str, at: usize, mask: u8) -> Image {
    let mut image = image.clone();
    image.get_mut(name).unwrap()[at] ^= mask;
    image
}

pub(super) fn is_corruption<T>(result: &Result<T, StorageError>) -> bool {
    matches!(result, Err(StorageError::Corruption(_)))
}
