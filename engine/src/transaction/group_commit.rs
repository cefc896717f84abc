//! What the leader of a commit group does.
//!
//! Order (R8): validate and apply to private pages, member by member (may fail: nothing has happened), append (may fail
//! before its first byte: nothing has happened), write or sync as the most demanding member asks, publish, acknowledge. A
//! failed write or sync poisons the database and leaves the group's outcome unknown.
//!
//! A member whose changes cannot be applied spoils the private pages. The group then begins again without it, and all
//! others are judged anew: what it would have written conflicts with nobody.

use std::sync::atomic::Ordering::Relaxed;

use smallvec::SmallVec;
use tracing::{debug_span, warn};

use crate::catalog::Applier;
use crate::disk_format::commit_group::{Action, Encoder, EncoderMemory, Operation};
use crate::engine::{Engine, SessionLog, Writer};
use crate::error::{CommitError, StorageError};
use crate::ids::Version;
use crate::options::Durability;
use crate::page_store::Group;
use crate::sync::{Moment, now};
use crate::telemetry::{self, GroupOutcome, GroupTimes};
use crate::wal::{Spare, Wal};

use super::commit_queue::{CommitResult, Member};
use super::conflicts::{Conflicts, Written};
use super::helper::{HELPED_LEN_MIN, Helper};
use super::report::CommitReport;
use super::room;
use super::settled::Settled;
use super::validation::{Audience, Earlier, Judge};

/// What a group's encoding takes beside its keys and values, about.
const ENCODED_SLACK: u64 = 64;

/// What leaders hand on to each other.
#[derive(Debug)]
pub struct Desk {
    conflicts: Conflicts,
    encoding: EncoderMemory,
    helper: Helper,
}

/// One for each member.
pub type Results = SmallVec<[CommitResult; 1]>;
type Verdicts = SmallVec<[Verdict; 1]>;

impl Desk {
    /// The desk of a database whose `conflicts` are known.
    pub fn new(conflicts: Conflicts) -> Self {
        Self {
            conflicts,
            encoding: EncoderMemory::default(),
            helper: Helper::default(),
        }
    }
}

/// Commits `members` as one group; returns a result for each. Where the disk has no room a checkpoint may make some; then each
/// is a group by itself, so that none is refused for the sake of another.
pub fn write_group(engine: &Engine, members: &[Member], desk: &mut Desk) -> Results {
    let clock = Clock::of(members);
    let mut results = write_once(engine, (members, clock), desk, Spare::Session);
    if room::is_refused_for_space(&results) {
        let alone = members.chunks(1);
        results = alone
            .flat_map(|member| write_in_little_room(engine, (member, clock), desk))
            .collect();
    }
    count(engine, &results, clock);
    results
}

/// Once the log has been emptied its last free segment may be taken, if there is no other: the next checkpoint frees another.
fn write_in_little_room(engine: &Engine, member: (&[Member], Clock), desk: &mut Desk) -> Results {
    room::make(engine);
    let results = write_once(engine, member, desk, Spare::IfAny);
    room::renew_spare(engine);
    results
}

fn write_once(
    engine: &Engine,
    (members, clock): (&[Member], Clock),
    desk: &mut Desk,
    spare: Spare,
) -> Results {
    let mut guard = engine.writer_for_group();
    if let Some(cause) = engine.poisoned() {
        let refuse = |_| Err(CommitError::Poisoned(cause.clone()));
        return members.iter().map(refuse).collect();
    }
    let _span = debug_span!("commit_group", members = members.len()).entered();
    let began = clock.now();
    let writer = &mut *guard;
    let mut verdicts: Verdicts = members.iter().map(|_| Ok(())).collect();
    let outcome = write_accepted(
        (engine, spare),
        writer,
        (members, clock),
        &mut verdicts,
        desk,
    );
    engine.note_gauges(writer);
    let outcome = outcome.map(|done| {
        match done.written {
            Some(written) => {
                let oldest = engine.store.snapshots().advance_floor();
                desk.conflicts.record(done.version, written, oldest);
            }
            None => desk.conflicts.record_unseen(done.version),
        }
        let times = done.steps.map(|steps| steps.since(began));
        CommitReport::of_group(done.version, members.len(), times.unwrap_or_default())
    });
    let report = |(verdict, member): (Verdict, &Member)| {
        verdict?;
        let mut report = outcome.clone()?;
        report.queue = member.arrived.unwrap_or(began).until(began);
        Ok(report)
    };
    verdicts.into_iter().zip(members).map(report).collect()
}

