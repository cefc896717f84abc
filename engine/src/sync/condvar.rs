//! The standard condition variable; a thread that takes part in a scheduler waits for it there.

use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use super::mutex::MutexGuard;
use super::scheduler::{Key, Part, Wait, Woken, part, wake};

/// A condition variable, as the standard library's.
#[derive(Debug, Default)]
pub struct Condvar {
    inner: std::sync::Condvar,
}

impl Condvar {
    /// One that nobody waits for.
    pub const fn new() -> Self {
        Self {
            inner: std::sync::Condvar::new(),
        }
    }

    /// Gives up the lock, waits for a signal, and takes the lock again. It may return without one.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        if let Some(part) = part() {
            return self.wait_in_turn(&part, guard, None).0;
        }
        let MutexGuard { inner, held } = guard;
        match self.inner.wait(inner) {
            Ok(inner) => Ok(MutexGuard { inner, held }),
            Err(error) => Err(PoisonError::new(MutexGuard {
                inner: error.into_inner(),
                held,
            })),
        }
    }

    /// As [`wait`](Self::wait), no longer than `patience`. Says whether that was over.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        patience: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, Woken)> {
        let woken = |is_over| {
            if is_over {
                Woken::Timeout
            } else {
                Woken::Event
            }
        };
        if let Some(part) = part() {
            return match self.wait_in_turn(&part, guard, Some(patience)) {
                (Ok(guard), woken) => Ok((guard, woken)),
                (Err(error), woken) => Err(PoisonError::new((error.into_inner(), woken))),
            };
        }
        let MutexGuard { inner, held } = guard;
        match self.inner.wait_timeout(inner, patience) {
            Ok((inner, end)) => Ok((MutexGuard { inner, held }, woken(end.timed_out()))),
            Err(error) => {
                let (inner, end) = error.into_inner();
                Err(PoisonError::new((
                    MutexGuard { inner, held },
                    woken(end.timed_out()),
                )))
            }
        }
    }

    /// Wakes one that waits.
    pub fn notify_one(&self) {
        self.inner.notify_one();
        wake(|| Wait::Signal(Key::of(self)), false);
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        self.inner.notify_all();
        wake(|| Wait::Signal(Key::of(self)), true);
    }

    /// Nobody else runs between the release of the lock and the wait, so no signal is missed.
    fn wait_in_turn<'a, T>(
        &self,
        part: &Part,
        guard: MutexGuard<'a, T>,
        patience: Option<Duration>,
    ) -> (LockResult<MutexGuard<'a, T>>, Woken) {
        let mutex = guard.held.0;
        drop(guard);
        let woken = part.wait(Wait::Signal(Key::of(self)), patience);
        (mutex.lock(), woken)
    }
}
