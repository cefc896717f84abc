//! The log on top of the rows: as far as it is sound and without a gap.

use crate::disk::Disk;
use crate::disk_format::Superblock;
use crate::disk_format::commit_group::{Action, CommitGroup, Operation};
use crate::error::{OpenError, StorageError};
use crate::ids::{LogPosition, Version};
use crate::recovery_report::Damage;
use crate::wal::{self, Group, WalConfig};

use super::output::{Output, Trust};
use super::report::SalvageError;

/// A replay under way.
pub(super) struct Replay<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) output: &'a mut Output,
    pub(super) trust: Trust,
    /// The last version that is in the rows.
    pub(super) version: Version,
    pub(super) groups: u64,
    pub(super) lost: Vec<Damage>,
}

impl Replay<'_> {
    /// Replays the log behind a checkpoint that is known.
    pub(super) fn behind(&mut self, superblock: &Superblock) -> Result<(), SalvageError> {
        let config = WalConfig {
            segment_len: superblock.geometry.segment_len,
            salt: superblock.geometry.salt,
        };
        let read = self.from(&config, superblock.log_start)?;
        match read {
            Ok(()) => {}
            Err(StorageError::Unsupported(format)) => {
                let unknown = OpenError::Unsupported {
                    found: format.found,
                    supported: format.supported,
                };
                return Err(SalvageError::Source(unknown));
            }
            Err(error) => self.lost.push(log_damage(&error)),
        }
        Ok(())
    }

    /// Replays what log there is, where no checkpoint is known. What it holds is set once more where the pages have it
    /// already; and over a gap it goes on.
    ///
    /// Segments that a checkpoint gave up may still be there, and those after them not: what such a piece of the log says was overwritten
    /// by commits that only the pages have. So of a piece that does not go on to the log's end only those groups count that are
    /// newer than every page.
    pub(super) fn any(&mut self) -> Result<(), SalvageError> {
        let newest_page = std::mem::replace(&mut self.version, Version(0));
        for config in wal::configs(self.disk) {
            let starts = wal::starts(self.disk, &config).unwrap_or_default();
            let pieces = starts.into_iter().map(|start| {
                let last = last_version(self.disk, &config, start);
                (start, last)
            });
            let pieces: Vec<_> = pieces.collect();
            let end = pieces.iter().map(|(_, last)| *last).max();
            for (start, last) in pieces {
                let applied = self.version;
                let known = if Some(last) < end {
                    applied.max(newest_page)
                } else {
                    applied
                };
                self.version = known;
                // An end that is not sound is nothing new here: all of it is in doubt.
                drop(self.from(&config, start)?);
                if self.version == known {
                    self.version = applied;
                }
            }
        }
        Ok(())
    }

    /// Replays from a position. The inner error is the log's, the outer one the new database's.
    fn from(
        &mut self,
        config: &WalConfig,
        start: LogPosition,
    ) -> Result<Result<(), StorageError>, SalvageError> {
        let mut failure = None;
        let disk = self.disk;
        let read = wal::read_log(disk, config, start, &mut |group| match self.group(&group) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(error) => {
                failure = Some(error);
                Err(StorageError::corruption("wal", 0, None, "", ""))
            }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(read.map(drop)),
        }
    }

    fn group(&mut self, logged: &Group<'_>) -> Result<Result<(), StorageError>, SalvageError> {
        let malformed = |expected: &str, actual: String| {
            StorageError::corruption("wal", logged.end.lsn.get(), None, expected, actual)
        };
        let group = match CommitGroup::decode(logged.payload) {
            Ok(group) => group,
            Err(m) => {
                return Ok(Err(malformed(
                    m.expected,
                    format!("others at {}", m.offset),
                )));
            }
        };
        let version = group.version;
        let next = Version(self.version.get().saturating_add(1));
        if group.version < next {
            return Ok(Ok(()));
        }
        if group.version > next && self.trust == Trust::Certain {
            let actual = format!("version {}", group.version);
            return Ok(Err(malformed(
                &format!("a commit group of version {next}"),
                actual,
            )));
        }
        for operation in group {
            match operation {
                Ok(operation) => self.apply(&operation)?,
                Err(m) => {
                    return Ok(Err(malformed(
                        m.expected,
                        format!("others at {}", m.offset),
                    )));
                }
            }
        }
        self.version = version;
        self.groups = self.groups.saturating_add(1);
        Ok(Ok(()))
    }

    fn apply(&mut self, operation: &Operation<'_>) -> Result<(), SalvageError> {
        let place = (operation.table, self.trust);
        match operation.action {
            Action::Put { key, value } => self.output.put(place, key, value),
            Action::Delete { key } => self.output.delete(place, key),
            Action::Create => self.output.make(place),
            Action::Drop => self.output.remove(place),
            Action::Rename { to } => self.output.rename(place, to),
            Action::DeleteRange { low, high } => self.output.delete_range(place, (low, high)),
        }
    }
}

/// The version of the last group that is read from a position on.
fn last_version(disk: &dyn Disk, config: &WalConfig, start: LogPosition) -> Version {
    let mut last = Version(0);
    // Where it ends, and why, is found once more when it is replayed.
    drop(wal::read_log(disk, config, start, &mut |group| {
        if let Ok(group) = CommitGroup::decode(group.payload) {
            last = last.max(group.version);
        }
        Ok(())
    }));
    last
}

fn log_damage(error: &StorageError) -> Damage {
    let what = "the log ends before its end: what was committed behind this is lost";
    match error {
        StorageError::Corruption(place) => Damage {
            file: place.file.clone(),
            offset: place.offset,
            what: format!(
                "{what}: expected {}, found {}",
                place.expected, place.actual
            ),
            ..Damage::default()
        },
        other => Damage {
            file: "wal".to_owned(),
            what: format!("{what}: {other}"),
            ..Damage::default()
        },
    }
}
