//! What the leader of a commit group does.
//!
//! Order (R8): validate, apply to private pages (may fail: nothing has happened), append (may fail
//! before its first byte: nothing has happened), write or sync as the most demanding member asks, publish, acknowledge. A
//! failed write or sync poisons the database and leaves the group's outcome unknown.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;

use crate::catalog::Applier;
use crate::disk_format::commit_group::Encoder;
use crate::engine::{Engine, SessionLog, Writer};
use crate::error::{CommitError, StorageError};
use crate::ids::Version;
use crate::options::Durability;
use crate::page_store::Group;
use crate::wal::Wal;

use super::commit_queue::{CommitResult, Member};
use super::conflicts::{Conflicts, KeyHash};

/// Commits `members` as one group; returns a result for each.
pub fn write_group(
    engine: &Engine,
    members: &[Member],
    conflicts: &mut Conflicts,
) -> Vec<CommitResult> {
    let mut guard = engine.writer();
    if let Some(cause) = engine.poisoned() {
        return members
            .iter()
            .map(|_| Err(CommitError::Poisoned(cause.clone())))
            .collect();
    }
    let writer = &mut *guard;
    let mut verdicts = validate(members, conflicts);
    let outcome = write_accepted(engine, writer, members, &mut verdicts);
    engine.note_gauges(writer);
    if let Ok(version) = outcome {
        let written: Vec<KeyHash> = accepted(members, &verdicts)
            .flat_map(|member| member.writes.key_hashes())
            .collect();
        let oldest = engine.store.snapshots().advance_floor();
        conflicts.record(version, written, oldest);
    }
    let results: Vec<_> = verdicts
        .into_iter()
        .map(|v| v.and(outcome.clone()))
        .collect();
    let committed = results.iter().filter(|result| result.is_ok()).count() as u64;
    engine.counters.commits.fetch_add(committed, Relaxed);
    results
}

type Verdict = Result<(), CommitError>;

fn accepted<'m>(
    members: &'m [Member],
    verdicts: &'m [Verdict],
) -> impl Iterator<Item = &'m Member> {
    members
        .iter()
        .zip(verdicts)
        .filter(|(_, verdict)| verdict.is_ok())
        .map(|(member, _)| member)
}

/// First committer wins: against earlier groups, and against earlier members of this one.
fn validate(members: &[Member], conflicts: &Conflicts) -> Vec<Verdict> {
    let mut in_group = HashSet::new();
    let mut verdict = |member: &Member| {
        let before = conflicts.find(member.view.version(), member.writes.key_hashes());
        let within = || {
            member
                .writes
                .key_hashes()
                .position(|key| in_group.contains(&key))
        };
        if let Some(position) = before.or_else(within) {
            return Err(conflict(member, position));
        }
        if members.len() > 1 {
            in_group.extend(member.writes.key_hashes());
        }
        Ok(())
    };
    members.iter().map(&mut verdict).collect()
}

fn conflict(member: &Member, position: usize) -> CommitError {
    let found = member.writes.keys().nth(position);
    let (table, key) = found.map_or_else(Default::default, |(table, key)| {
        (table.to_owned(), key.to_vec())
    });
    CommitError::Conflict { table, key }
}

/// The version of the group, or what became of it.
fn write_accepted(
    engine: &Engine,
    writer: &mut Writer,
    members: &[Member],
    verdicts: &mut [Verdict],
) -> CommitResult {
    let refused = verdicts.iter().filter(|verdict| verdict.is_err()).count() as u64;
    engine.counters.conflicts.fetch_add(refused, Relaxed);
    let Writer { pages, log } = writer;
    let SessionLog::Open(wal) = log else {
        return Err(CommitError::ReadOnly);
    };
    loop {
        if verdicts.iter().all(Result::is_err) {
            return Ok(engine.store.snapshots().published());
        }
        let mut group = pages.begin(&engine.store);
        match apply(
            &mut group,
            engine.options.limits.freed_pages,
            members,
            verdicts,
        ) {
            Ok(()) => {
                let version = Version(group.base().get().saturating_add(1));
                log_group(engine, wal, version, members, verdicts)?;
                group.publish(version);
                engine.counters.groups.fetch_add(1, Relaxed);
                return Ok(version);
            }
            // The private pages are spoiled: without this member, once more.
            Err((index, error)) => {
                if let Some(verdict) = verdicts.get_mut(index) {
                    *verdict = Err(refusal(error));
                }
            }
        }
    }
}

fn refusal(error: StorageError) -> CommitError {
    if error.is_full() {
        CommitError::Full(error)
    } else {
        CommitError::Refused(error)
    }
}

fn apply(
    group: &mut Group<'_>,
    freed_pages_max: u64,
    members: &[Member],
    verdicts: &[Verdict],
) -> Result<(), (usize, StorageError)> {
    let mut applier = Applier::new(freed_pages_max);
    for (index, member) in members.iter().enumerate() {
        if verdicts.get(index).is_some_and(Result::is_ok) {
            for operation in member.writes.operations() {
                applier
                    .apply(group, operation)
                    .map_err(|error| (index, error))?;
            }
        }
    }
    Ok(())
}

fn log_group(
    engine: &Engine,
    wal: &mut Wal,
    version: Version,
    members: &[Member],
    verdicts: &[Verdict],
) -> Result<(), CommitError> {
    let mut encoder = Encoder::new(version).at(engine.commit_time());
    let mut durability = Durability::None;
    for member in accepted(members, verdicts) {
        member
            .writes
            .operations()
            .for_each(|operation| encoder.push(operation));
        durability = durability.max(member.durability);
    }
    if let Err(error) = wal.append(&encoder.finish()) {
        if wal.is_poisoned() {
            return Err(CommitError::Unknown(engine.poison(error)));
        }
        return Err(refusal(error));
    }
    let written = match durability {
        Durability::None => Ok(()),
        Durability::Buffered => wal.flush(),
        Durability::Sync => {
            engine.counters.log_syncs.fetch_add(1, Relaxed);
            wal.sync()
        }
    };
    written.map_err(|error| CommitError::Unknown(engine.poison(error)))
}
