//! The writing end: what the log has durably, from where the archive ends, goes to a new file.
//!
//! 1. Files follow one another: each begins at the position, chain value and version where the one before it ends.
//! 2. A group is copied only once it is durable in the log, so no recovery ever cuts it.
//! 3. A file has its name only when it is complete and durable.

use std::sync::Arc;

use super::files::{ArchiveFile, damage, file_name, names};
use crate::disk::{Disk, NewFile};
use crate::disk_format::codec::expect;
use crate::disk_format::commit_group::CommitGroup;
use crate::disk_format::{ArchiveGroup, ArchiveHeader, ArchiveTrailer, sector_crc};
use crate::error::StorageError;
use crate::ids::{LogPosition, Lsn, Version};
use crate::wal::{Group, WalConfig, read_range};

/// How far the archive has the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Where in the log.
    pub position: LogPosition,
    /// The version there.
    pub version: Version,
}

/// The archive of one database.
#[derive(Debug)]
pub struct Archiver {
    disk: Arc<dyn Disk>,
    salt: u64,
    reached: Option<Reached>,
    failure: Option<StorageError>,
    /// Nothing is copied until the database is opened anew.
    is_unfit: bool,
}

impl Archiver {
    /// Looks where the archive ends.
    pub fn open(disk: Arc<dyn Disk>, salt: u64) -> Result<Self, StorageError> {
        let last = names(&*disk, salt)?.pop();
        let last = last.map(|name| ArchiveFile::open(&*disk, &name, salt));
        let reached = last.transpose()?.map(|last| Reached {
            position: last.trailer.to,
            version: last.trailer.last,
        });
        Ok(Self {
            disk,
            salt,
            reached,
            failure: None,
            is_unfit: false,
        })
    }

    /// The archive for a log that begins at `start` and ends, durably, at `to`, and what it now lacks, if anything: the
    /// position from which on the log is gone. A failure is kept, to be told and tried again.
    pub fn begin(
        disk: &Arc<dyn Disk>,
        (log, config): (&dyn Disk, &WalConfig),
        (start, to): (Reached, LogPosition),
    ) -> (Self, Option<Lsn>) {
        let mut archiver = match Self::open(Arc::clone(disk), config.salt) {
            Ok(archiver) => archiver,
            Err(failure) => return (Self::unfit(disk, config.salt, failure), None),
        };
        let Some(before) = archiver.reached else {
            archiver.start_at(start, (log, config));
            drop(archiver.copy(log, config, to));
            return (archiver, None);
        };
        match archiver.copy(log, config, to) {
            Err(StorageError::Corruption(_)) if before.position.lsn < start.position.lsn => {
                // Somebody had the database open without the archive, and recycled what it lacks.
                archiver.start_at(start, (log, config));
                drop(archiver.copy(log, config, to));
                (archiver, Some(before.position.lsn))
            }
            Err(failure @ StorageError::Corruption(_)) => {
                // It has commits that this database has not: the directory was replaced by an older one.
                (Self::unfit(disk, config.salt, failure), None)
            }
            Ok(()) | Err(_) => (archiver, None),
        }
    }

    /// Begins with a file without a group, which the first one with groups replaces: from now on the archive says from where it
    /// must have the log, whoever opens the database next.
    fn start_at(&mut self, start: Reached, (log, config): (&dyn Disk, &WalConfig)) {
        self.reached = Some(start);
        if let Err(error) = self.write_file(log, config, (start, start.position)) {
            self.failure = Some(error);
        }
    }

    fn unfit(disk: &Arc<dyn Disk>, salt: u64, failure: StorageError) -> Self {
        Self {
            disk: Arc::clone(disk),
            salt,
            reached: None,
            failure: Some(failure),
            is_unfit: true,
        }
    }

    /// How far it has the log; nothing if it is empty.
    pub fn reached(&self) -> Option<Reached> {
        self.reached
    }

    /// Why the last copy failed, if it did.
    pub fn failure(&self) -> Option<&StorageError> {
        self.failure.as_ref()
    }

    /// From where on the log must be kept.
    pub fn needs(&self) -> Lsn {
        self.reached.map_or(Lsn(0), |reached| reached.position.lsn)
    }

    /// Copies the log up to `to`, which is durable. Nobody recycles or removes segments meanwhile.
    pub fn copy(
        &mut self,
        log: &dyn Disk,
        config: &WalConfig,
        to: LogPosition,
    ) -> Result<(), StorageError> {
        if let Some(failure) = self.failure.as_ref().filter(|_| self.is_unfit) {
            return Err(failure.clone());
        }
        let Some(from) = self.reached.filter(|from| from.position != to) else {
            return Ok(());
        };
        match self.write_file(log, config, (from, to)) {
            Ok(version) => {
                let position = to;
                self.reached = Some(Reached { position, version });
                self.failure = None;
                Ok(())
            }
            Err(error) => {
                self.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The version at the file's end.
    fn write_file(
        &self,
        log: &dyn Disk,
        config: &WalConfig,
        (from, to): (Reached, LogPosition),
    ) -> Result<Version, StorageError> {
        let name = file_name(self.salt, from.position.lsn);
        let header = ArchiveHeader {
            salt: self.salt,
            from: from.position,
            after: from.version,
        };
        let sector = header.encode();
        let mut file = NewFile::create(&self.disk, &name)?;
        file.append(&sector)?;
        let (mut last, mut groups, mut groups_crc) = (from.version, 0, 0);
        read_range(log, config, (from.position, to), &mut |group| {
            let header = describe(&group, last)?;
            let bytes = header.encode();
            groups_crc = crc32c::crc32c_append(groups_crc, &bytes);
            (last, groups) = (header.version, groups + 1);
            file.append(&bytes)?;
            file.append(group.payload)
        })?;
        failpoint!("archive.groups-written", fails);
        let trailer = ArchiveTrailer {
            file_len: file.len().saturating_add(sector.len() as u64),
            groups,
            to,
            last,
            groups_crc,
            header_crc: sector_crc(&sector),
        };
        file.append(&trailer.encode())?;
        file.finish()?;
        failpoint!("archive.file-written", fails);
        Ok(last)
    }
}

/// What the archive says of a group, which must publish the version after `last`.
fn describe(group: &Group<'_>, last: Version) -> Result<ArchiveGroup, StorageError> {
    let at = group.end.lsn.get();
    let decoded = CommitGroup::decode(group.payload).map_err(|malformed| {
        let actual = format!("other bytes at offset {} of the group", malformed.offset);
        StorageError::corruption("wal", at, None, malformed.expected, actual)
    })?;
    let expected = last.get().saturating_add(1);
    expect("version", expected, decoded.version.get())
        .map_err(|error| damage("wal", at, &error))?;
    Ok(ArchiveGroup {
        payload_len: group.payload.len() as u64,
        version: decoded.version,
        end: group.end,
        payload_crc: crc32c::crc32c(group.payload),
        time: decoded.time,
    })
}
