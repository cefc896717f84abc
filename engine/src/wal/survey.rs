//! Which segment files there are, and what their headers say. Reads one header a file and nothing else.

use std::io;

use super::position::{BLOCK, DIRECTORY, HEADER, WalConfig};
use super::window::read;
use crate::disk::{Disk, OpenMode};
use crate::disk_format::segment::{
    LOG_FORMAT_VERSION, SEGMENT_HEADER_LEN, SegmentHeader, unknown_format,
};
use crate::error::{StorageError, UnsupportedFormat};

/// A segment's file.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) number: u32,
    pub(super) name: String,
    /// Length in bytes, as far as a segment reaches.
    pub(super) len: u64,
    /// `None` where there is no header of this database: a free file, or a damaged header.
    pub(super) head: Option<SegmentHead>,
}

/// A valid header of this database.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentHead {
    pub(super) header: SegmentHeader,
    pub(super) chain: u32,
}

/// All segment files, in the order of their names.
pub(super) fn survey(
    disk: &dyn Disk,
    config: &WalConfig,
) -> Result<Vec<SegmentFile>, StorageError> {
    numbers(disk)?
        .into_iter()
        .map(|number| look(disk, config, number))
        .collect()
}

/// The numbers of all segment files. Other names are none of the log's.
pub(super) fn numbers(disk: &dyn Disk) -> Result<Vec<u32>, StorageError> {
    let names = match disk.list(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StorageError::corruption(
                DIRECTORY,
                0,
                None,
                "the log's directory",
                "none",
            ));
        }
        names => names.map_err(|error| StorageError::io("list", DIRECTORY, error))?,
    };
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The name of the segment file with a number.
pub(super) fn file_name(number: u32) -> String {
    format!("{DIRECTORY}/{number:06}")
}

/// The number in a segment file's name, its directory included.
pub(super) fn file_number(name: &str) -> Option<u32> {
    number(name.strip_prefix(DIRECTORY)?.strip_prefix('/')?)
}

fn number(name: &str) -> Option<u32> {
    let number = name.parse().ok()?;
    (format!("{number:06}") == name).then_some(number)
}

fn look(disk: &dyn Disk, config: &WalConfig, number: u32) -> Result<SegmentFile, StorageError> {
    let name = file_name(number);
    let file = disk
        .open(&name, OpenMode::Read)
        .map_err(|error| StorageError::io("open", &name, error))?;
    let len = file
        .len()
        .map_err(|error| StorageError::io("measure", &name, error))?;
    let head = if len < BLOCK.max(HEADER) {
        None
    } else {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        read(&*file, &name, 0, &mut bytes)?;
        if let Some(found) = unknown_format(&bytes) {
            return Err(StorageError::Unsupported(Box::new(UnsupportedFormat {
                file: name,
                found,
                supported: LOG_FORMAT_VERSION,
            })));
        }
        head(config, &bytes)
    };
    Ok(SegmentFile {
        number,
        name,
        len: len.min(config.segment_len),
        head,
    })
}

fn head(config: &WalConfig, bytes: &[u8]) -> Option<SegmentHead> {
    let (header, chain) = SegmentHeader::decode(bytes).ok()?;
    let ours = header.salt == config.salt
        && header.segment_len == config.segment_len
        && config.is_seq(header.seq);
    ours.then_some(SegmentHead { header, chain })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_as_we_write_them_are_segments() {
        for (name, expected) in [
            ("000001", Some(1)),
            ("1234567", Some(1_234_567)),
            ("1", None),
            ("0000001", None),
            ("+00001", None),
            ("000001.tmp", None),
            ("99999999999", None),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }
}
