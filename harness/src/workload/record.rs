//! What all clients note, in one place.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::oracle::{History, Violation};

/// The history of all that clients ask, and what was wrong while nothing was broken. Held for moments, never while a target or a disk is
/// called: so a thread that is stopped there holds up nobody.
#[derive(Debug, Default)]
pub struct Record {
    history: Mutex<History>,
    violations: Mutex<Vec<Violation>>,
}

impl Record {
    /// Goes on with a history.
    pub fn of(history: History) -> Self {
        Self {
            history: Mutex::new(history),
            violations: Mutex::default(),
        }
    }

    /// What was noted. Nothing is left.
    pub fn take(&self) -> (History, Vec<Violation>) {
        let history = std::mem::take(&mut *self.history());
        (history, std::mem::take(&mut *guard(&self.violations)))
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        guard(&self.history)
    }

    pub(super) fn accuse(&self, violation: Violation) {
        guard(&self.violations).push(violation);
    }
}

// Each change of either is one call.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
