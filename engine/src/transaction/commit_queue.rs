//! Group commit: transactions that arrive while a group is being written form the next one.
//!
//! The leader is a caller's own thread: the first to arrive when nobody leads, then the first of each group
//! that formed meanwhile; it is always the group's first member. Followers park, the first of those who ask for no sync after a short wait
//! (`BriefWait`). See `write_group` for what a leader does,
//! and `GroupSize` for whether it waits for more members before.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::btree::Foreseen;
use crate::error::{CommitError, StorageError};
use crate::options::Durability;
use crate::page_store::View;
use crate::sync::{Condvar, Moment, Mutex, MutexGuard, lock, now};

use super::brief_wait::BriefWait;
use super::conflicts::Conflicts;
use super::group_commit::{Desk, Results};
use super::group_size::GroupSize;
use super::read_set::ReadSet;
use super::report::CommitReport;
use super::settled::Settled;
use super::write_set::WriteSet;

/// What a committed transaction learns.
pub type CommitResult = Result<CommitReport, CommitError>;

/// A transaction that wants to commit.
#[derive(Debug)]
pub struct Member {
    /// What it read from.
    pub view: View,
    /// What it writes.
    pub writes: Settled,
    /// What it read, if that is to be validated.
    pub reads: Option<Box<ReadSet>>,
    /// When it may be acknowledged.
    pub durability: Durability,
    /// When it came here, if anybody asks.
    pub arrived: Option<Moment>,
    /// The way to where its only write goes, in what `view` shows.
    pub foreseen: Option<Foreseen>,
    /// None if it leads.
    ticket: Option<Arc<Ticket>>,
}

/// Where a member waits for its turn or its result.
#[derive(Debug, Default)]
struct Ticket {
    state: Mutex<TicketState>,
    changed: Condvar,
    /// Whether there is a turn. Set once, after it.
    is_set: AtomicBool,
}

#[derive(Debug, Default)]
struct TicketState {
    turn: Turn,
    is_parked: bool,
}

#[derive(Debug, Default)]
enum Turn {
    #[default]
    Wait,
    Lead,
    Done(CommitResult),
}

/// The transactions waiting to commit.
#[derive(Debug)]
pub struct CommitQueue {
    waiting: Mutex<Waiting>,
    /// How many wait.
    gathered: AtomicUsize,
    brief: BriefWait,
    leader: Mutex<Leader>,
}

#[derive(Debug, Default)]
struct Waiting {
    members: Vec<Member>,
    led: bool,
    /// The leader came when nobody led: it has not joined the others.
    is_leader_apart: bool,
}

impl Waiting {
    fn count(&self) -> usize {
        let others = self.members.len();
        others.saturating_add(usize::from(self.is_leader_apart))
    }
}

/// What only the leader touches.
#[derive(Debug)]
struct Leader {
    desk: Desk,
    size: GroupSize,
}

impl Member {
    /// A member that nobody waits for yet.
    pub fn new(
        view: View,
        writes: Box<WriteSet>,
        reads: Option<Box<ReadSet>>,
        durability: Durability,
    ) -> Self {
        Self {
            view,
            writes: Settled::of(writes),
            reads,
            durability,
            arrived: None,
            foreseen: None,
            ticket: None,
        }
    }

    /// Asks how long its commit takes, from now on.
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.arrived = Some(now());
        self
    }
}

impl CommitQueue {
    /// An empty queue. Snapshots below the conflict index's floor conflict. A leader waits for more members no longer than `group_wait`.
    pub fn new(conflicts: Conflicts, group_wait: Duration) -> Self {
        let (desk, size) = (Desk::new(conflicts), GroupSize::new(group_wait));
        Self {
            waiting: Mutex::default(),
            gathered: AtomicUsize::new(0),
            brief: BriefWait::default(),
            leader: Mutex::new(Leader { desk, size }),
        }
    }

