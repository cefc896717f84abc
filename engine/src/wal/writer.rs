//! One session's writing end of the log.
//!
//! Locking: none; the caller has it to itself. Frames gather in one buffer, contiguous from `buffer_at`, and go to
//! the file at `flush`. Every write is checked against L2 before it is made. Any failure from the first byte on poisons (L5);
//! only what `Pool` does ahead of that can fail cleanly.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::demand::Demand;
use super::making::{FreeFile, Made, NewFile, ReadyFile, ReserveError};
use super::pool::{Pool, Surplus};
use super::position::{BLOCK, DIRECTORY, HEADER, WalConfig, next_block, next_frame};
use super::reader::LogEnd;
use super::survey::{SegmentFile, file_name, file_number, numbers};
use crate::disk::{Disk, DiskFile};
use crate::disk_format::codec::checksum;
use crate::disk_format::frame::FrameHeader;
use crate::disk_format::segment::{NEXT_FILE_AT, NextFile, Origin, SegmentHeader};
use crate::error::StorageError;
use crate::ids::{LogPosition, Lsn, SegmentSeq};

/// The log, open for appending.
#[derive(Debug)]
pub struct Wal {
    config: WalConfig,
    pool: Pool,
    /// Segments that recovery would need, oldest first; the last is written to.
    live: VecDeque<LiveSegment>,
    /// The chain value of the last one's header.
    chain: u32,
    file: Arc<dyn DiskFile>,
    /// Where the log's live part starts.
    log_start: Lsn,
    session_start: LogPosition,
    end: LogPosition,
    durable: Lsn,
    /// Up to where frames are in the system's hands.
    written: Lsn,
    /// Bytes not yet handed to the system, and their offset in the file.
    buffer: Vec<u8>,
    buffer_at: u64,
    /// There was no space for a segment beside the log.
    is_full: bool,
    demand: Demand,
    poison: Option<String>,
}

/// Free segments that a group leaves where it takes one: in such a one the next session begins.
const SPARE_SEGMENTS: u64 = 1;
/// What a note is written with, in bytes: a sector, so that none is read before.
const NOTE_SECTOR: usize = 512;

/// What a group leaves free of the log's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spare {
    /// As many as a session needs to begin.
    Session,
    /// As many, if there is space for them; a group that takes several segments leaves them in any case.
    IfAny,
    /// Whatever there is.
    Nothing,
}

#[derive(Debug)]
struct LiveSegment {
    seq: SegmentSeq,
    name: String,
    ready: bool,
}

/// What a new segment continues, and the file promised for what continues it.
#[derive(Clone, Copy)]
struct Neighbours {
    end: LogPosition,
    durable: Lsn,
    origin: Origin,
    next: Option<u32>,
}

impl Wal {
    /// Starts the log of a new database: its directory, the first segment and a spare, all durable. Segment files
    /// of a creation that was cut off are removed, so there must be no database here.
    pub fn create(disk: Arc<dyn Disk>, config: WalConfig) -> Result<Self, StorageError> {
        config.check()?;
        disk.create_dir(DIRECTORY)
            .map_err(|error| StorageError::io("create", DIRECTORY, error))?;
        for number in numbers(&*disk)? {
            let name = file_name(number);
            disk.remove(&name)
                .map_err(|error| StorageError::io("remove", &name, error))?;
        }
        disk.sync_dir("")
            .map_err(|error| StorageError::io("sync", ".", error))?;
        failpoint!("wal.create.named", fails);
        let mut pool = Pool::new(disk, &config, Vec::new(), 1);
        pool.reserve(2).map_err(ReserveError::into_storage)?;
        let nothing = Neighbours {
            end: LogPosition::default(),
            durable: Lsn::default(),
            origin: Origin::Session,
            next: None,
        };
        Self::head_first(config, pool, VecDeque::new(), SegmentSeq(1), nothing)
    }

