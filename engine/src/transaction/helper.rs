//! Large runs of writes are prepared before they are applied, by the leader and a thread that helps it.
//!
//! What takes time in a large group are leaves that lie nowhere near, each to be found, copied and changed; `btree::Prepared` does that
//! beside the tree. A run is cut into parts, and whoever is free takes the next; the leader applies one as soon as it is there. It waits
//! for nobody: a part that the helper has taken and not handed in when nothing else is left to do, because the system runs something
//! else in its place, the leader makes itself.
//! So which part is made by whom shows nowhere, and a helper that is late finds that nobody wants what it brings.
//!
//! It is started at the first need, and only where checkpoints may run in the background, too; not where a scheduler decides which thread
//! runs, nor on a single processor. Then the leader makes all parts.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use smallvec::SmallVec;

use crate::btree::{PREPARED_TOGETHER, Prepared, Tree, Write};
use crate::engine::Engine;
use crate::error::StorageError;
use crate::ids::Version;
use crate::options::CheckpointMode;
use crate::page_store::{Group, PageStore};
use crate::sync::{Mutex, Worker, lock, takes_part};

use super::write_set::WriteSet;
use super::writes::{EntryId, Writes};

/// Fewer writes to a table are not prepared.
pub const HELPED_LEN_MIN: usize = 64;
/// For fewer writes the helper is not woken.
const WOKEN_FOR: usize = 256;
/// Writes that are prepared before the first of them is applied.
const WINDOW: usize = 2048;
/// Writes that are left over wait until they are so many.
const WORTH_A_WALK: usize = 64;
/// One part in so many of the memory that a commit may hold is for leaves that are prepared.
const WINDOW_SHARE: u64 = 16;

/// The thread that helps leaders, if there is one.
#[derive(Debug, Default)]
pub struct Helper {
    thread: Thread,
    task: Arc<Mutex<Option<Arc<Task>>>>,
}

#[derive(Debug, Default)]
enum Thread {
    #[default]
    NotStarted,
    Running(Worker),
    Absent,
}

/// Some writes to one table, to be prepared in parts.
#[derive(Debug)]
struct Task {
    store: Arc<PageStore>,
    base: Version,
    tree: Tree,
    writes: Arc<WriteSet>,
    table: String,
    /// Which writes, in ascending order of their keys.
    ids: Vec<EntryId>,
    /// The next part that nobody has taken.
    next: AtomicUsize,
    done: Mutex<Vec<Option<Prepared>>>,
}

type Part<'t> = SmallVec<[Write<'t>; PREPARED_TOGETHER]>;

impl Helper {
    /// Applies all of `writes` to `table`, or fewer, of which most could not be prepared. Returns how many. After an error the pages are
    /// in an unknown state.
    pub fn apply(
        &mut self,
        engine: &Engine,
        group: &mut Group<'_>,
        tree: Tree,
        (set, table, writes): (&Arc<WriteSet>, &str, &Writes),
    ) -> Result<usize, StorageError> {
        let window = window(engine);
        let mut applied: usize = 0;
        loop {
            let ids: Vec<EntryId> = writes.ids(applied).take(window).collect();
            if ids.len() < HELPED_LEN_MIN {
                return Ok(applied);
            }
            let len = ids.len();
            let task = Arc::new(Task {
                store: Arc::clone(&engine.store),
                base: group.base(),
                tree,
                writes: Arc::clone(set),
                table: table.to_owned(),
                next: AtomicUsize::new(0),
                done: Mutex::new(ids.chunks(PREPARED_TOGETHER).map(|_| None).collect()),
                ids,
            });
            if len >= WOKEN_FOR {
                self.wake(engine, &task);
            }
            let left_over = task.apply(group);
            // Nothing of it is kept for a helper that has not woken yet.
            drop(lock(&self.task).take());
            let left_over = left_over?;
            applied = applied.saturating_add(len);
            if left_over > len / 2 {
                return Ok(applied);
            }
        }
    }

    fn wake(&mut self, engine: &Engine, task: &Arc<Task>) {
        if matches!(self.thread, Thread::NotStarted) {
            self.thread = self.start(engine);
        }
        if let Thread::Running(worker) = &self.thread {
            *lock(&self.task) = Some(Arc::clone(task));
            worker.ask();
        }
    }

    fn start(&self, engine: &Engine) -> Thread {
        let is_background = engine.options.checkpoint_mode == CheckpointMode::Background;
        let processors = std::thread::available_parallelism();
        if !is_background || takes_part() || processors.is_ok_and(|count| count.get() < 2) {
            return Thread::Absent;
        }
        let given = Arc::clone(&self.task);
        let job = move || {
            let task = lock(&given).take();
            if let Some(task) = task {
                task.work();
            }
        };
        Worker::start("lightning-helper", job).map_or(Thread::Absent, Thread::Running)
    }
}

/// Writes that may be prepared at a time, each in a page of its own.
fn window(engine: &Engine) -> usize {
    let pages = engine.options.limits.commit_share() / WINDOW_SHARE;
    let pages = pages / engine.store.page_size() as u64;
    usize::try_from(pages).map_or(WINDOW, |pages| pages.min(WINDOW))
}

impl Task {
    /// Takes parts and prepares them, until all are taken.
    fn work(&self) {
        while self.prepare_next() {}
    }

    /// Takes the next part and prepares it. False if all are taken.
    fn prepare_next(&self) -> bool {
        let number = self.next.fetch_add(1, Relaxed);
        let Some(ids) = self.ids.chunks(PREPARED_TOGETHER).nth(number) else {
            return false;
        };
        let prepared = self.prepare(&self.part(ids));
        if let Some(done) = lock(&self.done).get_mut(number) {
            *done = Some(prepared);
        }
        true
    }

    /// Part `number`, as it was prepared. While the helper is at it, others are; none if it still is when all others are done.
    fn take(&self, number: usize) -> Option<Prepared> {
        let take = || lock(&self.done).get_mut(number).and_then(Option::take);
        loop {
            let prepared = take();
            if prepared.is_some() {
                return prepared;
            }
            if !self.prepare_next() {
                return take();
            }
        }
    }

    fn part<'t>(&'t self, ids: &'t [EntryId]) -> Part<'t> {
        self.writes
            .table(&self.table)
            .map(|table| table.writes.named(ids).collect())
            .unwrap_or_default()
    }

    fn prepare(&self, part: &Part<'_>) -> Prepared {
        let published = self.store.hold_published(self.base);
        self.tree.prepare(&published, part)
    }

    /// Makes the writes in `group`, a part after the other; what could not be prepared as soon as it is worth a walk. Returns how many
    /// these were. Meanwhile the helper prepares the parts that follow.
    fn apply(&self, group: &mut Group<'_>) -> Result<usize, StorageError> {
        let mut left_over = Vec::new();
        let mut count: usize = 0;
        for (number, ids) in self.ids.chunks(PREPARED_TOGETHER).enumerate() {
            let part = self.part(ids);
            let prepared = self.take(number);
            let prepared = prepared.unwrap_or_else(|| self.prepare(&part));
            prepared.adopt(group, &part, &mut left_over)?;
            if left_over.len() >= WORTH_A_WALK {
                count = count.saturating_add(left_over.len());
                self.tree.apply(group, left_over.drain(..))?;
            }
        }
        count = count.saturating_add(left_over.len());
        self.tree.apply(group, left_over)?;
        Ok(count)
    }
}
