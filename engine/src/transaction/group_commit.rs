//! What the leader of a commit group does.
//!
//! Order (R8): validate and apply to private pages, member by member (may fail: nothing has happened), append (may fail
//! before its first byte: nothing has happened), write or sync as the most demanding member asks, publish, acknowledge. A
//! failed write or sync poisons the database and leaves the group's outcome unknown.
//!
//! A member whose changes cannot be applied spoils the private pages. The group then begins again without it, and all
//! others are judged anew: what it would have written conflicts with nobody.

use std::sync::atomic::Ordering::Relaxed;

use tracing::{debug_span, warn};

use crate::catalog::Applier;
use crate::disk_format::commit_group::Encoder;
use crate::engine::{Engine, SessionLog, Writer};
use crate::error::{CommitError, StorageError};
use crate::ids::Version;
use crate::options::{Durability, Limits};
use crate::page_store::Group;
use crate::sync::{Moment, now};
use crate::telemetry::{self, GroupOutcome, GroupTimes};
use crate::wal::Wal;

use super::commit_queue::{CommitResult, Member};
use super::conflicts::{Conflicts, Written};
use super::report::CommitReport;
use super::validation::{Audience, Earlier, Judge};

/// What a group's encoding takes beside its keys and values, about.
const ENCODED_SLACK: u64 = 64;

/// Commits `members` as one group; returns a result for each.
pub fn write_group(
    engine: &Engine,
    members: &[Member],
    conflicts: &mut Conflicts,
) -> Vec<CommitResult> {
    let mut guard = engine.writer();
    if let Some(cause) = engine.poisoned() {
        let refuse = |_| Err(CommitError::Poisoned(cause.clone()));
        let results: Vec<_> = members.iter().map(refuse).collect();
        count(engine, &results);
        return results;
    }
    let _span = debug_span!("commit_group", members = members.len()).entered();
    let began = now();
    let writer = &mut *guard;
    let mut verdicts: Vec<Verdict> = members.iter().map(|_| Ok(())).collect();
    let outcome = write_accepted(engine, writer, members, &mut verdicts, conflicts);
    engine.note_gauges(writer);
    let outcome = outcome.map(|done| {
        match done.written {
            Some(written) => {
                let oldest = engine.store.snapshots().advance_floor();
                conflicts.record(done.version, written, oldest);
            }
            None => conflicts.record_unseen(done.version),
        }
        let times = done.steps.map(|steps| steps.since(began));
        CommitReport::of_group(done.version, members.len(), times.unwrap_or_default())
    });
    let report = |(verdict, member): (Verdict, &Member)| {
        let mut report = verdict.and(outcome.clone())?;
        report.queue = member.arrived.until(began);
        Ok(report)
    };
    let results: Vec<_> = verdicts.into_iter().zip(members).map(report).collect();
    drop(guard);
    count(engine, &results);
    results
}