    /// Starts a session: heads a new segment that continues from `end`, durably (L4).
    ///
    /// The segments of the log just read stay as they are until [`Self::recycle`]. Before the first `append` the caller takes a
    /// checkpoint whose superblock starts the log at [`Self::start`]. An error that `is_full` has changed nothing.
    pub fn start_session(
        disk: Arc<dyn Disk>,
        config: WalConfig,
        end: LogEnd,
    ) -> Result<Self, StorageError> {
        config.check()?;
        let seq = SegmentSeq(end.seq_seen.0.saturating_add(1));
        let first = config.segment_of(end.keep.map_or(end.start, |keep| keep.min(end.start)));
        let next_number = end
            .files
            .iter()
            .map(|file| file.number)
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        let neighbours = Neighbours {
            end: end.position,
            durable: end.durable,
            origin: Origin::Session,
            next: None,
        };
        failpoint!("wal.session.before", fails);
        let (live, free) = divide(&config, (first, end.next), end.files);
        let mut pool = Pool::new(disk, &config, free, next_number);
        check_seq(&config, seq)?;
        pool.reserve(1).map_err(ReserveError::into_storage)?;
        let mut wal = Self::head_first(config, pool, live, seq, neighbours)?;
        wal.log_start = end.start;
        Ok(wal)
    }

    /// Where the session's log starts: what the next superblock must name.
    pub fn start(&self) -> LogPosition {
        self.session_start
    }

    /// Just past the last group appended.
    pub fn end(&self) -> LogPosition {
        self.end
    }

    /// Up to where the log is durable. What lies before [`Self::start`] is so by the checkpoint that L4 asks for.
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// Up to where the log can be read back from its files.
    pub fn written(&self) -> Lsn {
        self.written
    }

    /// How much lies between the log's start and its end, in bytes of segments.
    pub fn bytes_live(&self) -> u64 {
        let (first, last) = (
            self.config.segment_of(self.log_start),
            self.config.segment_of(self.end.lsn),
        );
        let before = self.config.offset_of(self.log_start);
        let after = self.config.segment_len - self.config.offset_of(self.end.lsn);
        let between = |segment: &&LiveSegment| (first..=last).contains(&segment.seq);
        let segments = self.live.iter().filter(between).count() as u64;
        (segments * self.config.segment_len)
            .saturating_sub(before)
            .saturating_sub(after)
    }

    /// How many segment files there are, free ones among them.
    pub fn segments(&self) -> usize {
        self.live.len() + self.pool.len()
    }

