//! Reads a log back, group by group, and decides where it ends.
//!
//! Nothing is written. A group is visited once all of its parts were found sound; whether what follows the last one is a
//! torn tail or damage is known only at the end, so an error may come after groups have been visited.

use std::collections::BTreeMap;

use super::next::{check_lengths, next_file};
use super::position::{BLOCK, DIRECTORY, HEADER, WalConfig, next_block, next_frame};
use super::survey::{SegmentFile, SegmentHead, survey};
use super::tail::{Hole, judge};
use super::window::Window;
use crate::disk::Disk;
use crate::disk_format::codec::checksum;
use crate::disk_format::frame::FrameHeader;
use crate::disk_format::segment::Origin;
use crate::error::StorageError;
use crate::ids::{LogPosition, Lsn, SegmentSeq};

/// A whole commit group, its parts joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Just past it.
    pub end: LogPosition,
    /// What was appended.
    pub payload: &'a [u8],
}

/// Where a log ends, and what a new session needs to know of it.
#[derive(Clone, Debug)]
pub struct LogEnd {
    /// Just past the last frame. Past the last group's end where that group is cut in the middle.
    pub position: LogPosition,
    /// How many groups were read.
    pub groups: u64,
    /// Length of their payloads in bytes.
    pub bytes: u64,
    /// Where a torn tail was cut off. `None` says that none was found at the places looked at, not that none was
    /// lost.
    pub cut: Option<Lsn>,
    pub(super) start: Lsn,
    /// Segments from this position on are kept, though the log starts later.
    pub(super) keep: Option<Lsn>,
    pub(super) files: Vec<SegmentFile>,
    /// The number of the file that the last segment names as the next.
    pub(super) next: Option<u32>,
    /// The largest sequence number seen.
    pub(super) seq_seen: SegmentSeq,
    /// The largest position that anything seen says was durable.
    pub(super) durable: Lsn,
}

/// Reads and decides the log from `start`; see log.md, "Reading".
///
/// `visit` is called for each group in order. Its error ends the reading and is returned. When damage is found the
/// groups visited so far are sound, but not all there were.
pub fn read_log(
    disk: &dyn Disk,
    config: &WalConfig,
    start: LogPosition,
    visit: &mut dyn FnMut(Group<'_>) -> Result<(), StorageError>,
) -> Result<LogEnd, StorageError> {
    config.check()?;
    let files = survey(disk, config)?;
    let segments = Segments::new(&files, config.segment_of(start.lsn))?;
    let first = segments.start(config, start)?;
    let mut reader = Reader {
        disk,
        config,
        segments: &segments,
        at: first,
        position: start,
        pending: None,
        groups: 0,
        bytes: 0,
        durable: first.head.header.durable,
        until: None,
        visit,
    };
    reader.run()?;
    let (position, pending) = (reader.position, reader.pending.take());
    let (groups, bytes, durable) = (reader.groups, reader.bytes, reader.durable);
    let last = reader.at;
    let hole = Hole {
        position,
        seq: last.head.header.seq,
        start: segments.first,
    };
    let torn = judge(disk, config, &files, hole)?;
    check_lengths(config, segments.by_seq.values().map(|segment| segment.file))?;
    let next = next_file(disk, config, &files, last)?;
    Ok(LogEnd {
        position,
        groups,
        bytes,
        cut: pending
            .map(|parts| parts.start)
            .or(torn.map(|_| position.lsn)),
        start: start.lsn,
        keep: None,
        next,
        seq_seen: segments.seq_seen,
        durable: durable.max(torn.unwrap_or_default()),
        files,
    })
}

impl LogEnd {
    /// Keeps the segments from `lsn` on, which somebody still reads, out of the new session's hands.
    pub fn keep_from(&mut self, lsn: Lsn) {
        self.keep = Some(lsn);
    }
}

/// Reads the groups between two positions of a log that is sound and durable between them, also while it is being
/// appended to. The caller sees to it that no segment in between is recycled. `Corruption` if `to` is not reached.
pub fn read_range(
    disk: &dyn Disk,
    config: &WalConfig,
    (from, to): (LogPosition, LogPosition),
    visit: &mut dyn FnMut(Group<'_>) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let files = survey(disk, config)?;
    let segments = Segments::new(&files, config.segment_of(from.lsn))?;
    let first = segments.start(config, from)?;
    let mut reader = Reader {
        disk,
        config,
        segments: &segments,
        at: first,
        position: from,
        pending: None,
        groups: 0,
        bytes: 0,
        durable: first.head.header.durable,
        until: Some(to.lsn),
        visit,
    };
    reader.run()?;
    if reader.position == to {
        return Ok(());
    }
    let (expected, actual) = (
        format!("the log up to LSN {}, chain value {:#x}", to.lsn, to.chain),
        format!(
            "LSN {}, chain value {:#x}",
            reader.position.lsn, reader.position.chain
        ),
    );
    let at = reader.position.lsn.get();
    Err(StorageError::corruption(
        DIRECTORY, at, None, expected, actual,
    ))
}

/// A segment of the log.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) file: &'a SegmentFile,
    pub(super) head: SegmentHead,
}

/// The segments from the log's start on.
pub(super) struct Segments<'a> {
    pub(super) first: SegmentSeq,
    seq_seen: SegmentSeq,
    pub(super) by_seq: BTreeMap<SegmentSeq, Segment<'a>>,
    /// By the LSN and chain value that they continue; of several the latest, since only that one can have frames.
    by_predecessor: BTreeMap<(Lsn, u32), SegmentSeq>,
}

