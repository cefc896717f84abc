//! What the segments say about the log themselves, where no superblock does.

use std::collections::BTreeMap;

use super::position::{BLOCK, WalConfig};
use super::survey::{file_name, numbers, survey};
use crate::disk::{Disk, OpenMode};
use crate::disk_format::segment::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::error::StorageError;
use crate::ids::LogPosition;

/// The logs that sound segment headers name, the one with the most segments first.
pub fn configs(disk: &dyn Disk) -> Vec<WalConfig> {
    let mut found: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    for number in numbers(disk).unwrap_or_default() {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        let read = disk
            .open(&file_name(number), OpenMode::Read)
            .and_then(|file| file.read_at(0, &mut bytes));
        if read.is_err() {
            continue;
        }
        if let Ok((header, _)) = SegmentHeader::decode(&bytes) {
            *found.entry((header.segment_len, header.salt)).or_default() += 1;
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let configs = found
        .into_iter()
        .map(|((segment_len, salt), _)| WalConfig { segment_len, salt });
    configs.filter(|config| config.check().is_ok()).collect()
}

/// The starts of all segments, in the order of their numbers.
pub fn starts(disk: &dyn Disk, config: &WalConfig) -> Result<Vec<LogPosition>, StorageError> {
    config.check()?;
    let files = survey(disk, config)?;
    let mut heads: Vec<_> = files.iter().filter_map(|file| file.head).collect();
    heads.sort_by_key(|head| head.header.seq);
    let starts = heads.iter().map(|head| LogPosition {
        lsn: config.at(head.header.seq, BLOCK),
        chain: head.chain,
    });
    Ok(starts.collect())
}