    /// Whether a write or sync has failed, so that every later call fails.
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_some()
    }

    /// Appends a group. It is in the system's hands after `flush`, and durable after `sync`; a group that crosses into
    /// another segment is in part both before.
    ///
    /// All segments needed are reserved first: an error that `is_full`, or after which the log is not poisoned, has appended
    /// nothing.
    pub fn append(&mut self, payload: &[u8]) -> Result<LogPosition, StorageError> {
        self.append_leaving(payload, Spare::Nothing)
    }

    /// As [`append`](Self::append); where it takes segments, others are left free.
    pub fn append_leaving(
        &mut self,
        payload: &[u8],
        spare: Spare,
    ) -> Result<LogPosition, StorageError> {
        self.check_poison()?;
        failpoint!("wal.append.before", fails);
        let rolls = self.rolls_for(payload.len() as u64);
        check_seq(&self.config, SegmentSeq(self.seq().0.saturating_add(rolls)))?;
        if rolls > 0 && spare != Spare::Nothing {
            match self.reserve(rolls.saturating_add(SPARE_SEGMENTS)) {
                Err(error) if spare == Spare::IfAny && rolls == 1 && error.is_full() => {}
                result => result?,
            }
        }
        self.reserve(rolls)?;
        self.append_parts(payload)
            .map_err(|error| self.poison(error))
    }

    /// Hands what was appended to the system: it survives the process.
    pub fn flush(&mut self) -> Result<(), StorageError> {
        self.check_poison()?;
        self.write_buffer().map_err(|error| self.poison(error))
    }

    /// Makes all that was appended durable. The next frame starts on a new block (L2).
    pub fn sync(&mut self) -> Result<(), StorageError> {
        self.check_poison()?;
        self.sync_file().map_err(|error| self.poison(error))
    }

    /// How much lies in segments that the log no longer needs and that somebody else still reads, in bytes.
    pub fn bytes_kept(&self) -> u64 {
        let first = self.config.segment_of(self.log_start);
        let before = |segment: &&LiveSegment| segment.seq < first;
        let segments = self.live.iter().take_while(before).count() as u64;
        segments.saturating_mul(self.config.segment_len)
    }

    /// Frees the segments wholly before `start`, which a complete checkpoint's superblock names, but keeps those from `keep`
    /// on. As many free ones are kept as [`Demand`] says; others are returned, to be removed.
    pub fn recycle(&mut self, start: Lsn, keep: Option<Lsn>) -> Option<Surplus> {
        if self.is_poisoned() {
            return None;
        }
        self.log_start = self.log_start.max(start.min(self.end.lsn));
        self.is_full = false;
        let keep = keep.map_or(self.log_start, |keep| keep.min(self.log_start));
        failpoint!("wal.recycle.before");
        let first = self.config.segment_of(keep);
        self.demand.note(self.live.len());
        while self.live.len() > 1 && self.live.front().is_some_and(|oldest| oldest.seq < first) {
            if let Some(oldest) = self.live.pop_front() {
                self.pool.put(FreeFile {
                    name: oldest.name,
                    ready: oldest.ready,
                });
            }
        }
        let surplus = self.pool.trim(self.demand.segments());
        failpoint!("wal.recycle.after");
        Some(surplus)
    }

    /// Takes back what was given up and could not be removed.
    pub fn take_back(&mut self, surplus: Surplus) {
        self.pool.take_back(surplus);
    }

    /// Whether there is a free segment.
    pub fn has_spare(&self) -> bool {
        self.pool.has_ready()
    }

    /// Sees to it that the next segment can be taken and one is free then. An error that `is_full` has changed nothing.
    pub fn reserve_next(&mut self) -> Result<(), StorageError> {
        self.check_poison()?;
        self.reserve(1 + SPARE_SEGMENTS)
    }

    /// Whether it is time to make a segment beside the log: the last half of one is being written, and no more are free than one that is
    /// left free.
    pub fn wants_segment(&self) -> bool {
        self.config.offset_of(self.end.lsn) >= self.config.segment_len / 2
            && !self.is_full
            && !self.pool.awaits_delivery()
            && self.pool.ready() as u64 <= SPARE_SEGMENTS
            && !self.is_poisoned()
    }

    /// Gives a file away, to be made ready without the log and then delivered, if one is wanted.
    pub fn order_segment(&mut self) -> Option<NewFile> {
        let order = self.wants_segment();
        order.then(|| {
            self.demand.note_order();
            self.pool.order()
        })
    }

    /// Takes the file that was ordered. If there was no space for it no other is wanted until the log has moved on. If something else
    /// failed the log is poisoned.
    pub fn deliver(&mut self, made: Made) -> Result<(), StorageError> {
        match self.pool.deliver(made) {
            Ok(()) => Ok(()),
            Err(ReserveError::Clean(_)) => {
                self.is_full = true;
                Ok(())
            }
            Err(ReserveError::Fatal(error)) => Err(self.poison(error)),
        }
    }

    fn reserve(&mut self, segments: u64) -> Result<(), StorageError> {
        match self.pool.reserve(segments) {
            Ok(()) => Ok(()),
            Err(ReserveError::Clean(error)) => Err(error),
            Err(ReserveError::Fatal(error)) => Err(self.poison(error)),
        }
    }

    /// Gives up all free files but `count`.
    pub fn shrink(&mut self, count: usize) -> Option<Surplus> {
        (!self.is_poisoned()).then(|| self.pool.trim(count))
    }

    /// Heads the first segment of a session.
    fn head_first(
        config: WalConfig,
        mut pool: Pool,
        mut live: VecDeque<LiveSegment>,
        seq: SegmentSeq,
        mut neighbours: Neighbours,
    ) -> Result<Self, StorageError> {
        let ready = take(&mut pool)?;
        neighbours.next = pool.promise();
        let chain = head(&config, &ready, seq, neighbours).map_err(not_full)?;
        live.push_back(LiveSegment {
            seq,
            name: ready.name,
            ready: true,
        });
        let start = LogPosition {
            lsn: config.at(seq, BLOCK),
            chain,
        };
        Ok(Self {
            config,
            pool,
            live,
            chain,
            file: ready.file,
            log_start: start.lsn,
            session_start: start,
            end: start,
            durable: start.lsn,
            written: start.lsn,
            buffer: Vec::new(),
            buffer_at: BLOCK,
            is_full: false,
            demand: Demand::default(),
            poison: None,
        })
    }

    /// How many new segments a group needs.
    fn rolls_for(&self, len: u64) -> u64 {
        match self.room(len) {
            Some(room) => len.saturating_sub(room).div_ceil(self.config.capacity()),
            None => len.div_ceil(self.config.capacity()).max(1),
        }
    }

    /// How much of `rest` bytes a frame in this segment could hold; `None` where there is no place for one.
    fn room(&self, rest: u64) -> Option<u64> {
        let room = self
            .config
            .segment_len
            .checked_sub(self.next_offset() + HEADER)?;
        (room > 0 || rest == 0).then_some(room)
    }

    /// Where the next frame starts: on a new block if the end is durable.
    fn next_offset(&self) -> u64 {
        let offset = self.config.offset_of(self.end.lsn);
        if self.durable == self.end.lsn {
            next_block(offset)
        } else {
            next_frame(offset)
        }
    }

    /// Splits a group over as many segments as it takes (L7).
    fn append_parts(&mut self, payload: &[u8]) -> Result<LogPosition, StorageError> {
        let mut rest = payload;
        let mut first_part = true;
        loop {
            let Some(room) = self.room(rest.len() as u64) else {
                self.roll()?;
                continue;
            };
            let count = usize::try_from(room).unwrap_or(usize::MAX).min(rest.len());
            let (part, later) = rest.split_at(count);
            self.push_frame(part, first_part, later.is_empty())?;
            if later.is_empty() {
                return Ok(self.end);
            }
            (rest, first_part) = (later, false);
        }
    }

    fn push_frame(
        &mut self,
        payload: &[u8],
        first_part: bool,
        last_part: bool,
    ) -> Result<(), StorageError> {
        let (seq, offset) = (self.seq(), self.next_offset());
        let Ok(payload_len) = u32::try_from(payload.len()) else {
            return Err(self.broken("a part is longer than a segment"));
        };
        let header = FrameHeader {
            salt: self.config.salt,
            segment: seq,
            position: self.config.at(seq, offset),
            durable: self.durable,
            payload_len,
            payload_crc: checksum(&[payload]),
            prev_chain: self.end.chain,
            first_part,
            last_part,
        };
        let (bytes, chain) = header.encode();
        self.pad_to(offset);
        self.buffer.extend_from_slice(&bytes);
        self.buffer.extend_from_slice(payload);
        let lsn = self
            .config
            .at(seq, offset + HEADER + u64::from(payload_len));
        self.end = LogPosition { lsn, chain };
        Ok(())
    }

    /// Goes on in a new segment. L3: the old one is synced to its end, then the new header is written and synced. L8: before that the
    /// old one names the new one's file.
    fn roll(&mut self) -> Result<(), StorageError> {
        failpoint!("wal.roll.before", fails);
        self.sync_file()?;
        failpoint!("wal.roll.synced", fails);
        self.is_full = false;
        let was_promised = self.pool.is_promised();
        let ready = take(&mut self.pool)?;
        if !was_promised {
            self.note_next(&ready)?;
        }
        let seq = SegmentSeq(self.seq().0.saturating_add(1));
        let neighbours = Neighbours {
            end: self.end,
            durable: self.durable,
            origin: Origin::Roll,
            next: self.pool.promise(),
        };
        let chain = head(&self.config, &ready, seq, neighbours)?;
        failpoint!("wal.roll.headed", fails);
        self.live.push_back(LiveSegment {
            seq,
            name: ready.name,
            ready: true,
        });
        self.file = ready.file;
        self.chain = chain;
        self.end = LogPosition {
            lsn: self.config.at(seq, BLOCK),
            chain,
        };
        self.durable = self.end.lsn;
        Ok(())
    }

    /// Notes in the segment that is full which file the next one is: no file was ready when it was headed.
    fn note_next(&self, next: &ReadyFile) -> Result<(), StorageError> {
        let note = NextFile {
            salt: self.config.salt,
            seq: self.seq(),
            header_crc: self.chain,
            number: file_number(&next.name).unwrap_or_default(),
        };
        let failed = |operation, error| StorageError::io(operation, self.name(), error);
        let mut sector = note.encode().to_vec();
        sector.resize(NOTE_SECTOR, 0);
        self.file
            .write_at(NEXT_FILE_AT, &sector)
            .map_err(|error| failed("write", error))?;
        self.file.sync().map_err(|error| failed("sync", error))
    }

    fn sync_file(&mut self) -> Result<(), StorageError> {
        if self.durable == self.end.lsn {
            return Ok(());
        }
        if !self.buffer.is_empty() {
            // Whole blocks, so that none has to be read before it is written.
            self.pad_to(next_block(self.buffer_at + self.buffer.len() as u64));
        }
        self.write_buffer()?;
        failpoint!("wal.sync.before", fails);
        self.file
            .sync()
            .map_err(|error| StorageError::io("sync", self.name(), error))?;
        failpoint!("wal.sync.after", fails);
        self.durable = self.end.lsn;
        Ok(())
    }

    /// Fills the buffer with zeroes up to an offset in the file; an empty one starts there.
    fn pad_to(&mut self, offset: u64) {
        if self.buffer.is_empty() {
            self.buffer_at = offset;
        }
        let len = usize::try_from(offset.saturating_sub(self.buffer_at)).unwrap_or_default();
        self.buffer.resize(len.max(self.buffer.len()), 0);
    }

    fn write_buffer(&mut self) -> Result<(), StorageError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let to = self.buffer_at + self.buffer.len() as u64;
        if self.buffer_at < self.synced_to() || to > self.config.segment_len {
            return Err(self.broken("L2: a write into durable blocks or past the segment"));
        }
        failpoint!("wal.write.before", fails);
        let written = self.file.write_at(self.buffer_at, &self.buffer);
        written.map_err(|error| StorageError::io("write", self.name(), error))?;
        failpoint!("wal.write.after", fails);
        self.buffer.clear();
        self.written = self.end.lsn;
        Ok(())
    }

    /// The offset in this segment from which blocks may be written.
    fn synced_to(&self) -> u64 {
        next_block(self.config.offset_of(self.durable))
    }

    fn seq(&self) -> SegmentSeq {
        self.live
            .back()
            .map(|segment| segment.seq)
            .unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.live.back().map_or(DIRECTORY, |segment| &segment.name)
    }

    fn broken(&self, invariant: &'static str) -> StorageError {
        StorageError::io("write", self.name(), io::Error::other(invariant))
    }

    fn check_poison(&self) -> Result<(), StorageError> {
        let Some(first) = &self.poison else {
            return Ok(());
        };
        let text = format!("the log has failed before: {first}");
        Err(StorageError::io("use", DIRECTORY, io::Error::other(text)))
    }

    /// After this every call fails.
    fn poison(&mut self, error: StorageError) -> StorageError {
        let text = in_full(&error);
        let error = not_full(error);
        self.poison.get_or_insert(text);
        error
    }
}