impl<'a> Segments<'a> {
    pub(super) fn new(files: &'a [SegmentFile], first: SegmentSeq) -> Result<Self, StorageError> {
        let mut segments = Self {
            first,
            seq_seen: first,
            by_seq: BTreeMap::new(),
            by_predecessor: BTreeMap::new(),
        };
        for file in files {
            let Some(head) = file.head else { continue };
            segments.seq_seen = segments.seq_seen.max(head.header.seq);
            if head.header.seq >= first {
                segments.add(Segment { file, head })?;
            }
        }
        Ok(segments)
    }

    fn add(&mut self, segment: Segment<'a>) -> Result<(), StorageError> {
        let header = &segment.head.header;
        let follower = (header.continues, header.continues_chain);
        let latest = self.by_predecessor.entry(follower).or_insert(header.seq);
        *latest = header.seq.max(*latest);
        let Some(other) = self.by_seq.insert(header.seq, segment) else {
            return Ok(());
        };
        Err(StorageError::corruption(
            &segment.file.name,
            0,
            None,
            format!("one segment {}", header.seq),
            format!("another in {}", other.file.name),
        ))
    }

    /// The segment in which the log starts.
    pub(super) fn start(
        &self,
        config: &WalConfig,
        start: LogPosition,
    ) -> Result<Segment<'a>, StorageError> {
        let Some(&segment) = self.by_seq.get(&self.first) else {
            let expected = format!("segment {}, where the log starts", self.first);
            return Err(StorageError::corruption(
                DIRECTORY, 0, None, expected, "none",
            ));
        };
        let offset = config.offset_of(start.lsn);
        let sound = if offset == BLOCK {
            segment.head.chain == start.chain
        } else {
            offset > BLOCK
        };
        if sound {
            return Ok(segment);
        }
        Err(StorageError::corruption(
            &segment.file.name,
            offset,
            None,
            format!("the log's start, chain value {:#x}", start.chain),
            format!("a segment whose chain value is {:#x}", segment.head.chain),
        ))
    }

    /// The segment after `seq` that says it continues from exactly here.
    pub(super) fn successor(&self, seq: SegmentSeq, position: LogPosition) -> Option<Segment<'a>> {
        let next = self.by_predecessor.get(&(position.lsn, position.chain))?;
        self.by_seq
            .get(next)
            .copied()
            .filter(|segment| segment.head.header.seq > seq)
    }
}

/// The parts so far of a group.
struct Parts {
    /// The end of the group before.
    start: Lsn,
    bytes: Vec<u8>,
}

/// A frame that is the log's next one; its payload's place in the segment.
pub(super) struct Accepted {
    pub(super) header: FrameHeader,
    pub(super) chain: u32,
    pub(super) payload_at: u64,
}

struct Reader<'a> {
    disk: &'a dyn Disk,
    config: &'a WalConfig,
    segments: &'a Segments<'a>,
    at: Segment<'a>,
    position: LogPosition,
    pending: Option<Parts>,
    groups: u64,
    bytes: u64,
    durable: Lsn,
    /// Nothing past it is read.
    until: Option<Lsn>,
    visit: &'a mut dyn FnMut(Group<'_>) -> Result<(), StorageError>,
}

