//! The standard mutex; a thread that takes part in a scheduler waits for it there.

use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, PoisonError, TryLockError};

use super::scheduler::{Key, Part, Wait, part, wake};

/// A mutual exclusion lock, as the standard library's.
#[derive(Debug, Default)]
pub struct Mutex<T> {
    inner: std::sync::Mutex<T>,
}

/// A held lock.
#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    // Order matters: the lock is free before those who wait for it are woken.
    pub(super) inner: std::sync::MutexGuard<'a, T>,
    pub(super) held: Held<'a, T>,
}

/// Wakes those who wait for a lock when it is dropped.
#[derive(Debug)]
pub(super) struct Held<'a, T>(pub(super) &'a Mutex<T>);

/// Locks, also after a panic of another holder: for state that is whole between any two statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self {
            inner: std::sync::Mutex::new(value),
        }
    }

    /// Waits until the lock is free, and takes it. An error holds it too: another holder panicked.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.try_now().unwrap_or_else(|| self.lock_contended())
    }

    /// The value, of a mutex that nobody else can hold.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.inner.get_mut()
    }

    /// The value.
    pub fn into_inner(self) -> LockResult<T> {
        self.inner.into_inner()
    }

    fn try_now(&self) -> Option<LockResult<MutexGuard<'_, T>>> {
        match self.inner.try_lock() {
            Ok(inner) => Some(Ok(self.guard(inner))),
            Err(TryLockError::Poisoned(error)) => {
                Some(Err(PoisonError::new(self.guard(error.into_inner()))))
            }
            Err(TryLockError::WouldBlock) => None,
        }
    }

    #[cold]
    fn lock_contended(&self) -> LockResult<MutexGuard<'_, T>> {
        match part() {
            Some(part) => self.lock_in_turn(&part),
            None => match self.inner.lock() {
                Ok(inner) => Ok(self.guard(inner)),
                Err(error) => Err(PoisonError::new(self.guard(error.into_inner()))),
            },
        }
    }

    fn lock_in_turn(&self, part: &Part) -> LockResult<MutexGuard<'_, T>> {
        loop {
            if let Some(locked) = self.try_now() {
                return locked;
            }
            part.wait(Wait::Lock(Key::of(self)), None);
        }
    }

    fn guard<'a>(&'a self, inner: std::sync::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        MutexGuard {
            inner,
            held: Held(self),
        }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        wake(|| Wait::Lock(Key::of(self.0)), true);
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