/// Whether anybody asks how long a group takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Stopped,
    Running,
}

impl Clock {
    /// It runs for members that say when they came.
    fn of(members: &[Member]) -> Self {
        if members.iter().any(|member| member.arrived.is_some()) {
            Self::Running
        } else {
            Self::Stopped
        }
    }

    fn now(self) -> Moment {
        match self {
            Self::Stopped => Moment::UNKNOWN,
            Self::Running => now(),
        }
    }
}

fn count(engine: &Engine, results: &[CommitResult], clock: Clock) {
    let mut outcome = GroupOutcome::default();
    let mut written = None;
    for result in results {
        let count = match result {
            Ok(report) => {
                if clock == Clock::Running {
                    telemetry::queued(report.queue);
                }
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
    if outcome.conflicts > 0 {
        counters.conflicts.fetch_add(outcome.conflicts, Relaxed);
    }
    let times = written.filter(|_| clock == Clock::Running);
    telemetry::group(outcome, times.map(CommitReport::times), written.is_some());
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
    (engine, spare): (&Engine, Spare),
    writer: &mut Writer,
    (members, clock): (&[Member], Clock),
    verdicts: &mut [Verdict],
    desk: &mut Desk,
) -> Result<Done, CommitError> {
    let Writer { pages, log } = writer;
    let SessionLog::Open(wal) = log else {
        return Err(CommitError::ReadOnly);
    };
    // Members whose changes cannot be applied, and why.
    let mut refused: Vec<(usize, Verdict)> = Vec::new();
    // Of those who begin from here on none conflicts that `Conflicts::record_unseen` does not tell.
    let is_watched = members.len() > 1 || engine.store.snapshots().held().0 > 1;
    loop {
        let mut group = pages.begin(&engine.store);
        for (index, refusal) in &refused {
            if let Some(verdict) = verdicts.get_mut(*index) {
                verdict.clone_from(refusal);
            }
        }
        let watched = (&desk.conflicts, is_watched);
        let parts = (&mut group, &mut desk.helper);
        let applied = apply(engine, parts, members, verdicts, watched);
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
                let prepared = clock.now();
                let accepted = || accepted(members, verdicts);
                failpoint!("commit.applied");
                let parts = (&mut group, &mut *wal);
                room::reserve(engine, parts, || room::take_away(accepted()))?;
                failpoint!("commit.reserved");
                encode(engine, version, accepted, &mut desk.encoding);
                let durability = accepted().map(|member| member.durability).max();
                let payload = desk.encoding.payload();
                let log = (wal, spare);
                let appended = log_group(engine, log, payload, (durability, clock))?;
                let synced = clock.now();
                desk.encoding.empty();
                group.publish(version);
                failpoint!("commit.published");
                engine.counters.groups.fetch_add(1, Relaxed);
                let steps = Some(Steps {
                    prepared,
                    appended,
                    synced,
                    published: clock.now(),
                });
                return Ok(Done {
                    version,
                    written,
                    steps,
                });
            }
            Err((index, error)) => {
                verdicts.fill(Ok(()));
                refused.push((index, Err(refusal(error))));
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
    engine: &Engine,
    (group, helper): (&mut Group<'_>, &mut Helper),
    members: &[Member],
    verdicts: &mut [Verdict],
    (conflicts, is_watched): (&Conflicts, bool),
) -> Result<Option<Written>, (usize, StorageError)> {
    let (limits, roots) = (&engine.options.limits, &engine.roots);
    let mut applier = Applier::new(limits.freed_pages).knowing(roots, group.tables_as_of());
    let mut earlier = Earlier::default();
    for (index, (member, verdict)) in members.iter().zip(verdicts).enumerate() {
        if verdict.is_ok() {
            let judge = Judge {
                conflicts,
                earlier: &earlier,
                group,
                roots,
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
            apply_member((engine, helper), &mut applier, group, member)
                .and_then(|()| earlier.note(member, &mut applier, group, asked))
                .map_err(|error| (index, error))?;
        }
    }
    Ok(is_watched.then(|| earlier.into_written()))
}

/// Makes a member's changes, in the order of `WriteSet::operations`.
fn apply_member(
    (engine, helper): (&Engine, &mut Helper),
    applier: &mut Applier<'_>,
    group: &mut Group<'_>,
    member: &Member,
) -> Result<(), StorageError> {
    if let Some((table, write)) = member.writes.sole() {
        // The way was found in what its snapshot shows: it is good if that is what there is.
        let is_good = member.view.version() == group.base() && group.is_untouched();
        let foreseen = member.foreseen.as_ref().filter(|_| is_good);
        return applier.apply_write(group, table, write, foreseen);
    }
    let member = &member.writes;
    for change in member.changes() {
        applier.apply(group, change)?;
    }
    for (table, writes) in member.tables() {
        for action in writes.actions_before() {
            applier.apply(group, Operation { table, action })?;
        }
        let mut done = 0;
        if let Settled::Large(set) = member
            && writes.writes.len_bound() >= HELPED_LEN_MIN
            && let Some(tree) = applier.tree(group, table)?
        {
            done = helper.apply(engine, group, tree, (set, table, &writes.writes))?;
        }
        let mut rest = writes.writes.iter().skip(done).peekable();
        if rest.peek().is_some() {
            applier.apply_writes(group, table, rest)?;
        }
    }
    Ok(())
}

/// Writes what the group's members do into `memory`.
fn encode<'m, I: Iterator<Item = &'m Member>>(
    engine: &Engine,
    version: Version,
    accepted: impl Fn() -> I,
    memory: &mut EncoderMemory,
) {
    let bytes = accepted().map(|member| member.writes.bytes());
    let room = bytes.fold(ENCODED_SLACK, u64::saturating_add);
    let room = usize::try_from(room.saturating_add(room / 16)).unwrap_or(0);
    let mut encoder = Encoder::new(version)
        .at(engine.commit_time())
        .within(std::mem::take(memory))
        .with_room_for(room);
    for member in accepted() {
        if let Some((table, write)) = member.writes.sole() {
            let action = Action::of(write);
            encoder.push(Operation { table, action });
        } else {
            let operations = member.writes.operations();
            operations.for_each(|operation| encoder.push(operation));
        }
    }
    *memory = encoder.finish_within();
}

/// Makes the group as durable as it asks for; returns when it was in the log's buffer.
fn log_group(
    engine: &Engine,
    (wal, spare): (&mut Wal, Spare),
    payload: &[u8],
    (durability, clock): (Option<Durability>, Clock),
) -> Result<Moment, CommitError> {
    if let Err(error) = wal.append_leaving(payload, spare) {
        if wal.is_poisoned() {
            return Err(CommitError::Unknown(engine.poison(error)));
        }
        return Err(refusal(error));
    }
    let appended = clock.now();
    let written = match durability {
        None | Some(Durability::None) => Ok(()),
        Some(Durability::Buffered) => wal.flush(),
        Some(Durability::Sync) => {
            engine.counters.log_syncs.fetch_add(1, Relaxed);
            wal.sync()
        }
    };
    written.map_err(|error| CommitError::Unknown(engine.poison(error)))?;
    failpoint!("commit.logged");
    Ok(appended)
}
