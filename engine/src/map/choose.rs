//! Recovery step 1: which checkpoint the database is at.

use std::io;

use super::files::{DATA, DOUBLEWRITE, Files, MAP, NamedFile};
use super::page_map::Access;
use super::recover::{BufferOutcome, MapOpenError, SuperblockCopy};
use crate::disk::{Disk, OpenMode};
use crate::disk_format::{
    BUFFER_HEADER_LEN, BufferHeader, Closing, FORMAT_VERSION, SUPERBLOCK_LEN, SUPERBLOCK_OFFSETS,
    Seal, SealedBuffer, Superblock, SuperblockError,
};
use crate::error::StorageError;
use crate::ids::CheckpointId;

/// The checkpoint chosen, and what it was chosen from.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) files: Files,
    pub(super) superblock: Superblock,
    /// The buffer, if it was accepted.
    pub(super) accepted: Option<SealedBuffer>,
    pub(super) outcome: BufferOutcome,
    /// The buffer does not count but is not empty. "Void" is among it: that may not be durable yet.
    pub(super) has_remains: bool,
    pub(super) copies: Vec<Copy>,
    /// The highest id seen anywhere.
    pub(super) highest_id: CheckpointId,
}

/// One superblock copy.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) place: SuperblockCopy,
    pub(super) content: Result<Superblock, SuperblockError>,
}

struct Found {
    data: Option<NamedFile>,
    map: Option<NamedFile>,
    doublewrite: Option<NamedFile>,
}

/// Chooses; writes nothing.
pub(super) fn choose(disk: &dyn Disk, access: Access) -> Result<Choice, MapOpenError> {
    let found = find(disk, access)?;
    let mut failure = None;
    let mut copies = Vec::new();
    for file in [&found.map, &found.data].into_iter().flatten() {
        read_copies(file, &mut copies, &mut failure);
    }
    let newest = newest(&copies)?;
    let buffer = found
        .doublewrite
        .as_ref()
        .map_or(Ok(Buffer::Empty), read_buffer)?;
    let highest = newest.map_or(CheckpointId(0), |newest| newest.checkpoint);
    let highest_id = highest.max(buffer.highest_id());
    let is_empty = matches!(buffer, Buffer::Empty);
    if let (Buffer::Closed(closing), Some(newest)) = (&buffer, &newest) {
        check_not_older(*closing, newest)?;
    }
    let (accepted, outcome) = buffer.judge(newest.as_ref());
    let chosen = accepted.as_ref().map(|buffer| buffer.superblock).or(newest);
    let Some(superblock) = chosen else {
        // A copy that could not be read may be the one that is missing.
        return Err(failure.map_or_else(|| no_superblock(&found), MapOpenError::Storage));
    };
    let files = found.all()?;
    let has_remains = accepted.is_none() && !is_empty && outcome != BufferOutcome::Closed;
    Ok(Choice {
        files,
        superblock,
        accepted,
        outcome,
        has_remains,
        copies,
        highest_id,
    })
}

fn find(disk: &dyn Disk, access: Access) -> Result<Found, MapOpenError> {
    let mode = match access {
        Access::ReadWrite => OpenMode::Write,
        Access::ReadOnly => OpenMode::Read,
    };
    let found = Found {
        data: NamedFile::find(disk, DATA, mode)?,
        map: NamedFile::find(disk, MAP, mode)?,
        doublewrite: NamedFile::find(disk, DOUBLEWRITE, mode)?,
    };
    if found.data.is_none() && found.map.is_none() && found.doublewrite.is_none() {
        return Err(MapOpenError::NoDatabase);
    }
    Ok(found)
}

fn missing(name: &str) -> StorageError {
    StorageError::corruption(name, 0, None, "a file of the database", "no file")
}

impl Found {
    fn all(self) -> Result<Files, StorageError> {
        Ok(Files {
            data: self.data.ok_or_else(|| missing(DATA))?,
            map: self.map.ok_or_else(|| missing(MAP))?,
            doublewrite: self.doublewrite.ok_or_else(|| missing(DOUBLEWRITE))?,
        })
    }
}

fn no_superblock(found: &Found) -> MapOpenError {
    let name = if found.map.is_some() { MAP } else { DATA };
    let expected = "a valid superblock in one of four copies, or a sealed buffer";
    MapOpenError::NoSuperblock(StorageError::corruption(name, 0, None, expected, "none"))
}

/// Reads both copies of a file. One that cannot be read counts as damaged, as long as another is there.
fn read_copies(file: &NamedFile, copies: &mut Vec<Copy>, failure: &mut Option<StorageError>) {
    for offset in SUPERBLOCK_OFFSETS {
        let mut sector = [0; SUPERBLOCK_LEN];
        let content = match file.read(offset, &mut sector) {
            Ok(()) => Superblock::decode(&sector),
            Err(error) => {
                if matches!(error, StorageError::Io(_)) {
                    failure.get_or_insert(error);
                }
                Err(SuperblockError::Invalid("a superblock that cannot be read"))
            }
        };
        copies.push(Copy {
            place: SuperblockCopy {
                file: file.name(),
                offset,
            },
            content,
        });
    }
}

