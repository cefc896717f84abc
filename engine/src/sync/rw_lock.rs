//! The standard reader-writer lock; a thread that takes part in a scheduler waits for it there.

use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

use super::scheduler::{Key, Wait, part, wake};

/// A lock that many readers or one writer can hold, as the standard library's.
#[derive(Debug, Default)]
pub struct RwLock<T> {
    inner: std::sync::RwLock<T>,
}

/// A lock held to read.
#[derive(Debug)]
pub struct RwLockReadGuard<'a, T> {
    // Order matters: the lock is free before those who wait for it are woken.
    inner: std::sync::RwLockReadGuard<'a, T>,
    _held: Held<'a, T>,
}

/// A lock held to write.
#[derive(Debug)]
pub struct RwLockWriteGuard<'a, T> {
    inner: std::sync::RwLockWriteGuard<'a, T>,
    _held: Held<'a, T>,
}

/// Wakes those who wait for a lock when it is dropped.
#[derive(Debug)]
struct Held<'a, T>(&'a RwLock<T>);

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> Self {
        Self {
            inner: std::sync::RwLock::new(value),
        }
    }

    /// Waits until nobody writes. An error holds the lock too: a writer panicked.
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        let locked = self.in_turn(|| self.inner.try_read(), || self.inner.read());
        let guard = |inner| RwLockReadGuard {
            inner,
            _held: Held(self),
        };
        match locked {
            Ok(inner) => Ok(guard(inner)),
            Err(error) => Err(PoisonError::new(guard(error.into_inner()))),
        }
    }

    /// Waits until nobody else holds the lock. An error holds it too: a writer panicked.
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        let locked = self.in_turn(|| self.inner.try_write(), || self.inner.write());
        let guard = |inner| RwLockWriteGuard {
            inner,
            _held: Held(self),
        };
        match locked {
            Ok(inner) => Ok(guard(inner)),
            Err(error) => Err(PoisonError::new(guard(error.into_inner()))),
        }
    }

    /// Takes the lock now, or else as the calling thread has to.
    fn in_turn<G>(
        &self,
        try_now: impl Fn() -> TryLockResult<G>,
        block: impl FnOnce() -> LockResult<G>,
    ) -> LockResult<G> {
        loop {
            match try_now() {
                Ok(inner) => return Ok(inner),
                Err(TryLockError::Poisoned(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {}
            }
            let Some(part) = part() else { return block() };
            part.wait(Wait::Lock(Key::of(self)), None);
        }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        wake(|| Wait::Lock(Key::of(self.0)), true);
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
