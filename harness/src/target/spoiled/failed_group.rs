//! Commits on threads of their own that fail together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lightning_db::sync::{Mutex, lock};

use super::super::{ClientId, Durability, Session, TargetError};
use super::bugged::Wrong;

/// Of commits that overlap and fail the first is told so, the others are acknowledged.
#[derive(Clone)]
pub(super) struct FailedGroup {
    fired: Arc<AtomicU64>,
    failures: Arc<AtomicU64>,
}

impl FailedGroup {
    pub(super) fn new(fired: Arc<AtomicU64>) -> Self {
        let failures = Arc::default();
        Self { fired, failures }
    }
}

impl Wrong for FailedGroup {
    fn commit<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        durability: Durability,
    ) -> Result<(), TargetError> {
        let before = self.failures.load(Relaxed);
        let committed = sound.commit(client, durability);
        let has_failed = committed.as_ref().is_err_and(|error| !error.may_retry());
        if has_failed && self.failures.fetch_add(1, Relaxed) > before {
            self.fired.fetch_add(1, Relaxed);
            return Ok(());
        }
        committed
    }
}

/// Commits take a lock, and one that fails never gives it back. A thread that is alone with its session does not wait for itself.
pub(super) struct KeptLock {
    fired: Arc<AtomicU64>,
    lock: Arc<Mutex<()>>,
    is_shared: bool,
}

impl KeptLock {
    pub(super) fn new(fired: Arc<AtomicU64>) -> Self {
        Self {
            fired,
            lock: Arc::default(),
            is_shared: false,
        }
    }
}

impl Clone for KeptLock {
    fn clone(&self) -> Self {
        Self {
            fired: Arc::clone(&self.fired),
            lock: Arc::clone(&self.lock),
            is_shared: true,
        }
    }
}

impl Wrong for KeptLock {
    fn commit<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        durability: Durability,
    ) -> Result<(), TargetError> {
        if !self.is_shared {
            return sound.commit(client, durability);
        }
        let held = lock(&self.lock);
        let committed = sound.commit(client, durability);
        if committed.as_ref().is_err_and(|error| !error.may_retry()) {
            self.fired.fetch_add(1, Relaxed);
            std::mem::forget(held);
        }
        committed
    }
}
