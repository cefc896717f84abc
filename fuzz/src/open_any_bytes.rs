//! Databases made of any bytes: opening, reading, checking and writing them ends in `Ok` or `Err`.
//!
//! The input is a program: one byte chooses between no files and those of a small valid database, then each step changes the files.
//! Superblocks and log frames can be forged behind a right checksum.

use std::sync::Arc;

use arbitrary::Unstructured;
use lightning_db::Database;
use lightning_db::disk::MemoryDisk;
use lightning_db::disk_format::frame::{FRAME_HEADER_LEN, FrameHeader};
use lightning_db::disk_format::{SUPERBLOCK_LEN, SUPERBLOCK_OFFSETS, Superblock};
use lightning_db::ids::{CheckpointId, Lsn, Version};

use crate::image::{Files, disk_with, options, small_database};

const NAMES: [&str; 6] = [
    "data",
    "map",
    "doublewrite",
    "wal/000001",
    "wal/000002",
    "creating",
];
const FILE_LEN_MAX: usize = 1 << 20;
const ENTRIES_MAX: usize = 10_000;

/// Makes the files that `bytes` describe and uses them as a database.
pub fn open_any_bytes(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(mode) = input.arbitrary::<u8>() else {
        return;
    };
    let mut files = if mode & 1 == 0 {
        small_database().clone()
    } else {
        Files::new()
    };
    while !input.is_empty() && step(&mut files, &mut input).is_ok() {}
    let disk = disk_with(&files);
    use_database(&disk, mode & 2 != 0);
    // What the first use left behind is input like any other.
    use_database(&disk, false);
}

fn use_database(disk: &MemoryDisk, read_only: bool) {
    let options = options().read_only(read_only);
    let Ok(db) = Database::open_on(Arc::new(disk.clone()), options) else {
        return;
    };
    scan(&db);
    let _ = db.verify();
    let _ = db.put("small", b"k\x03", b"new");
    let _ = db.put("large", b"value", &[7; 9_000]);
    let _ = db.delete("small", b"k\x04");
    let _ = db.checkpoint();
    let _ = db.get("small", b"k\x03");
    scan(&db);
    let _ = db.verify();
    let _ = db.close();
}

fn scan(db: &Database) {
    let Ok(snapshot) = db.snapshot() else { return };
    for table in snapshot.tables().unwrap_or_default() {
        let Ok(entries) = snapshot.scan(&table) else {
            continue;
        };
        let _ = entries.take(ENTRIES_MAX).take_while(Result::is_ok).count();
        let Ok(entries) = snapshot.scan(&table) else {
            continue;
        };
        let _ = entries
            .rev()
            .take(ENTRIES_MAX)
            .take_while(Result::is_ok)
            .count();
    }
}

fn step(files: &mut Files, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let choice = input.arbitrary::<u8>()? % 9;
    let name = NAMES[usize::from(input.arbitrary::<u8>()?) % NAMES.len()];
    let at = input.arbitrary::<u32>()? as usize;
    let file = files.entry(name.to_owned()).or_default();
    match choice {
        0 => overwrite(file, at, input)?,
        1 => flip(file, at, input.arbitrary()?),
        2 => file.truncate(at),
        3 => file.resize((file.len() + at % 65_536).min(FILE_LEN_MAX), 0),
        4 => zero(file, at, input.arbitrary::<u16>()?.into()),
        5 => move_within(file, at, input.arbitrary::<u32>()? as usize),
        6 => drop(files.remove(name)),
        7 => forge_superblocks(files, at, input.arbitrary()?),
        _ => forge_frame(file, at, input)?,
    }
    Ok(())
}

fn overwrite(file: &mut Vec<u8>, at: usize, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let len = usize::from(input.arbitrary::<u16>()?).min(input.len());
    let bytes = input.bytes(len)?;
    let at = at.min(FILE_LEN_MAX - len);
    if file.len() < at + len {
        file.resize(at + len, 0);
    }
    file[at..at + len].copy_from_slice(bytes);
    Ok(())
}

fn flip(file: &mut [u8], at: usize, bit: u8) {
    if let Some(index) = at.checked_rem(file.len()) {
        file[index] ^= 1 << (bit % 8);
    }
}

fn zero(file: &mut [u8], at: usize, len: usize) {
    let at = at.min(file.len());
    let end = (at + len).min(file.len());
    file[at..end].fill(0);
}

/// An old or misplaced block where another should be.
fn move_within(file: &mut [u8], from: usize, to: usize) {
    const BLOCK: usize = 512;
    let blocks = file.len() / BLOCK;
    if blocks > 0 {
        let (from, to) = (from % blocks * BLOCK, to % blocks * BLOCK);
        file.copy_within(from..from + BLOCK, to);
    }
}

