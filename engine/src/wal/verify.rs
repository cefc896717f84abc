//! Reading the log again, beside its writer: every frame from the log's start to a position that was in the
//! system's hands before. It goes on behind damage, at the next sound frame.

use super::position::{BLOCK, HEADER, WalConfig, next_block, next_frame};
use super::reader::{Accepted, Segment, Segments, frame_at};
use super::survey::{SegmentFile, survey};
use super::window::Window;
use crate::disk::Disk;
use crate::disk_format::frame::{FRAME_ALIGNMENT, FrameHeader};
use crate::error::StorageError;
use crate::ids::{LogPosition, Lsn};

/// Verifies the log from `start` to `end`, and shows what is wrong to `found`. Returns the length of the frames read, in
/// bytes. Fails if a file cannot be read.
///
/// Segments from `start` on must not be recycled meanwhile, or they look like damage.
pub fn verify_log(
    disk: &dyn Disk,
    config: &WalConfig,
    (start, end): (LogPosition, Lsn),
    found: &mut dyn FnMut(StorageError),
) -> Result<u64, StorageError> {
    config.check()?;
    let files = survey(disk, config)?;
    for file in files.iter().filter(|file| file.head.is_none()) {
        headless(disk, config, file, (start.lsn, end), found)?;
    }
    let segments = match Segments::new(&files, config.segment_of(start.lsn)) {
        Ok(segments) => segments,
        Err(error) => {
            found(error);
            return Ok(0);
        }
    };
    let at = match segments.start(config, start) {
        Ok(at) => at,
        Err(error) => {
            found(error);
            return Ok(0);
        }
    };
    let mut walk = Walk {
        config,
        at,
        position: start,
        bytes: 0,
    };
    while walk.segment(disk, (&segments, end), found)? {
        let next = segments.successor(walk.at.head.header.seq, walk.position);
        let Some(next) = next.or_else(|| walk.skip_to_segment(&segments, found)) else {
            break;
        };
        walk.position = LogPosition {
            lsn: config.at(next.head.header.seq, BLOCK),
            chain: next.head.chain,
        };
        walk.at = next;
    }
    Ok(walk.bytes)
}

struct Walk<'a> {
    config: &'a WalConfig,
    at: Segment<'a>,
    position: LogPosition,
    bytes: u64,
}

impl<'a> Walk<'a> {
    /// Walks the frames of one segment. Whether the log goes on behind it.
    fn segment(
        &mut self,
        disk: &dyn Disk,
        (segments, end): (&Segments<'_>, Lsn),
        found: &mut dyn FnMut(StorageError),
    ) -> Result<bool, StorageError> {
        let mut window = Window::open(disk, &self.at.file.name, self.at.file.len)?;
        while self.position.lsn < end {
            if let Some(frame) = self.next(&mut window)? {
                self.pass(&frame);
                continue;
            }
            // What lies behind a place where a session goes on was cut once.
            let seq = self.at.head.header.seq;
            if segments.successor(seq, self.position).is_some() {
                return Ok(true);
            }
            let Some(beyond) = self.sound_frame_beyond(&mut window)? else {
                return Ok(true);
            };
            found(self.hole(&mut window, &format!("the next one at offset {}", beyond.1))?);
            self.pass(&beyond.0);
        }
        Ok(false)
    }

    fn next(&self, window: &mut Window) -> Result<Option<Accepted>, StorageError> {
        let offset = self.config.offset_of(self.position.lsn);
        for place in [next_frame(offset), next_block(offset)] {
            let frame = self.frame(window, place)?;
            if let Some(frame) = frame.filter(|f| f.header.prev_chain == self.position.chain) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn frame(&self, window: &mut Window, offset: u64) -> Result<Option<Accepted>, StorageError> {
        frame_at(self.config, window, self.at.head.header.seq, offset)
    }

    fn pass(&mut self, frame: &Accepted) {
        let len = u64::from(frame.header.payload_len);
        self.bytes = self.bytes.saturating_add(HEADER + len);
        self.position = LogPosition {
            lsn: self
                .config
                .at(frame.header.segment, frame.payload_at.saturating_add(len)),
            chain: frame.chain,
        };
    }

    /// The next sound frame of this segment past a hole, and its offset.
    fn sound_frame_beyond(
        &self,
        window: &mut Window,
    ) -> Result<Option<(Accepted, u64)>, StorageError> {
        let mut offset = next_frame(self.config.offset_of(self.position.lsn));
        while offset.saturating_add(HEADER) <= self.at.file.len {
            if let Some(frame) = self.frame(window, offset)? {
                return Ok(Some((frame, offset)));
            }
            offset += FRAME_ALIGNMENT;
        }
        Ok(None)
    }

    /// A hole at the log's position. After a sync the next frame is at the next block.
    fn hole(&self, window: &mut Window, actual: &str) -> Result<StorageError, StorageError> {
        let offset = self.config.offset_of(self.position.lsn);
        let near = next_frame(offset);
        let is_padding = window
            .get(near, HEADER)?
            .is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
        let place = if is_padding { next_block(offset) } else { near };
        Ok(self.damage(place, actual))
    }

    fn damage(&self, offset: u64, actual: &str) -> StorageError {
        let expected = format!(
            "a log frame that continues the log at {}",
            self.position.lsn
        );
        StorageError::corruption(&self.at.file.name, offset, None, expected, actual)
    }

    /// The next segment there is, where none continues from here.
    fn skip_to_segment(
        &self,
        segments: &Segments<'a>,
        found: &mut dyn FnMut(StorageError),
    ) -> Option<Segment<'a>> {
        let place = next_frame(self.config.offset_of(self.position.lsn));
        let seq = self.at.head.header.seq;
        let next = segments
            .by_seq
            .range(seq..)
            .find(|(other, _)| **other > seq);
        let actual = next.map_or_else(
            || "none, and no segment that continues from there".to_owned(),
            |(seq, _)| format!("none, and segment {seq} continues from elsewhere"),
        );
        found(self.damage(place, &actual));
        next.map(|(_, segment)| *segment)
    }
}

/// Finds frames of this log in a file without a header (L3).
fn headless(
    disk: &dyn Disk,
    config: &WalConfig,
    file: &SegmentFile,
    (start, end): (Lsn, Lsn),
    found: &mut dyn FnMut(StorageError),
) -> Result<(), StorageError> {
    let first = config.segment_of(start);
    let mut window = Window::open(disk, &file.name, file.len)?;
    let mut offset = BLOCK;
    while let Some(bytes) = window.get(offset, HEADER)? {
        if let Ok((frame, _)) = FrameHeader::decode(bytes) {
            let is_ours = frame.salt == config.salt
                && frame.segment >= first
                && frame.position < end
                && frame.position == config.at(frame.segment, offset);
            if is_ours {
                let expected = format!("the header of segment {}", frame.segment);
                let actual = format!("none, with a frame of it at offset {offset}");
                found(StorageError::corruption(
                    &file.name, 0, None, expected, actual,
                ));
                return Ok(());
            }
        }
        offset += BLOCK;
    }
    Ok(())
}
