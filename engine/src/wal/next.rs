//! What a log's files must be where it ends: segments of full length, and beside them the file in which it goes on.
//!
//! A file is as long as a segment, durably, before it is headed, and stays so; and a segment names the file of the one that follows it before
//! that is headed (L8). So where the log ends although its last segment names a file that is not there, or is cut, what was in that file is
//! lost, and nothing else would tell: no later frame is left to prove that the end was durable.

use super::position::WalConfig;
use super::reader::Segment;
use super::survey::{SegmentFile, file_name};
use super::window::read;
use crate::disk::{Disk, OpenMode};
use crate::disk_format::segment::{NEXT_FILE_AT, NEXT_FILE_LEN, NextFile};
use crate::error::StorageError;

/// Refuses a segment of the log whose file is cut.
pub(super) fn check_lengths<'a>(
    config: &WalConfig,
    mut segments: impl Iterator<Item = &'a SegmentFile>,
) -> Result<(), StorageError> {
    let cut = segments.find(|file| file.len < config.segment_len);
    cut.map_or(Ok(()), |file| Err(is_cut(config, file)))
}

/// The number of the file in which the log goes on behind its last segment, if that names one. An error where there is no such file.
pub(super) fn next_file(
    disk: &dyn Disk,
    config: &WalConfig,
    files: &[SegmentFile],
    last: Segment<'_>,
) -> Result<Option<u32>, StorageError> {
    let Some(number) = note(disk, config, last)? else {
        return Ok(None);
    };
    match files.iter().find(|file| file.number == number) {
        Some(file) if file.len < config.segment_len => Err(is_cut(config, file)),
        Some(_) => Ok(Some(number)),
        None => {
            let seq = last.head.header.seq;
            let expected = format!("the file in which the log goes on behind segment {seq}");
            let name = file_name(number);
            Err(StorageError::corruption(
                &name,
                0,
                None,
                expected,
                "no such file",
            ))
        }
    }
}

/// What the note in a segment says, if there is a sound one and it is this segment's.
fn note(
    disk: &dyn Disk,
    config: &WalConfig,
    segment: Segment<'_>,
) -> Result<Option<u32>, StorageError> {
    let name = &segment.file.name;
    let file = disk
        .open(name, OpenMode::Read)
        .map_err(|error| StorageError::io("open", name, error))?;
    let mut bytes = [0; NEXT_FILE_LEN];
    read(&*file, name, NEXT_FILE_AT, &mut bytes)?;
    let head = segment.head;
    let is_its_own = |note: &NextFile| {
        let (salt, seq) = (config.salt, head.header.seq);
        (note.salt, note.seq, note.header_crc) == (salt, seq, head.chain)
    };
    Ok(NextFile::decode(&bytes)
        .filter(is_its_own)
        .map(|note| note.number))
}

fn is_cut(config: &WalConfig, file: &SegmentFile) -> StorageError {
    let (expected, actual) = (
        format!("a log segment of {} bytes", config.segment_len),
        format!("{} bytes", file.len),
    );
    StorageError::corruption(&file.name, file.len, None, expected, actual)
}
