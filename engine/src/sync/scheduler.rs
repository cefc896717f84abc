//! The seam through which somebody else decides which thread runs.
//!
//! 1. Of the threads that take part, one runs at a time: the one whose last call of its scheduler has returned.
//! 2. A thread that is started by one that takes part takes part too.
//! 3. A scheduler may unwind a thread out of `pause` or `wait`, to end it; never out of `wake`, nor a thread that
//!    is unwinding already.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Decides which of several threads runs.
pub trait Scheduler: Send + Sync {
    /// A thread is about to be started. It does not run before its `begin`.
    fn add(&self, name: &str) -> ThreadNo;
    /// The first call of a new thread. Returns when it is its turn.
    fn begin(&self, thread: ThreadNo);
    /// The last call of a thread, or of one that could not be started.
    fn end(&self, thread: ThreadNo, panicked: Option<Panicked<'_>>);
    /// Others may run before this returns.
    fn pause(&self, thread: ThreadNo);
    /// Others run until what is waited for happens, or `patience` is over.
    fn wait(&self, thread: ThreadNo, wait: Wait, patience: Option<Duration>) -> Woken;
    /// What one or all of those who wait for it waited for has happened. Nobody else runs before this returns.
    fn wake(&self, wait: Wait, all: bool);
}

/// A thread that takes part, as its scheduler calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadNo(pub u32);

/// Tells locks and signals apart. Its value is an address and differs from run to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(usize);

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A lock that was held.
    Lock(Key),
    /// A signal.
    Signal(Key),
    /// The end of a thread.
    End(ThreadNo),
    /// Time alone.
    Time,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// It happened.
    Event,
    /// The patience is over.
    Timeout,
}

/// What a thread panicked with.
#[derive(Clone, Copy, Debug)]
pub struct Panicked<'a>(pub &'a (dyn Any + Send));

/// The calling thread's part in a scheduler, until this is dropped.
#[derive(Debug)]
pub struct Seat {
    scheduler: Part,
    is_over: bool,
}

/// A thread's part in a scheduler.
#[derive(Clone)]
pub(super) struct Part {
    scheduler: Arc<dyn Scheduler>,
    thread: ThreadNo,
}

thread_local! {
    /// Whether `PART` is set: this flag alone is tested where speed matters.
    static TAKES_PART: Cell<bool> = const { Cell::new(false) };
    static PART: RefCell<Option<Part>> = const { RefCell::new(None) };
}

/// Lets another thread run, if the scheduler wants it so. Does nothing without one.
pub fn pause() {
    if let Some(part) = part() {
        part.scheduler.pause(part.thread);
    }
}

/// Whether the calling thread takes part in a scheduler.
pub fn takes_part() -> bool {
    TAKES_PART.get()
}

/// The calling thread's part.
pub(super) fn part() -> Option<Part> {
    if !TAKES_PART.get() {
        return None;
    }
    PART.try_with(|part| part.borrow().clone()).ok().flatten()
}

/// One or all of those who wait for this can go on.
pub(super) fn wake(wait: impl FnOnce() -> Wait, all: bool) {
    if TAKES_PART.get()
        && let Some(part) = part()
    {
        part.scheduler.wake(wait(), all);
    }
}

impl Part {
    /// Waits for `wait` as long as the scheduler wants.
    pub(super) fn wait(&self, wait: Wait, patience: Option<Duration>) -> Woken {
        self.scheduler.wait(self.thread, wait, patience)
    }

    /// A part for a thread that is about to be started.
    pub(super) fn add(&self, name: &str) -> Seat {
        let scheduler = Arc::clone(&self.scheduler);
        let thread = scheduler.add(name);
        Seat::new(Self { scheduler, thread })
    }
}

impl Seat {
    /// Makes the calling thread take part, as the first one, which runs already.
    pub fn take(scheduler: Arc<dyn Scheduler>, name: &str) -> Self {
        let thread = scheduler.add(name);
        let seat = Self::new(Part { scheduler, thread });
        seat.begin();
        seat
    }

    fn new(scheduler: Part) -> Self {
        Self {
            scheduler,
            is_over: false,
        }
    }

    /// The thread's name with its scheduler.
    pub fn thread(&self) -> ThreadNo {
        self.scheduler.thread
    }

    /// Waits for the thread's first turn. Its own thread calls this.
    pub(super) fn begin(&self) {
        self.scheduler.scheduler.begin(self.scheduler.thread);
        PART.with(|part| part.replace(Some(self.scheduler.clone())));
        TAKES_PART.set(true);
    }

    /// Ends the part with a panic.
    pub(super) fn panicked(mut self, payload: &(dyn Any + Send)) {
        self.over(Some(Panicked(payload)));
    }

    fn over(&mut self, panicked: Option<Panicked<'_>>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        // A seat for a thread that never started is dropped by the one that would have started it.
        let is_own = part().is_some_and(|part| part.thread == self.scheduler.thread);
        if is_own {
            TAKES_PART.set(false);
            let _part = PART.try_with(RefCell::take).ok();
        }
        self.scheduler
            .scheduler
            .end(self.scheduler.thread, panicked);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.over(None);
    }
}

impl Key {
    /// Of whatever is at this address.
    pub(super) fn of<T: ?Sized>(at: &T) -> Self {
        Self(std::ptr::from_ref(at).cast::<()>().addr())
    }
}

impl fmt::Debug for Key {
    // Without the address: what is printed of a run must not differ from run to run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Part").field(&self.thread).finish()
    }
}
