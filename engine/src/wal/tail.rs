//! Torn tail or damage: what lies past the hole, where the log's frames end.
//!
//! Looked at are, from the end backward, the starts of all 4 KiB blocks past the hole, the headers of later
//! segments, and last the 64-byte position of the hole itself. That is enough: the first frame after a
//! sync starts a block (L2), all frames up to the next sync carry the same `durable` as it, and a header that
//! continues from a full segment carries its predecessor's end. So whatever was proven by a frame elsewhere is proven
//! by one at a block's start, too.

use super::position::{BLOCK, HEADER, WalConfig, next_block, next_frame};
use super::survey::{SegmentFile, SegmentHead};
use super::window::read;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::disk_format::frame::{FRAME_HEADER_LEN, FrameHeader};
use crate::error::StorageError;
use crate::ids::{LogPosition, Lsn, SegmentSeq};

/// Where the log's frames end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole {
    pub(super) position: LogPosition,
    /// The segment in which they end.
    pub(super) seq: SegmentSeq,
    /// The segment in which the log starts.
    pub(super) start: SegmentSeq,
}

/// Looks past the hole. `Some` where a torn tail lies there, with what its last frame says was durable; an error where
/// the hole was durable once.
pub(super) fn judge(
    disk: &dyn Disk,
    config: &WalConfig,
    files: &[SegmentFile],
    hole: Hole,
) -> Result<Option<Lsn>, StorageError> {
    let search = Search { disk, config, hole };
    for file in files.iter().filter(|file| file.head.is_none()) {
        search.headless(file)?;
    }
    let mut later: Vec<(&SegmentFile, SegmentHead)> = files
        .iter()
        .filter_map(|file| Some((file, file.head.filter(|head| head.header.seq >= hole.seq)?)))
        .collect();
    later.sort_unstable_by_key(|(_, head)| head.header.seq);
    for (file, head) in later.into_iter().rev() {
        if let Some(durable) = search.segment(file, head)? {
            return search.decide(files, durable).map(Some);
        }
    }
    Ok(None)
}

struct Search<'a> {
    disk: &'a dyn Disk,
    config: &'a WalConfig,
    hole: Hole,
}

impl Search<'_> {
    /// L3: where a frame of this log lies, there was a header before it.
    fn headless(&self, file: &SegmentFile) -> Result<(), StorageError> {
        if file.len < BLOCK + HEADER {
            return Ok(());
        }
        let handle = self.open(file)?;
        for offset in blocks_backward(BLOCK, file.len) {
            let Some(frame) = self.frame(&*handle, file, offset)? else {
                continue;
            };
            let place = self.config.at(frame.segment, offset);
            if frame.segment >= self.hole.start && frame.position == place {
                let expected = format!("the header of segment {}", frame.segment);
                let actual = format!("none, with a frame of it at offset {offset}");
                return Err(StorageError::corruption(
                    &file.name, 0, None, expected, actual,
                ));
            }
        }
        Ok(())
    }

    /// What the last frame past the hole in this segment says was durable.
    fn segment(&self, file: &SegmentFile, head: SegmentHead) -> Result<Option<Lsn>, StorageError> {
        let seq = head.header.seq;
        let handle = self.open(file)?;
        let here = seq == self.hole.seq;
        let end = if here {
            self.config.offset_of(self.hole.position.lsn)
        } else {
            BLOCK
        };
        let exact = Some(next_frame(end)).filter(|exact| !exact.is_multiple_of(BLOCK));
        for offset in blocks_backward(next_block(end), file.len).chain(exact) {
            if offset + HEADER > file.len {
                continue;
            }
            let Some(frame) = self.frame(&*handle, file, offset)? else {
                continue;
            };
            if frame.segment == seq && frame.position == self.config.at(seq, offset) {
                return Ok(Some(frame.durable));
            }
        }
        Ok((!here).then_some(head.header.durable))
    }

    /// The first found decides, and nothing else counts.
    fn decide(&self, files: &[SegmentFile], durable: Lsn) -> Result<Lsn, StorageError> {
        let hole = self.hole.position.lsn;
        if durable <= hole {
            return Ok(durable);
        }
        let in_hole = |file: &&SegmentFile| {
            file.head
                .is_some_and(|head| head.header.seq == self.hole.seq)
        };
        let name = files.iter().find(in_hole).map_or("wal", |file| &file.name);
        Err(StorageError::corruption(
            name,
            self.config.offset_of(hole),
            None,
            format!("a log frame: the log was durable up to {durable}"),
            format!("none that continues the log at {hole}"),
        ))
    }

    fn open(&self, file: &SegmentFile) -> Result<std::sync::Arc<dyn DiskFile>, StorageError> {
        self.disk
            .open(&file.name, OpenMode::Read)
            .map_err(|error| StorageError::io("open", &file.name, error))
    }

    /// A valid frame header of this database at `offset`.
    fn frame(
        &self,
        handle: &dyn DiskFile,
        file: &SegmentFile,
        offset: u64,
    ) -> Result<Option<FrameHeader>, StorageError> {
        let mut bytes = [0; FRAME_HEADER_LEN];
        read(handle, &file.name, offset, &mut bytes)?;
        let header = FrameHeader::decode(&bytes).ok().map(|(header, _)| header);
        Ok(header.filter(|header| header.salt == self.config.salt))
    }
}

/// The starts of the blocks in `[from, to)` that have room for a header, the last one first. `from` is one.
fn blocks_backward(from: u64, to: u64) -> impl Iterator<Item = u64> {
    let first = from / BLOCK;
    let end = to.saturating_sub(HEADER - 1).div_ceil(BLOCK).max(first);
    (first..end).rev().map(|block| block * BLOCK)
}
