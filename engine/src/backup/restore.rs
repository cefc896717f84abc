//! Making a database of backups and an archived log.
//!
//! The new database is a database of its own: it has another salt, and so another log, archive and chain of backups. Until it is
//! complete and verified a marker says that it is none; whatever cuts a restore off, it can only be done again.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::RestoreError;
use super::file::BackupFile;
use super::source::Source;
use crate::archive::{self, Archived, Reached};
use crate::checkpoint;
use crate::disk::Disk;
use crate::disk_format::{BackupEntry, Geometry, PageHeader};
use crate::engine::Engine;
use crate::error::{OpenError, StorageError};
use crate::ids::{CommitTime, LogPosition, Lsn, Version};
use crate::map::Map;
use crate::options::Options;
use crate::recovery;
use crate::sync::entropy;

/// Up to where a restore goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Until {
    /// All that the backups and the archive have.
    #[default]
    End,
    /// This version, which must be reached.
    Version(Version),
    /// The last commit that ends at or before this position of the log, up to which the archive must reach.
    Lsn(Lsn),
    /// The last commit before the first one that was written later than this.
    Time(CommitTime),
}

/// What to restore: a full backup, incremental ones that follow it, an archived log.
#[derive(Clone, Debug)]
pub struct Restore {
    files: Vec<BackupFile>,
    archive: Option<Arc<dyn Disk>>,
    until: Until,
    options: Options,
}

/// What a restore reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The newest commit in it.
    pub version: Version,
    /// Where that ended in the log of the database that was backed up.
    pub lsn: Lsn,
    /// When it was written; 0 if it is in a backup, or carries no time.
    pub time: CommitTime,
    /// Pages of the backups.
    pub pages: u64,
    /// Commit groups of the archive.
    pub groups: u64,
}

/// A database that is complete, but not verified yet.
#[derive(Debug)]
pub struct Restored {
    /// It.
    pub engine: Engine,
    /// What it holds.
    pub report: RestoreReport,
}

impl Restore {
    /// A full backup.
    pub fn from(full: BackupFile) -> Self {
        Self {
            files: vec![full],
            archive: None,
            until: Until::End,
            options: Options::new(),
        }
    }

    /// An incremental backup, whose base is the last one named.
    #[must_use]
    pub fn then(mut self, incremental: BackupFile) -> Self {
        self.files.push(incremental);
        self
    }

    /// The archive, for what was committed after the last backup.
    #[must_use]
    pub fn archive(mut self, archive: Arc<dyn Disk>) -> Self {
        self.archive = Some(archive);
        self
    }

    /// Up to where the archive is replayed.
    #[must_use]
    pub fn until(mut self, until: Until) -> Self {
        self.until = until;
        self
    }

    /// Limits for the restore's own work, and the new database's salt. What a backup fixes (page size, segment length) is taken
    /// from it.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Builds the database, up to its verification. On an error nothing is left but what the next try removes.
    pub fn build(&self, disk: &Arc<dyn Disk>) -> Result<Restored, RestoreError> {
        let sources = open_chain(&self.files)?;
        let Some(last) = sources.last() else {
            return Err(RestoreError::Target("no backup was named".to_owned()));
        };
        let start = Reached {
            position: last.superblock.log_start,
            version: last.superblock.version,
        };
        self.check_target(start, last.header.time)?;
        let old = last.superblock.geometry;
        let geometry = Geometry {
            salt: self.options.salt.unwrap_or_else(entropy),
            ..old
        };
        if geometry.salt == old.salt {
            let why = "the salt in the options is that of the database that was backed up";
            return Err(OpenError::Options(why.to_owned()).into());
        }
        let mut options = self.options.clone();
        options.archive = None;
        options.read_only = false;
        let built = recovery::rebuild(disk, (options, geometry), &mut |map, log_start| {
            fill(map, &sources, (start.version, log_start))
        });
        let built = built.map_err(RestoreError::from).and_then(|engine| {
            let mut report = RestoreReport {
                version: start.version,
                lsn: start.position.lsn,
                time: CommitTime(0),
                pages: last.table.len() as u64,
                groups: 0,
            };
            self.replay(&engine, (old.salt, start), &mut report)?;
            checkpoint::run(&engine)?;
            Ok(Restored { engine, report })
        });
        if matches!(built, Err(RestoreError::Occupied)) {
            return built;
        }
        built.inspect_err(|_| drop(recovery::abandon_rebuild(disk)))
    }

    /// What lies before the backup cannot be had from it.
    fn check_target(&self, start: Reached, time: CommitTime) -> Result<(), RestoreError> {
        let (lsn, version) = (start.position.lsn, start.version);
        let is_before = match self.until {
            Until::Version(target) => target < version,
            Until::Lsn(target) => target < lsn,
            Until::Time(target) => target < time || time == CommitTime(0),
            Until::End => false,
        };
        if is_before {
            let until = self.until;
            let why = format!(
                "{until:?} lies before the backup, which is of version {version}, LSN {lsn}, time {time}"
            );
            return Err(RestoreError::Target(why));
        }
        Ok(())
    }