/// The sound frame at `offset` of segment `seq`, whatever it continues.
pub(super) fn frame_at(
    config: &WalConfig,
    window: &mut Window,
    seq: SegmentSeq,
    offset: u64,
) -> Result<Option<Accepted>, StorageError> {
    let Some(bytes) = window.get(offset, HEADER)? else {
        return Ok(None);
    };
    let Ok((header, chain)) = FrameHeader::decode(bytes) else {
        return Ok(None);
    };
    let is_here = header.salt == config.salt
        && header.segment == seq
        && header.position == config.at(seq, offset);
    if !is_here {
        return Ok(None);
    }
    let payload_at = offset + HEADER;
    let payload = window.get(payload_at, header.payload_len.into())?;
    let is_whole = payload.is_some_and(|bytes| checksum(&[bytes]) == header.payload_crc);
    Ok(is_whole.then_some(Accepted {
        header,
        chain,
        payload_at,
    }))
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Result<(), StorageError> {
        loop {
            self.read_segment()?;
            match self
                .segments
                .successor(self.at.head.header.seq, self.position)
            {
                Some(next) if !self.is_done() => self.enter(next),
                _ => return Ok(()),
            }
        }
    }

    fn is_done(&self) -> bool {
        self.until.is_some_and(|until| self.position.lsn >= until)
    }

    fn enter(&mut self, next: Segment<'a>) {
        let header = &next.head.header;
        if header.origin == Origin::Session {
            // What the session before left unfinished was cut.
            self.pending = None;
        }
        self.durable = self.durable.max(header.durable);
        self.position = LogPosition {
            lsn: self.config.at(header.seq, BLOCK),
            chain: next.head.chain,
        };
        self.at = next;
    }

    fn read_segment(&mut self) -> Result<(), StorageError> {
        let file = self.at.file;
        let mut window = Window::open(self.disk, &file.name, file.len)?;
        while !self.is_done()
            && let Some(frame) = self.next_frame(&mut window)?
        {
            self.take(&mut window, &frame)?;
        }
        Ok(())
    }

    /// The frame at the next multiple of 64, or else, after a sync, at the next multiple of 4 KiB.
    fn next_frame(&self, window: &mut Window) -> Result<Option<Accepted>, StorageError> {
        let offset = self.config.offset_of(self.position.lsn);
        let (near, far) = (next_frame(offset), next_block(offset));
        match self.accept(window, near)? {
            None if far != near => self.accept(window, far),
            accepted => Ok(accepted),
        }
    }

    fn accept(&self, window: &mut Window, offset: u64) -> Result<Option<Accepted>, StorageError> {
        let found = frame_at(self.config, window, self.at.head.header.seq, offset)?;
        Ok(found.filter(|frame| frame.header.prev_chain == self.position.chain))
    }

    fn take(&mut self, window: &mut Window, frame: &Accepted) -> Result<(), StorageError> {
        let Accepted {
            header,
            chain,
            payload_at,
        } = *frame;
        let before = self.position;
        let len = u64::from(header.payload_len);
        let end = LogPosition {
            lsn: self.config.at(header.segment, payload_at + len),
            chain,
        };
        if header.first_part != self.pending.is_none() {
            return Err(self.misplaced_part(payload_at - HEADER));
        }
        self.position = end;
        self.durable = self.durable.max(header.durable);
        let payload = window.get(payload_at, len)?.unwrap_or_default();
        if header.first_part && header.last_part {
            return self.deliver(end, payload);
        }
        let parts = self.pending.get_or_insert_with(|| Parts {
            start: before.lsn,
            bytes: Vec::new(),
        });
        parts.bytes.extend_from_slice(payload);
        match self.pending.take_if(|_| header.last_part) {
            Some(parts) => self.deliver(end, &parts.bytes),
            None => Ok(()),
        }
    }

    fn deliver(&mut self, end: LogPosition, payload: &[u8]) -> Result<(), StorageError> {
        self.groups += 1;
        self.bytes += payload.len() as u64;
        (self.visit)(Group { end, payload })
    }

    fn misplaced_part(&self, offset: u64) -> StorageError {
        let (expected, actual) = ("the first part of a group", "a later part");
        let (expected, actual) = if self.pending.is_none() {
            (expected, actual)
        } else {
            (actual, expected)
        };
        StorageError::corruption(&self.at.file.name, offset, None, expected, actual)
    }
}
