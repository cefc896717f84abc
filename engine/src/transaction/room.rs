//! Room on the disk for what a group commits, taken before it is logged (R12).
//!
//! On a full disk transactions that may add anything are refused; those that only take away go on, in the space that is kept for
//! them and for the checkpoint that gives theirs back. Whoever is refused runs that checkpoint, and tries once more.

use crate::checkpoint;
use crate::disk_format::commit_group::Action;
use crate::engine::{Engine, SessionLog};
use crate::error::{CheckpointError, CommitError, StorageError};
use crate::log_ahead;
use crate::map::{Grant, Map, Need, Purpose};
use crate::page_store::Group;
use crate::wal::Wal;

use super::commit_queue::{CommitResult, Member};
use super::write_set::WriteSet;

/// Sees to it that a checkpoint has room for the group. `takes_away` says whether that is all that it does.
pub fn reserve(
    engine: &Engine,
    (group, wal): (&mut Group<'_>, &mut Wal),
    takes_away: impl FnOnce() -> bool,
) -> Result<(), CommitError> {
    if group.is_covered() {
        return Ok(());
    }
    let purpose = if takes_away() {
        Purpose::TakeAway
    } else {
        group.purpose()
    };
    let need = group.need();
    let granted = match engine.map.reserve_amply(&need) {
        Err(error) if error.is_full() => reserve_least(&engine.map, wal, &need, purpose),
        result => result,
    };
    let grant = granted.map_err(|error| {
        if engine.map.is_poisoned() || wal.is_poisoned() {
            CommitError::Poisoned(engine.poison(error))
        } else if error.is_full() {
            CommitError::Full(error)
        } else {
            CommitError::Refused(error)
        }
    })?;
    group.accept(grant);
    Ok(())
}

/// Where little space is left the log comes first: it needs three segments, so that it can go on in one, and a session after a crash in
/// another.
fn reserve_least(
    map: &Map,
    wal: &mut Wal,
    need: &Need,
    purpose: Purpose,
) -> Result<Grant, StorageError> {
    if purpose != Purpose::TakeAway && !map.has_slots(need, purpose) {
        wal.reserve_next()?;
    }
    map.reserve(need, purpose)
}

/// Whether transactions do nothing but take away.
pub fn take_away<'m>(mut members: impl Iterator<Item = &'m Member>) -> bool {
    members.all(|member| takes_away(&member.writes))
}

fn takes_away(writes: &WriteSet) -> bool {
    writes.operations().all(|operation| {
        matches!(
            operation.action,
            Action::Delete { .. } | Action::DeleteRange { .. } | Action::Drop
        )
    })
}

/// Whether nothing was committed, and want of space is a reason.
pub fn is_refused_for_space(results: &[CommitResult]) -> bool {
    let is_full = |result: &CommitResult| matches!(result, Err(CommitError::Full(_)));
    results.iter().all(Result::is_err) && results.iter().any(is_full)
}

/// Frees what is held for later, or by what is dirty. Nobody is promised anything afterwards.
pub fn make(engine: &Engine) {
    log_ahead::wait(engine);
    match checkpoint::run(engine) {
        Ok(()) => checkpoint::give_back(engine, 2),
        Err(CheckpointError::Full(_)) => {
            // What is free at the ends of the files may be what it lacked.
            checkpoint::give_back(engine, 2);
            drop(checkpoint::run(engine));
        }
        // Whoever comes next is told.
        Err(_) => {}
    }
}

/// Sees to it that the log has a segment to spare, if there is one to be freed.
pub fn renew_spare(engine: &Engine) {
    let lacks = match &engine.writer().log {
        SessionLog::Open(wal) => !wal.has_spare(),
        _ => false,
    };
    if lacks {
        // What was committed stays so whatever comes of this.
        drop(checkpoint::run(engine));
    }
}