    /// Commits, in a group led by this thread or another. `write_group` returns one result a member.
    pub fn commit(
        &self,
        mut member: Member,
        write_group: impl Fn(&[Member], &mut Desk) -> Results,
    ) -> CommitResult {
        let is_slow = member.durability == Durability::Sync;
        let (ticket, apart, is_first) = {
            let mut waiting = lock(&self.waiting);
            let joined = if std::mem::replace(&mut waiting.led, true) {
                let ticket: Arc<Ticket> = Arc::default();
                member.ticket = Some(Arc::clone(&ticket));
                waiting.members.push(member);
                (Some(ticket), None, waiting.members.len() == 1)
            } else {
                waiting.is_leader_apart = true;
                (None, Some(member), true)
            };
            self.gathered.store(waiting.count(), Relaxed);
            joined
        };
        let brief = (is_first && !is_slow).then_some(&self.brief);
        let has_waited = match ticket.map(|ticket| ticket.wait(brief)) {
            Some(Turn::Done(result)) => return result,
            Some(Turn::Wait | Turn::Lead) => true,
            None => false,
        };
        let led = LedGroup {
            queue: self,
            followers: Vec::new(),
            is_led: true,
        };
        let mut leader = lock(&self.leader);
        if is_slow {
            leader.size.gather(&self.gathered, has_waited);
        }
        led.write(leader, apart, &write_group)
    }
}

/// A group and its leadership: both end when this is dropped, also by a panic.
struct LedGroup<'q> {
    queue: &'q CommitQueue,
    followers: Vec<Arc<Ticket>>,
    is_led: bool,
}

impl LedGroup<'_> {
    fn write(
        mut self,
        mut leader: MutexGuard<'_, Leader>,
        apart: Option<Member>,
        write_group: &impl Fn(&[Member], &mut Desk) -> Results,
    ) -> CommitResult {
        let members: SmallVec<[Member; 1]> = {
            let mut waiting = lock(&self.queue.waiting);
            waiting.is_leader_apart = false;
            self.queue.gathered.store(0, Relaxed);
            apart.into_iter().chain(waiting.members.drain(..)).collect()
        };
        let others = members.iter().skip(1);
        self.followers = others.filter_map(|member| member.ticket.clone()).collect();
        leader.size.note(members.len());
        let mut results = write_group(&members, &mut leader.desk).into_iter();
        drop(leader);
        // Their snapshots end before they know: a transaction that is over counts against no limit.
        drop(members);
        let own = results.next();
        // The next group is written while the members of this one wake up.
        self.hand_over();
        for (ticket, result) in self.followers.iter().zip(results) {
            ticket.set(Turn::Done(result));
        }
        self.followers.clear();
        own.unwrap_or_else(|| Err(CommitError::Unknown(panicked())))
    }

    fn hand_over(&mut self) {
        if !std::mem::replace(&mut self.is_led, false) {
            return;
        }
        let next = {
            let mut waiting = lock(&self.queue.waiting);
            let next = waiting.members.first();
            let next = next.and_then(|member| member.ticket.clone());
            waiting.led = next.is_some();
            next
        };
        if let Some(next) = next {
            next.set(Turn::Lead);
        }
    }
}

impl Drop for LedGroup<'_> {
    fn drop(&mut self) {
        for ticket in &self.followers {
            ticket.fail(|| CommitError::Unknown(panicked()));
        }
        self.hand_over();
    }
}

fn panicked() -> StorageError {
    StorageError::io(
        "commit",
        "the log",
        std::io::Error::other("the group's leader panicked"),
    )
}

impl Ticket {
    fn set(&self, turn: Turn) {
        self.finish(|state| *state = turn);
    }

    fn fail(&self, error: impl FnOnce() -> CommitError) {
        self.finish(|turn| {
            if matches!(*turn, Turn::Wait | Turn::Lead) {
                *turn = Turn::Done(Err(error()));
            }
        });
    }

    fn finish(&self, change: impl FnOnce(&mut Turn)) {
        let is_parked = {
            let mut state = lock(&self.state);
            change(&mut state.turn);
            state.is_parked
        };
        self.is_set.store(true, Release);
        if is_parked {
            self.changed.notify_one();
        }
    }

    fn wait(&self, brief: Option<&BriefWait>) -> Turn {
        if let Some(brief) = brief {
            brief.wait_for(|| self.is_set.load(Acquire));
        }
        let mut state = lock(&self.state);
        while matches!(state.turn, Turn::Wait) {
            state.is_parked = true;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut state.turn)
    }
}