/// An error and its cause.
fn in_full(error: &StorageError) -> String {
    match error {
        StorageError::Io(failure) => format!("{failure}: {}", failure.source),
        StorageError::Corruption(_)
        | StorageError::Unsupported(_)
        | StorageError::Limit(_)
        | StorageError::SnapshotTooOld(_) => error.to_string(),
    }
}

/// The same failure, but not as one that `is_full`: that would promise that nothing has happened.
fn not_full(error: StorageError) -> StorageError {
    if error.is_full() {
        StorageError::io("write", DIRECTORY, io::Error::other(in_full(&error)))
    } else {
        error
    }
}

/// What a new session keeps until it recycles, oldest first, and what is free. Every segment from the log's start on is kept, even
/// one that the log does not reach. The file that the log's last segment names as the next was ready before it was named.
fn divide(
    config: &WalConfig,
    (first, next): (SegmentSeq, Option<u32>),
    mut files: Vec<SegmentFile>,
) -> (VecDeque<LiveSegment>, Vec<FreeFile>) {
    let (mut live, mut free) = (Vec::new(), Vec::new());
    // Of those that are to be made ready the longest comes first: it may need no space.
    files.sort_by_key(|file| file.len);
    for SegmentFile {
        number,
        name,
        len,
        head,
    } in files
    {
        let ready = (head.is_some() || next == Some(number)) && len == config.segment_len;
        match head.map(|head| head.header.seq).filter(|seq| *seq >= first) {
            Some(seq) => live.push(LiveSegment { seq, name, ready }),
            None => free.push(FreeFile { name, ready }),
        }
    }
    live.sort_unstable_by_key(|segment| segment.seq);
    (live.into(), free)
}