fn count(engine: &Engine, results: &[CommitResult]) {
    let mut outcome = GroupOutcome::default();
    let mut written = None;
    for result in results {
        let count = match result {
            Ok(report) => {
                telemetry::queued(report.queue);
                written = Some(report);
                &mut outcome.committed
            }
            Err(CommitError::Conflict(_)) => &mut outcome.conflicts,
            Err(error) => {
                warn!(%error, "not committed");
                &mut outcome.failures
            }
        };
        *count = count.saturating_add(1);
    }
    let counters = &engine.counters;
    counters.commits.fetch_add(outcome.committed, Relaxed);
    counters.conflicts.fetch_add(outcome.conflicts, Relaxed);
    telemetry::group(outcome, written.map(CommitReport::times));
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

/// A group that is over.
struct Done {
    version: Version,
    /// None if nobody will ask.
    written: Option<Written>,
    /// None if nothing was written.
    steps: Option<Steps>,
}

/// When a group was done with each of its steps.
#[derive(Clone, Copy)]
struct Steps {
    prepared: Moment,
    appended: Moment,
    synced: Moment,
    published: Moment,
}

impl Steps {
    fn since(self, began: Moment) -> GroupTimes {
        GroupTimes {
            prepare: began.until(self.prepared),
            append: self.prepared.until(self.appended),
            sync: self.appended.until(self.synced),
            publish: self.synced.until(self.published),
        }
    }
}

/// What the group wrote, or what became of it.
fn write_accepted(
    engine: &Engine,
    writer: &mut Writer,
    members: &[Member],
    verdicts: &mut [Verdict],
    conflicts: &Conflicts,
) -> Result<Done, CommitError> {
    let Writer { pages, log } = writer;
    let SessionLog::Open(wal) = log else {
        return Err(CommitError::ReadOnly);
    };
    let limits = &engine.options.limits;
    // By members whose changes cannot be applied.
    let mut refused: Vec<Verdict> = members.iter().map(|_| Ok(())).collect();
    // Of those who begin from here on none conflicts that `Conflicts::record_unseen` does not tell.
    let is_watched = members.len() > 1 || engine.store.snapshots().held().0 > 1;
    loop {
        let mut group = pages.begin(&engine.store);
        verdicts.clone_from_slice(&refused);
        let watched = (conflicts, is_watched);
        let applied = apply(&mut group, limits, members, verdicts, watched);
        match applied {
            Ok(_) if verdicts.iter().all(Result::is_err) => {
                return Ok(Done {
                    version: engine.store.snapshots().published(),
                    written: Some(Written::default()),
                    steps: None,
                });
            }
            Ok(written) => {
                let version = group.next_version();
                let prepared = now();
                let appended = log_group(engine, wal, version, members, verdicts)?;
                let synced = now();
                group.publish(version);
                engine.counters.groups.fetch_add(1, Relaxed);
                let steps = Some(Steps {
                    prepared,
                    appended,
                    synced,
                    published: now(),
                });
                return Ok(Done {
                    version,
                    written: is_watched.then_some(written),
                    steps,
                });
            }
            Err((index, error)) => {
                if let Some(verdict) = refused.get_mut(index) {
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

/// Judges and applies one member after the other. An error names the member that spoiled the pages.
fn apply(
    group: &mut Group<'_>,
    limits: &Limits,
    members: &[Member],
    verdicts: &mut [Verdict],
    (conflicts, is_watched): (&Conflicts, bool),
) -> Result<Written, (usize, StorageError)> {
    let mut applier = Applier::new(limits.freed_pages);
    let mut earlier = Earlier::default();
    for (index, (member, verdict)) in members.iter().zip(verdicts).enumerate() {
        if verdict.is_ok() {
            let judge = Judge {
                conflicts,
                earlier: &earlier,
                group,
                member,
            };
            *verdict = judge.judge(&mut applier);
        }
        if verdict.is_ok() {
            applier.may_free(limits.freed_pages);
            group.begin_member(limits.commit_share());
            let is_last = index.saturating_add(1) == members.len();
            let audience = match (is_watched, is_last) {
                (false, _) => Audience::None,
                (true, false) => Audience::Group,
                (true, true) => Audience::Later,
            };
            let asked = (conflicts, audience);
            applier
                .apply_all(group, member.writes.operations())
                .and_then(|()| earlier.note(member, &mut applier, group, asked))
                .map_err(|error| (index, error))?;
        }
    }
    Ok(earlier.into_written())
}

/// Makes the group as durable as it asks for; returns when it was in the log's buffer.
fn log_group(
    engine: &Engine,
    wal: &mut Wal,
    version: Version,
    members: &[Member],
    verdicts: &[Verdict],
) -> Result<Moment, CommitError> {
    let bytes = accepted(members, verdicts).map(|member| member.writes.bytes());
    let room = bytes.fold(ENCODED_SLACK, u64::saturating_add);
    let room = usize::try_from(room.saturating_add(room / 16)).unwrap_or(0);
    let mut encoder = Encoder::new(version)
        .at(engine.commit_time())
        .with_room_for(room);
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
    let appended = now();
    let written = match durability {
        Durability::None => Ok(()),
        Durability::Buffered => wal.flush(),
        Durability::Sync => {
            engine.counters.log_syncs.fetch_add(1, Relaxed);
            wal.sync()
        }
    };
    written.map_err(|error| CommitError::Unknown(engine.poison(error)))?;
    Ok(appended)
}