/// Changes a field of the superblock copies that the low bits of `choice` name.
fn forge_superblocks(files: &mut Files, choice: usize, value: u64) {
    for copy in (0..4).filter(|copy| choice >> copy & 1 == 1) {
        let name = if copy < 2 { "map" } else { "data" };
        let offset = usize::try_from(SUPERBLOCK_OFFSETS[copy % 2]).unwrap_or(0);
        let file = files.entry(name.to_owned()).or_default();
        let Some(sector) = file.get_mut(offset..offset + SUPERBLOCK_LEN) else {
            continue;
        };
        let Ok(mut superblock) = Superblock::decode(sector) else {
            continue;
        };
        set_field(&mut superblock, choice >> 4, value);
        sector.copy_from_slice(&superblock.encode());
    }
}

fn set_field(superblock: &mut Superblock, field: usize, value: u64) {
    let [low, high] = [value as u32, (value >> 32) as u32];
    match field % 12 {
        0 => superblock.geometry.page_size = low,
        1 => superblock.geometry.segment_len = value,
        2 => superblock.geometry.salt = value,
        3 => superblock.checkpoint = CheckpointId(value),
        4 => superblock.version = Version(value),
        5 => superblock.log_start.lsn = Lsn(value),
        6 => superblock.log_start.chain = low,
        7 => (superblock.map.height, superblock.page_count) = (high as u8, low),
        8 => (superblock.bitmap.height, superblock.slot_count) = (high as u8, low),
        9 => superblock.map.crc = low,
        10 => superblock.bitmap.crc = low,
        _ => (superblock.predecessor.id, superblock.predecessor.crc) = (CheckpointId(value), low),
    }
}

/// Replaces the payload of the frame that stands at a multiple of 64 bytes, with right checksums.
fn forge_frame(
    file: &mut Vec<u8>,
    at: usize,
    input: &mut Unstructured<'_>,
) -> arbitrary::Result<()> {
    let len = usize::from(input.arbitrary::<u16>()?).min(input.len());
    let payload = input.bytes(len)?;
    let places = (file.len() / FRAME_HEADER_LEN).max(1);
    let frames = (0..places).map(|place| place * FRAME_HEADER_LEN);
    let frames: Vec<(usize, FrameHeader)> = frames
        .filter_map(|at| Some((at, FrameHeader::decode(file.get(at..)?).ok()?.0)))
        .collect();
    let Some(index) = at.checked_rem(frames.len()) else {
        return Ok(());
    };
    let (at, header) = frames[index];
    let sum = checksum(payload);
    let forged = FrameHeader {
        payload_len: len as u32,
        payload_crc: sum,
        ..header
    };
    let end = at + FRAME_HEADER_LEN + len;
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..at + FRAME_HEADER_LEN].copy_from_slice(&forged.encode().0);
    file[at + FRAME_HEADER_LEN..end].copy_from_slice(payload);
    Ok(())
}

fn checksum(payload: &[u8]) -> u32 {
    lightning_db::disk_format::codec::checksum(&[payload])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries_of(files: &Files) -> usize {
        let db = Database::open_on(Arc::new(disk_with(files)), options()).unwrap();
        assert!(db.verify().unwrap().is_clean());
        let snapshot = db.snapshot().unwrap();
        let tables = snapshot.tables().unwrap();
        tables
            .iter()
            .map(|table| snapshot.scan(table).unwrap().map(Result::unwrap).count())
            .sum()
    }

    #[test]
    fn the_small_database_is_whole() {
        assert_eq!(entries_of(small_database()), 60);
        for name in &NAMES[..4] {
            assert!(small_database().contains_key(*name), "{name}");
        }
    }

    #[test]
    fn a_forged_superblock_is_a_superblock() {
        let mut files = small_database().clone();
        forge_superblocks(&mut files, 0b1_0000 | 0xf, 65_536);
        for (name, copy) in [("map", 0), ("data", 1)] {
            let at = usize::try_from(SUPERBLOCK_OFFSETS[copy]).unwrap();
            let sector = &files[name][at..at + SUPERBLOCK_LEN];
            assert_eq!(
                Superblock::decode(sector).unwrap().geometry.segment_len,
                65_536
            );
        }
    }

    #[test]
    fn a_forged_frame_is_a_frame() {
        let mut files = small_database().clone();
        let frames = |bytes: &[u8]| {
            let places = (0..bytes.len()).step_by(FRAME_HEADER_LEN);
            places
                .filter_map(|at| FrameHeader::decode(&bytes[at..]).ok())
                .collect::<Vec<_>>()
        };
        let mut logs = files
            .iter_mut()
            .filter(|(name, _)| name.starts_with("wal/"));
        let (_, file) = logs.find(|(_, bytes)| !frames(bytes).is_empty()).unwrap();
        forge_frame(
            file,
            0,
            &mut Unstructured::new(&[4, 0, b'a', b'b', b'c', b'd']),
        )
        .unwrap();
        let forged = frames(file);
        assert_eq!(
            forged
                .iter()
                .filter(|(header, _)| header.payload_len == 4)
                .count(),
            1
        );
    }
}
