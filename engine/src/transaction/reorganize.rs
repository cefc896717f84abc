//! Changes of pages that change no row: they are published as a commit group without operations.
//!
//! The log has the group's version and nothing else: redo is logical, so a replay gives the same rows on other pages. If the
//! group is lost in a crash nothing is.

use crate::disk_format::commit_group::Encoder;
use crate::engine::{Engine, SessionLog, Writer};
use crate::error::{CommitError, StorageError};
use crate::ids::Version;
use crate::page_store::Group;
use crate::wal::Spare;

use super::room;

/// What was done to a group's pages.
#[derive(Debug)]
pub enum Reorganized<T> {
    /// Nothing: the group is dropped.
    Unchanged(T),
    /// Something: the group is published.
    Changed(T),
}

/// Changes pages as one commit group.
pub fn reorganize<T>(
    engine: &Engine,
    change: impl FnOnce(&mut Group<'_>) -> Result<Reorganized<T>, StorageError>,
) -> Result<T, CommitError> {
    let mut guard = engine.writer();
    if let Some(cause) = engine.poisoned() {
        return Err(CommitError::Poisoned(cause));
    }
    let Writer { pages, log } = &mut *guard;
    let SessionLog::Open(wal) = log else {
        return Err(CommitError::ReadOnly);
    };
    let mut group = pages.begin(&engine.store);
    let result = match change(&mut group).map_err(CommitError::Refused)? {
        Reorganized::Unchanged(result) => return Ok(result),
        Reorganized::Changed(result) => result,
    };
    room::reserve(engine, (&mut group, wal), || true)?;
    let version = Version(group.base().get().saturating_add(1));
    let payload = Encoder::new(version).at(engine.commit_time()).finish();
    if let Err(error) = wal.append_leaving(&payload, Spare::Session) {
        if wal.is_poisoned() {
            return Err(CommitError::Poisoned(engine.poison(error)));
        }
        return Err(CommitError::Full(error));
    }
    group.publish(version);
    engine.note_gauges(&guard);
    Ok(result)
}