/// The newest valid copy. Copies of two databases, or of two checkpoints with one id, are refused.
fn newest(copies: &[Copy]) -> Result<Option<Superblock>, MapOpenError> {
    let mut newest: Option<Superblock> = None;
    for copy in copies {
        let superblock = match &copy.content {
            Ok(superblock) => *superblock,
            Err(SuperblockError::UnknownFormat(found)) => {
                let (found, supported) = (*found, FORMAT_VERSION);
                return Err(MapOpenError::UnsupportedFormat { found, supported });
            }
            Err(SuperblockError::Invalid(_)) => continue,
        };
        if let Some(other) = &newest {
            check_one_database(other, &superblock, copy.place)?;
        }
        newest = newest
            .filter(|n| n.checkpoint >= superblock.checkpoint)
            .or(Some(superblock));
    }
    Ok(newest)
}

fn check_one_database(
    known: &Superblock,
    copy: &Superblock,
    place: SuperblockCopy,
) -> Result<(), StorageError> {
    let is_same = known.geometry == copy.geometry;
    if is_same && (known.checkpoint != copy.checkpoint || known == copy) {
        return Ok(());
    }
    let expected = "a copy of the same database's superblock";
    let SuperblockCopy { file, offset } = place;
    Err(StorageError::corruption(
        file,
        offset,
        None,
        expected,
        "another's",
    ))
}

/// All superblock copies were durable before the buffer said that they were. An older state must not be taken for the
/// last one: its slots may hold other pages by now.
fn check_not_older(closing: Closing, newest: &Superblock) -> Result<(), StorageError> {
    if newest.checkpoint >= closing.last {
        return Ok(());
    }
    let expected = format!("a superblock of checkpoint {}", closing.last);
    let actual = format!("checkpoint {}", newest.checkpoint);
    Err(StorageError::corruption(MAP, 0, None, expected, actual))
}

/// What is in `doublewrite`.
enum Buffer {
    Empty,
    Void(CheckpointId),
    Closed(Closing),
    Broken(CheckpointId),
    Sealed(SealedBuffer),
}

fn read_buffer(file: &NamedFile) -> Result<Buffer, MapOpenError> {
    let len = file.len()?;
    if len < BUFFER_HEADER_LEN as u64 {
        return Ok(Buffer::Empty);
    }
    let mut header = [0; BUFFER_HEADER_LEN];
    file.read(0, &mut header)?;
    let broken = CheckpointId(0);
    Ok(match BufferHeader::decode(&header) {
        BufferHeader::Empty => Buffer::Empty,
        BufferHeader::Void(id) => Buffer::Void(id),
        BufferHeader::Closed(closing) => Buffer::Closed(closing),
        BufferHeader::Newer(found) => {
            let supported = FORMAT_VERSION;
            return Err(MapOpenError::UnsupportedFormat { found, supported });
        }
        BufferHeader::Damaged => Buffer::Broken(broken),
        BufferHeader::Sealed(seal) => read_body(file, len, seal)?,
    })
}

fn read_body(file: &NamedFile, len: u64, seal: Seal) -> Result<Buffer, StorageError> {
    let broken = Buffer::Broken(seal.checkpoint);
    let room = len.saturating_sub(BUFFER_HEADER_LEN as u64);
    let body_len = usize::try_from(seal.body_len).unwrap_or(usize::MAX);
    let mut body = Vec::new();
    // The length is the file's at most; memory for it may still be missing.
    if seal.body_len > room {
        return Ok(broken);
    }
    if body.try_reserve_exact(body_len).is_err() {
        let error = io::ErrorKind::OutOfMemory.into();
        return Err(StorageError::io("read", DOUBLEWRITE, error));
    }
    body.resize(body_len, 0);
    file.read(BUFFER_HEADER_LEN as u64, &mut body)?;
    Ok(SealedBuffer::decode(seal, &body).map_or(broken, Buffer::Sealed))
}

impl Buffer {
    fn highest_id(&self) -> CheckpointId {
        match self {
            Self::Empty => CheckpointId(0),
            Self::Void(id) | Self::Broken(id) => *id,
            Self::Closed(closing) => closing.highest.max(closing.last),
            Self::Sealed(buffer) => buffer.superblock.checkpoint,
        }
    }

    /// A sealed buffer counts if it continues the newest superblock, is its own, or there is none.
    fn judge(self, newest: Option<&Superblock>) -> (Option<SealedBuffer>, BufferOutcome) {
        let Self::Sealed(buffer) = self else {
            let newest = newest.map(|newest| newest.checkpoint);
            let outcome = match self {
                Self::Closed(closing) if newest == Some(closing.last) => BufferOutcome::Closed,
                Self::Closed(_) | Self::Broken(_) => BufferOutcome::Rejected,
                Self::Empty | Self::Void(_) | Self::Sealed(_) => BufferOutcome::Empty,
            };
            return (None, outcome);
        };
        let fits = newest.is_none_or(|newest| {
            let digest = newest.digest();
            let continues = buffer.superblock.predecessor == digest;
            let is_same = buffer.superblock.digest() == digest;
            newest.geometry == buffer.superblock.geometry && (continues || is_same)
        });
        if fits {
            (Some(buffer), BufferOutcome::Accepted)
        } else {
            (None, BufferOutcome::Rejected)
        }
    }
}
