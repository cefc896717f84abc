//! Group commit: transactions that arrive while a group is being written form the next one.
//!
//! The leader is a caller's own thread: the first to arrive when nobody leads, then the first of each group
//! that formed meanwhile. Followers park. See `write_group` for what a leader does.

use std::sync::{Arc, PoisonError};

use crate::error::{CommitError, StorageError};
use crate::options::Durability;
use crate::page_store::View;
use crate::sync::{Condvar, Moment, Mutex, lock, now};

use super::conflicts::Conflicts;
use super::read_set::ReadSet;
use super::report::CommitReport;
use super::write_set::WriteSet;

/// What a committed transaction learns.
pub type CommitResult = Result<CommitReport, CommitError>;

/// A transaction that wants to commit.
#[derive(Debug)]
pub struct Member {
    /// What it read from.
    pub view: View,
    /// What it writes.
    pub writes: WriteSet,
    /// What it read, if that is to be validated.
    pub reads: Option<ReadSet>,
    /// When it may be acknowledged.
    pub durability: Durability,
    /// When it came here.
    pub arrived: Moment,
    ticket: Arc<Ticket>,
}

/// Where a member waits for its turn or its result.
#[derive(Debug, Default)]
struct Ticket {
    state: Mutex<Turn>,
    changed: Condvar,
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
    /// Touched by the leader only.
    conflicts: Mutex<Conflicts>,
}

#[derive(Debug, Default)]
struct Waiting {
    members: Vec<Member>,
    led: bool,
}

impl Member {
    /// A member that nobody waits for yet.
    pub fn new(
        view: View,
        writes: WriteSet,
        reads: Option<ReadSet>,
        durability: Durability,
    ) -> Self {
        Self {
            view,
            writes,
            reads,
            durability,
            arrived: now(),
            ticket: Arc::default(),
        }
    }
}

impl CommitQueue {
    /// An empty queue. Snapshots below the conflict index's floor conflict.
    pub fn new(conflicts: Conflicts) -> Self {
        Self {
            waiting: Mutex::default(),
            conflicts: Mutex::new(conflicts),
        }
    }

    /// Commits, in a group led by this thread or another. `write_group` returns one result a member.
    pub fn commit(
        &self,
        member: Member,
        write_group: impl Fn(&[Member], &mut Conflicts) -> Vec<CommitResult>,
    ) -> CommitResult {
        let ticket = Arc::clone(&member.ticket);
        let leads = {
            let mut waiting = lock(&self.waiting);
            waiting.members.push(member);
            !std::mem::replace(&mut waiting.led, true)
        };
        if !leads && let Turn::Done(result) = ticket.wait() {
            return result;
        }
        self.lead(&write_group);
        match ticket.wait() {
            Turn::Done(result) => result,
            Turn::Wait | Turn::Lead => Err(CommitError::Unknown(panicked())),
        }
    }

    fn lead(&self, write_group: &impl Fn(&[Member], &mut Conflicts) -> Vec<CommitResult>) {
        let members = std::mem::take(&mut lock(&self.waiting).members);
        let led = LedGroup {
            queue: self,
            tickets: members.iter().map(|m| Arc::clone(&m.ticket)).collect(),
        };
        let results = write_group(&members, &mut lock(&self.conflicts));
        // Their snapshots end before they know: a transaction that is over counts against no limit.
        drop(members);
        for (ticket, result) in led.tickets.iter().zip(results) {
            ticket.set(Turn::Done(result));
        }
    }
}

/// A group and its leadership: both end when this is dropped, also by a panic.
struct LedGroup<'q> {
    queue: &'q CommitQueue,
    tickets: Vec<Arc<Ticket>>,
}

impl Drop for LedGroup<'_> {
    fn drop(&mut self) {
        for ticket in &self.tickets {
            ticket.finish(|| Err(CommitError::Unknown(panicked())));
        }
        let mut waiting = lock(&self.queue.waiting);
        match waiting.members.first() {
            Some(next) => next.ticket.set(Turn::Lead),
            None => waiting.led = false,
        }
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
        *lock(&self.state) = turn;
        self.changed.notify_one();
    }

    fn finish(&self, result: impl FnOnce() -> CommitResult) {
        let mut state = lock(&self.state);
        if matches!(*state, Turn::Wait | Turn::Lead) {
            *state = Turn::Done(result());
            self.changed.notify_one();
        }
    }

    fn wait(&self) -> Turn {
        let mut state = lock(&self.state);
        while matches!(*state, Turn::Wait) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        // A turn to lead is taken once; a result stays for whoever asks.
        if matches!(*state, Turn::Lead) {
            std::mem::take(&mut state)
        } else {
            state.copy()
        }
    }
}

impl Turn {
    fn copy(&self) -> Self {
        match self {
            Self::Wait => Self::Wait,
            Self::Lead => Self::Lead,
            Self::Done(result) => Self::Done(result.clone()),
        }
    }
}
