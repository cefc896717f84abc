//! Replaying the log, a group at a time.

use std::sync::atomic::Ordering::Relaxed;

use super::WAL_DIR;
use super::around_damage::{self, Losses};
use crate::catalog::Applier;
use crate::checkpoint;
use crate::disk_format::commit_group::{CommitGroup, Malformed};
use crate::engine::{Engine, SessionLog};
use crate::error::{CheckpointError, StorageError};
use crate::ids::Lsn;
use crate::pages::WritePages;
use crate::recovery_report::{Phase, RecoveryReport};
use crate::wal::{self, Group};

pub(super) fn replay(
    engine: &Engine,
    report: &mut RecoveryReport,
    tell: &dyn Fn(Phase, u64, u64),
) -> Result<Losses, StorageError> {
    let start = engine.map.superblock().log_start;
    let mut losses = Losses::default();
    let mut groups = 0;
    let mut bytes = 0_u64;
    let mut is_full = false;
    let end = wal::read_log(
        engine.disk.as_ref(),
        &engine.wal_config(),
        start,
        &mut |group| {
            groups += 1;
            bytes = bytes.saturating_add(group.payload.len() as u64);
            failpoint!("recovery.group", fails);
            apply(engine, &group, &mut losses)?;
            tell(Phase::Replay, groups, bytes);
            // A checkpoint would free the log of what was not replayed.
            is_full |= !losses.left_out.is_empty();
            make_room(engine, &mut is_full)
        },
    )?;
    (report.groups, report.bytes, report.cut) = (end.groups, end.bytes, end.cut);
    engine.note_replayed(end.position.lsn);
    engine.writer().log = SessionLog::Idle(end);
    Ok(losses)
}

/// A checkpoint in the middle of a replay that would not fit in memory. The log then starts behind the
/// groups that it holds. On a full disk the rest goes into memory all the same: what is too much for the disk
/// can then at least be read.
pub fn make_room(engine: &Engine, is_full: &mut bool) -> Result<(), StorageError> {
    let dirty_bytes = engine.counters.dirty_bytes.load(Relaxed);
    let fits = dirty_bytes <= engine.options.limits.dirty_share();
    if fits || *is_full || engine.options.read_only {
        return Ok(());
    }
    match checkpoint::run(engine) {
        Ok(()) | Err(CheckpointError::ReadOnly) => Ok(()),
        Err(CheckpointError::Full(_)) => {
            *is_full = true;
            Ok(())
        }
        Err(CheckpointError::Poisoned(cause) | CheckpointError::Archive(cause)) => Err(cause),
    }
}

/// Replays one group, around damage.
fn apply(engine: &Engine, logged: &Group<'_>, losses: &mut Losses) -> Result<(), StorageError> {
    let payload = Payload {
        bytes: logged.payload,
        file: WAL_DIR,
        end: logged.end.lsn,
    };
    apply_group(engine, payload, Some(losses))?;
    engine.writer().log = SessionLog::Replaying(logged.end);
    Ok(())
}

/// Applies a commit group, which `file` has, to the pages. It is the next one, or this is corruption.
pub fn apply_payload(
    engine: &Engine,
    payload: &[u8],
    (file, end): (&str, Lsn),
) -> Result<(), StorageError> {
    let bytes = payload;
    apply_group(engine, Payload { bytes, file, end }, None)
}

/// A commit group as logged: its bytes, the file that has it, and where it ends.
#[derive(Clone, Copy)]
pub(super) struct Payload<'a> {
    bytes: &'a [u8],
    file: &'a str,
    end: Lsn,
}

impl<'a> Payload<'a> {
    /// What it says.
    pub(super) fn decode(self) -> Result<CommitGroup<'a>, StorageError> {
        CommitGroup::decode(self.bytes).map_err(|m| self.malformed(m))
    }

    /// The error of bytes that are no group.
    pub(super) fn malformed(self, m: Malformed) -> StorageError {
        let actual = format!("other bytes at offset {} of the group", m.offset);
        StorageError::corruption(self.file, self.end.get(), None, m.expected, actual)
    }
}

/// Applies a group; around damage, if there is something to note it in.
fn apply_group(
    engine: &Engine,
    logged: Payload<'_>,
    losses: Option<&mut Losses>,
) -> Result<(), StorageError> {
    let decoded = logged.decode()?;
    let version = decoded.version;
    engine.note_commit_time(decoded.time);
    let mut writer = engine.writer();
    let base = writer.pages.begin(&engine.store).base();
    let expected = base.get().saturating_add(1);
    if version.get() != expected {
        let expected = format!("a commit group of version {expected}");
        let actual = format!("version {version}");
        return Err(StorageError::corruption(
            logged.file,
            logged.end.get(),
            None,
            expected,
            actual,
        ));
    }
    let mut group = writer.pages.begin(&engine.store);
    match (apply_operations(&mut group, logged), losses) {
        (Ok(()), _) => group.publish(version),
        (Err(StorageError::Corruption(_)), Some(losses)) => {
            drop(group);
            around_damage::apply(&mut writer.pages, &engine.store, logged, losses)?;
        }
        (Err(error), _) => return Err(error),
    }
    engine.note_gauges(&writer);
    Ok(())
}

fn apply_operations(pages: &mut impl WritePages, logged: Payload<'_>) -> Result<(), StorageError> {
    let mut applier = Applier::new(u64::MAX);
    for operation in logged.decode()? {
        let operation = operation.map_err(|m| logged.malformed(m))?;
        applier.apply(pages, operation)?;
    }
    Ok(())
}