    fn replay(
        &self,
        engine: &Engine,
        (salt, start): (u64, Reached),
        report: &mut RestoreReport,
    ) -> Result<(), RestoreError> {
        let mut end = start;
        let (mut untimed, mut is_passed) = (None, false);
        let archive = self.archive.as_ref().filter(|_| !self.is_at(report));
        if let Some(archive) = archive {
            let mut is_full = false;
            end = archive::read(&**archive, salt, start, &mut |archived| {
                let group = archived.group;
                if matches!(self.until, Until::Time(_)) && group.time == CommitTime(0) {
                    untimed = Some(group.version);
                    return Ok(ControlFlow::Break(()));
                }
                if self.is_beyond(&archived) {
                    is_passed = true;
                    return Ok(ControlFlow::Break(()));
                }
                let (file, lsn) = (archived.file, group.end.lsn);
                recovery::apply_payload(engine, archived.payload, (file, lsn))?;
                recovery::make_room(engine, &mut is_full)?;
                report.groups += 1;
                (report.version, report.lsn, report.time) = (group.version, lsn, group.time);
                // What is missing behind the target does not matter.
                Ok(if self.is_at(report) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            })?;
        }
        if let Some(version) = untimed {
            let why = format!("version {version} carries no time: it was written without a clock");
            return Err(RestoreError::Target(why));
        }
        self.check_reached((end, is_passed), report)
    }

    /// Whether this is the target exactly.
    fn is_at(&self, report: &RestoreReport) -> bool {
        match self.until {
            Until::Version(target) => report.version == target,
            Until::Lsn(target) => report.lsn == target,
            Until::End | Until::Time(_) => false,
        }
    }

    fn is_beyond(&self, archived: &Archived<'_>) -> bool {
        let group = &archived.group;
        match self.until {
            Until::End => false,
            Until::Version(target) => group.version > target,
            Until::Lsn(target) => group.end.lsn > target,
            Until::Time(target) => group.time > target,
        }
    }

    /// `end` is how far the archive was read, and whether there is more, all of it beyond the target.
    fn check_reached(
        &self,
        (end, is_passed): (Reached, bool),
        report: &RestoreReport,
    ) -> Result<(), RestoreError> {
        let lsn = end.position.lsn.max(report.lsn);
        let is_reached = match self.until {
            Until::End | Until::Time(_) => true,
            Until::Version(target) => report.version == target,
            Until::Lsn(target) => is_passed || lsn >= target,
        };
        if is_reached {
            return Ok(());
        }
        let (until, version) = (self.until, report.version);
        let why =
            format!("{until:?} is not in the archive, which ends at version {version}, LSN {lsn}");
        Err(RestoreError::Target(why))
    }
}

/// Opens the files and checks that each is whole and continues the one before it.
fn open_chain(files: &[BackupFile]) -> Result<Vec<Source>, RestoreError> {
    let mut sources: Vec<Source> = Vec::new();
    for backup in files {
        let refuse = |why: String| {
            let file = backup.name.clone();
            Err(RestoreError::Backup { file, why })
        };
        let source = match Source::open(backup) {
            Ok(source) => source,
            Err(why) => return refuse(why),
        };
        match (sources.last(), &source.header.base) {
            (None, None) => {}
            (None, Some(_)) => {
                return refuse("it is incremental, and its base is not named".to_owned());
            }
            (Some(_), None) => return refuse("it is full, and is not the first".to_owned()),
            (Some(before), Some(base)) => {
                let is_next = before.superblock.digest() == base.digest
                    && before.superblock.version == base.version
                    && before.superblock.geometry == source.superblock.geometry;
                if !is_next {
                    let (id, name) = (base.digest.id, &before.name);
                    return refuse(format!("its base is checkpoint {id}, which {name} is not"));
                }
            }
        }
        source.check_body()?;
        sources.push(source);
    }
    Ok(sources)
}

/// Writes the pages of the last backup's checkpoint as a checkpoint of the new database.
fn fill(
    map: &Map,
    sources: &[Source],
    (version, log_start): (Version, LogPosition),
) -> Result<(), StorageError> {
    let Some(last) = sources.last() else {
        return Ok(());
    };
    let mut checkpoint = map.begin()?;
    let mut image = vec![0; last.superblock.geometry.page_size as usize];
    for wanted in &last.table {
        let (source, entry) = find(sources, *wanted)?;
        source.read_page(entry, &mut image)?;
        let written = PageHeader::read(&image).version;
        checkpoint.write_page(wanted.page, written, &image)?;
    }
    checkpoint.commit(version, log_start)
}

/// The newest file that has the page. It must be the page that the last one's table names.
fn find(sources: &[Source], wanted: BackupEntry) -> Result<(&Source, BackupEntry), StorageError> {
    let mut found = sources.iter().rev().filter_map(|source| {
        let entry = source.entry(wanted.page)?;
        (entry.record != 0).then_some((source, entry))
    });
    let name = sources.last().map_or("", |last| &last.name);
    let missing = |actual: String| {
        let expected = format!("a page of checksum {:#x}", wanted.crc);
        StorageError::corruption(name, 0, Some(wanted.page), expected, actual)
    };
    match found.next() {
        Some((source, entry)) if entry.crc == wanted.crc => Ok((source, entry)),
        Some((source, entry)) => Err(missing(format!("{:#x} in {}", entry.crc, source.name))),
        None => Err(missing(
            "none in this backup and those before it".to_owned(),
        )),
    }
}
