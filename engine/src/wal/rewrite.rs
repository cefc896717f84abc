//! Making durable, in the log itself, what recovery read of it.
//!
//! After a process crash, or a sync that failed, the system may show what the disk does not have, and a sync alone would not
//! write it. So the very bytes that were read are written again, in place: whatever a crash leaves of that is the same.

use super::position::{WalConfig, next_block};
use super::reader::LogEnd;
use crate::disk::{Disk, OpenMode};
use crate::error::StorageError;
use crate::ids::Lsn;

const PIECE_LEN: usize = 1 << 20;

/// Writes again, and syncs, what lies between the last position that the log itself says was durable and its end.
pub fn rewrite(disk: &dyn Disk, config: &WalConfig, end: &LogEnd) -> Result<(), StorageError> {
    let from = end.durable.max(end.start);
    let (first, last) = (config.segment_of(from), config.segment_of(end.position.lsn));
    for segment in &end.files {
        let Some(seq) = segment.head.map(|head| head.header.seq) else {
            continue;
        };
        if seq < first || seq > last {
            continue;
        }
        let start = if seq == first {
            block_of(config, from)
        } else {
            0
        };
        let stop = if seq == last {
            next_block(config.offset_of(end.position.lsn))
        } else {
            segment.len
        };
        rewrite_file(disk, &segment.name, start..stop.min(segment.len))?;
    }
    Ok(())
}

/// The block in which a position lies.
fn block_of(config: &WalConfig, lsn: Lsn) -> u64 {
    let offset = config.offset_of(lsn);
    offset - offset % super::position::BLOCK
}

fn rewrite_file(
    disk: &dyn Disk,
    name: &str,
    range: std::ops::Range<u64>,
) -> Result<(), StorageError> {
    let failed = |operation, error| StorageError::io(operation, name, error);
    let file = disk
        .open(name, OpenMode::Write)
        .map_err(|error| failed("open", error))?;
    let mut piece = vec![0; PIECE_LEN];
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at)
            .unwrap_or(PIECE_LEN)
            .min(PIECE_LEN);
        let Some(bytes) = piece.get_mut(..len) else {
            break;
        };
        file.read_at(at, bytes)
            .map_err(|error| failed("read", error))?;
        file.write_at(at, bytes)
            .map_err(|error| failed("write", error))?;
        at += len as u64;
    }
    failpoint!("recovery.log.rewritten", fails);
    file.sync().map_err(|error| failed("sync", error))
}
