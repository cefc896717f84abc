//! Time, chance and threads: all that the engine uses of them goes through here, so that a harness can
//! put its own in their place.
//!
//! Locks, signals and threads are the standard library's. A thread that takes part in a [`Scheduler`] asks it instead of
//! the operating system whenever it would block, and may be held at every [`pause`]; see docs/design/threads.md.
//!
//! 1. A thread that takes part in nothing pays one test of a thread-local flag where a lock is released or a signal
//!    is given, and nothing where a lock is free.
//! 2. All threads that share a lock take part in one scheduler, or none of them does.

mod scheduler;

mod condvar;
mod mutex;
mod rw_lock;

mod chance;
mod clock;
mod thread;
mod worker;

#[cfg(test)]
mod tests;

pub use chance::entropy;
pub use clock::{Moment, now, wall_clock_ms};
pub use condvar::Condvar;
pub use mutex::{Mutex, MutexGuard, lock};
pub use rw_lock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use scheduler::{Key, Panicked, Scheduler, Seat, ThreadNo, Wait, Woken, pause, takes_part};
pub use thread::{JoinHandle, let_others_in, sleep, spawn, yield_now};
pub use worker::Worker;
