//! An open database as transactions use it: the engine, the queue of commits, and who runs checkpoints.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::btree::Foreseen;
use crate::checkpoint;
use crate::engine::Engine;
use crate::error::{CheckpointError, CommitError};
use crate::log_ahead;
use crate::options::CheckpointMode;
use crate::sync::{Mutex, Worker, lock};
use crate::telemetry;

use super::commit_queue::{CommitQueue, CommitResult, Member};
use super::conflicts::Conflicts;
use super::group_commit::write_group;
use super::report::CommitReport;
use super::write_set::WriteSet;

/// Leaves are asked for by transactions of so many writes or fewer.
const ASKED_FOR: usize = 4;

/// What all transactions of one open database share.
#[derive(Debug)]
pub struct Session {
    /// The database.
    pub engine: Engine,
    queue: CommitQueue,
    /// Held by a transaction that takes much memory, from the wait for room until it is committed: of these
    /// there is one at a time.
    large: Mutex<()>,
    worker: Mutex<Checkpointer>,
}

/// The thread that runs checkpoints in the background.
#[derive(Debug)]
enum Checkpointer {
    NotStarted,
    Running(Worker),
    /// The system had no thread to give, or the database's last handle is gone.
    Absent,
}

impl Session {
    /// Starts taking transactions.
    pub fn new(engine: Engine) -> Arc<Self> {
        let floor = engine.store.snapshots().published();
        let conflicts = Conflicts::new(engine.options.limits.conflict_keys, floor)
            .seeded(engine.wal_config().salt);
        let queue = CommitQueue::new(conflicts, engine.options.group_wait);
        Arc::new(Self {
            engine,
            queue,
            large: Mutex::new(()),
            worker: Mutex::new(Checkpointer::NotStarted),
        })
    }

    /// Commits what `member` writes.
    pub fn commit(self: &Arc<Self>, mut member: Member) -> CommitResult {
        if member.writes.is_empty() {
            return Ok(CommitReport::of_nothing(member.view.version()));
        }
        member.foreseen = self.ask_for_leaves(&member);
        let writes = &member.writes;
        let _alone = self.is_large(writes).then(|| lock(&self.large));
        let room = self.make_room(writes.bytes());
        // Refused here it is in no group, which would count it.
        room.inspect_err(|_| telemetry::commit_refused())?;
        let result = self.queue.commit(member, |members, desk| {
            write_group(&self.engine, members, desk)
        });
        if result.is_ok() {
            if self.is_checkpoint_due() {
                self.checkpoint_due();
            } else if self.engine.counters.wants_segment.load(Relaxed) {
                // Without the thread a commit makes it, where it is needed.
                self.ask_worker();
            }
        }
        result
    }

    /// Asks for the leaves of a small transaction, so that they come while it is queued and judged. Returns the way to the leaf of
    /// the only write, as the transaction's snapshot shows it.
    pub(super) fn ask_for_leaves(&self, member: &Member) -> Option<Foreseen> {
        let (sight, len) = (member.view.sight(), self.engine.store.page_size());
        if let Some((table, (key, _))) = member.writes.sole() {
            let tree = self.engine.table(sight, table).ok().flatten()?;
            return tree.foresee(&sight, key, len);
        }
        if member.writes.len_bound() > ASKED_FOR {
            return None;
        }
        for (name, table) in member.writes.tables() {
            // What is wrong is found by whoever applies it.
            if let Ok(Some(tree)) = self.engine.table(sight, name) {
                let keys = table.writes.keys_as_they_came();
                keys.for_each(|key| tree.ask_for(&sight, key, len));
            }
        }
        None
    }

    /// Whether a transaction may take a fair part of what one commit is allowed.
    fn is_large(&self, writes: &WriteSet) -> bool {
        let pages = writes.len_bound() as u64;
        let pages = pages.saturating_mul(self.engine.store.page_size() as u64);
        let bytes = pages.saturating_add(writes.bytes());
        bytes > self.engine.options.limits.commit_share() / 4
    }

    /// R13: whoever would exceed a limit waits here, before queueing and holding nothing, and runs the
    /// checkpoint that makes room.
    fn make_room(&self, bytes: u64) -> Result<(), CommitError> {
        if let Some(cause) = self.engine.poisoned() {
            return Err(CommitError::Poisoned(cause));
        }
        if !self.engine.session_is_open() {
            checkpoint::start_session(&self.engine).map_err(CheckpointError::into_commit_error)?;
        }
        if self.lacks_room(bytes) {
            // One that is under way may be enough.
            drop(self.engine.checkpointing());
        }
        if self.lacks_room(bytes) {
            checkpoint::run(&self.engine).map_err(CheckpointError::into_commit_error)?;
        }
        let (counters, limits) = (&self.engine.counters, &self.engine.options.limits);
        if counters.log_kept_bytes.load(Relaxed) > limits.archive_bytes {
            let archived = checkpoint::archive_log(&self.engine);
            archived.map_err(CheckpointError::into_commit_error)?;
        }
        Ok(())
    }

    fn lacks_room(&self, bytes: u64) -> bool {
        let (counters, limits) = (&self.engine.counters, &self.engine.options.limits);
        let log_bytes = counters.log_bytes.load(Relaxed);
        // A transaction larger than the whole log may enter an otherwise empty one.
        let log_is_full = log_bytes > 0 && log_bytes.saturating_add(bytes) > limits.wal_bytes;
        log_is_full || counters.dirty_bytes.load(Relaxed) > limits.dirty_share()
    }

    fn is_checkpoint_due(&self) -> bool {
        let (counters, options) = (&self.engine.counters, &self.engine.options);
        counters.log_bytes.load(Relaxed) >= options.checkpoint_after
            || counters.dirty_bytes.load(Relaxed) >= options.limits.dirty_share() / 2
    }

    fn checkpoint_due(self: &Arc<Self>) {
        match self.engine.options.checkpoint_mode {
            CheckpointMode::Manual => {}
            CheckpointMode::Inline => self.checkpoint_now(),
            CheckpointMode::Background => {
                if !self.ask_worker() {
                    self.checkpoint_now();
                }
            }
        }
    }

    /// What the background thread does when it is asked.
    fn work_in_background(&self) {
        log_ahead::make_if_wanted(&self.engine);
        if self.is_checkpoint_due() {
            self.checkpoint_now();
        }
    }

    /// The commit that made it due is acknowledged whatever comes of this: a failure is counted, and
    /// poisons or makes later writers wait where it must.
    fn checkpoint_now(&self) {
        drop(checkpoint::run(&self.engine));
    }

    /// Asks the background thread for what is due, and starts it at the first need.
    fn ask_worker(self: &Arc<Self>) -> bool {
        let mut worker = lock(&self.worker);
        if matches!(*worker, Checkpointer::NotStarted) {
            let session = Arc::downgrade(self);
            let job = move || {
                if let Some(session) = session.upgrade() {
                    session.work_in_background();
                }
            };
            let started = Worker::start("lightning-checkpoint", job);
            *worker = started.map_or(Checkpointer::Absent, Checkpointer::Running);
        }
        match &*worker {
            Checkpointer::Running(worker) => {
                worker.ask();
                true
            }
            Checkpointer::NotStarted | Checkpointer::Absent => false,
        }
    }

    /// Waits for the background thread to end. Transactions that are still open go on without it.
    pub fn stop_worker(&self) {
        let worker = std::mem::replace(&mut *lock(&self.worker), Checkpointer::Absent);
        drop(worker);
    }
}
