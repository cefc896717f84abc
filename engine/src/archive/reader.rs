//! The reading end: archived groups in order, and what is missing between them.

use std::io;
use std::ops::ControlFlow;

use super::archiver::Reached;
use super::files::{ArchiveFile, damage, names};
use crate::disk::{Disk, DiskFile};
use crate::disk_format::codec::{FormatError, expect};
use crate::disk_format::{ARCHIVE_GROUP_LEN, ARCHIVE_SECTOR, ArchiveGroup};
use crate::error::StorageError;

/// A group read back.
#[derive(Clone, Copy, Debug)]
pub struct Archived<'a> {
    /// What the archive says of it.
    pub group: ArchiveGroup,
    /// What was logged.
    pub payload: &'a [u8],
    /// The file that it is in.
    pub file: &'a str,
}

/// Why an archive cannot be read on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ArchiveError {
    /// What follows a position is not there.
    #[error(
        "the archive lacks the log from LSN {} on (version {}): {found}",
        after.position.lsn, after.version.get().saturating_add(1)
    )]
    Gap {
        /// The last that there is.
        after: Reached,
        /// What is there instead.
        found: String,
    },
    /// Damage, or a failed operation.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Visits the groups after `start` in order, until `visit` says that it is enough or there are no more. Returns what
/// was reached.
pub fn read(
    disk: &dyn Disk,
    salt: u64,
    start: Reached,
    visit: &mut dyn FnMut(Archived<'_>) -> Result<ControlFlow<()>, StorageError>,
) -> Result<Reached, ArchiveError> {
    let names = names(disk, salt)?;
    let mut reader = Reader {
        start,
        reached: start,
        previous: None,
        visit,
    };
    for name in relevant(disk, salt, names, start) {
        let file = ArchiveFile::open(disk, &name, salt)?;
        reader.check_follows(&file)?;
        if reader.file(&file)?.is_break() {
            return Ok(reader.reached);
        }
        reader.previous = Some(Reached {
            position: file.trailer.to,
            version: file.trailer.last,
        });
    }
    if let Some(end) = reader.previous {
        reader.reached = end;
    }
    Ok(reader.reached)
}

/// The files from the one on in which `start` lies.
fn relevant(disk: &dyn Disk, salt: u64, names: Vec<String>, start: Reached) -> Vec<String> {
    let mut first = None;
    for (index, name) in names.iter().enumerate() {
        let header = ArchiveFile::open(disk, name, salt);
        // A damaged file before the first that matters does not matter; a later one is met again.
        let Ok(file) = header else { continue };
        let from = file.header.from.lsn;
        if from <= start.position.lsn && file.header.after <= start.version {
            first = Some(index);
        }
    }
    names.into_iter().skip(first.unwrap_or(0)).collect()
}

struct Reader<'a> {
    start: Reached,
    reached: Reached,
    previous: Option<Reached>,
    visit: &'a mut dyn FnMut(Archived<'_>) -> Result<ControlFlow<()>, StorageError>,
}

impl Reader<'_> {
    /// The first file must hold the start; each later one must continue the one before it.
    fn check_follows(&self, file: &ArchiveFile) -> Result<(), ArchiveError> {
        let begins = Reached {
            position: file.header.from,
            version: file.header.after,
        };
        let follows = match self.previous {
            Some(previous) => previous == begins,
            None if begins.position.lsn == self.start.position.lsn => {
                begins.position == self.start.position && begins.version == self.start.version
            }
            None => {
                begins.position.lsn < self.start.position.lsn
                    && begins.version <= self.start.version
            }
        };
        if follows {
            return Ok(());
        }
        let (lsn, version) = (begins.position.lsn, begins.version);
        let found = format!("{} begins at LSN {lsn}, after version {version}", file.name);
        let after = self.previous.unwrap_or(self.start);
        Err(ArchiveError::Gap { after, found })
    }

    fn file(&mut self, file: &ArchiveFile) -> Result<ControlFlow<()>, ArchiveError> {
        let (name, end) = (&*file.name, file.trailer.file_len - ARCHIVE_SECTOR as u64);
        let mut at = ARCHIVE_SECTOR as u64;
        let (mut last, mut groups_crc) = (file.header.after, 0);
        let mut payload = Vec::new();
        for _ in 0..file.trailer.groups {
            let wrong = |error: &FormatError| damage(name, at, error);
            let mut bytes = [0; ARCHIVE_GROUP_LEN];
            read_at(file, at, end, &mut bytes)?;
            let group = ArchiveGroup::decode(&bytes).map_err(|e| wrong(&e))?;
            groups_crc = crc32c::crc32c_append(groups_crc, &bytes);
            let next = last.get().saturating_add(1);
            expect("version", next, group.version.get()).map_err(|e| wrong(&e))?;
            last = group.version;
            let payload_at = at.saturating_add(ARCHIVE_GROUP_LEN as u64);
            let room = end.saturating_sub(payload_at);
            if group.payload_len > room {
                let error = FormatError::new("payload of at most", room, group.payload_len);
                return Err(wrong(&error).into());
            }
            if group.version > self.start.version {
                payload.resize(usize::try_from(group.payload_len).unwrap_or(usize::MAX), 0);
                read_at(file, payload_at, end, &mut payload)?;
                let crc = crc32c::crc32c(&payload);
                expect("payload checksum", group.payload_crc.into(), crc.into())
                    .map_err(|e| wrong(&e))?;
                let archived = Archived {
                    group,
                    payload: &payload,
                    file: name,
                };
                if (self.visit)(archived)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                self.reached = Reached {
                    position: group.end,
                    version: group.version,
                };
            } else {
                self.check_start(&group, name)?;
            }
            at = payload_at.saturating_add(group.payload_len);
        }
        let whole = expect("bytes of groups", end, at)
            .and_then(|()| expect("last version", file.trailer.last.get(), last.get()))
            .and_then(|()| {
                let expected = file.trailer.groups_crc.into();
                expect("checksum of groups", expected, groups_crc.into())
            });
        whole.map_err(|error| damage(name, end, &error))?;
        Ok(ControlFlow::Continue(()))
    }

    /// The group that published the start's version must not lie behind the start, nor be another one that ends there.
    fn check_start(&self, group: &ArchiveGroup, name: &str) -> Result<(), ArchiveError> {
        let start = self.start;
        let is_it = group.version == start.version;
        let is_behind = group.end.lsn > start.position.lsn;
        let is_other = group.end.lsn == start.position.lsn && group.end != start.position;
        if !is_it || !(is_behind || is_other) {
            return Ok(());
        }
        let found = format!("{name} has another history of this database");
        Err(ArchiveError::Gap {
            after: start,
            found,
        })
    }
}

/// Reads what lies before `end`.
fn read_at(file: &ArchiveFile, at: u64, end: u64, bytes: &mut [u8]) -> Result<(), StorageError> {
    if at.saturating_add(bytes.len() as u64) > end {
        let error = FormatError::new("groups up to", end, at);
        return Err(damage(&file.name, at, &error));
    }
    let read: io::Result<()> = DiskFile::read_at(&*file.file, at, bytes);
    read.map_err(|error| StorageError::io("read", &file.name, error))
}