fn check_seq(config: &WalConfig, seq: SegmentSeq) -> Result<(), StorageError> {
    if config.is_seq(seq) {
        return Ok(());
    }
    let allowed = config.seq_max().0;
    Err(StorageError::limit("log segments", seq.0, allowed))
}

fn take(pool: &mut Pool) -> Result<ReadyFile, StorageError> {
    let missing = || io::Error::other("no segment was reserved");
    pool.take()
        .ok_or_else(|| StorageError::io("take a segment of", DIRECTORY, missing()))
}

/// Writes and syncs a segment's header: its whole block, though only two sectors say something. Returns the chain value.
fn head(
    config: &WalConfig,
    ready: &ReadyFile,
    seq: SegmentSeq,
    neighbours: Neighbours,
) -> Result<u32, StorageError> {
    let header = SegmentHeader {
        salt: config.salt,
        seq,
        segment_len: config.segment_len,
        continues: neighbours.end.lsn,
        continues_chain: neighbours.end.chain,
        durable: neighbours.durable,
        origin: neighbours.origin,
    };
    let (bytes, chain) = header.encode();
    let mut block = bytes.to_vec();
    if let Some(number) = neighbours.next {
        let note = NextFile {
            salt: config.salt,
            seq,
            header_crc: chain,
            number,
        };
        block.resize(usize::try_from(NEXT_FILE_AT).unwrap_or_default(), 0);
        block.extend_from_slice(&note.encode());
    }
    block.resize(usize::try_from(BLOCK).unwrap_or(block.len()), 0);
    let failed = |operation, error| StorageError::io(operation, &ready.name, error);
    ready
        .file
        .write_at(0, &block)
        .map_err(|error| failed("write", error))?;
    failpoint!("wal.header.written", fails);
    ready.file.sync().map_err(|error| failed("sync", error))?;
    Ok(chain)
}
