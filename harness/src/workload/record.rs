//! What all clients note, in one place.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::oracle::{History, Violation};
use crate::scenario::Feature;

/// The history of all that clients ask, and what was wrong while nothing was broken. Held for moments, never while a target or a disk is
/// called: so a thread that is stopped there holds up nobody.
#[derive(Debug, Default)]
pub struct Record {
    history: Mutex<History>,
    violations: Mutex<Vec<Violation>>,
    features: Mutex<Features>,
}

/// How often each was done.
pub type Features = BTreeMap<Feature, u64>;

/// What clients noted.
#[derive(Debug, Default)]
pub struct Noted {
    /// What they asked and what was answered.
    pub history: History,
    /// What was wrong while nothing was broken.
    pub violations: Vec<Violation>,
    /// What they did beside puts, gets and deletes.
    pub features: Features,
}

impl Record {
    /// Goes on with a history.
    pub fn of(history: History) -> Self {
        Self {
            history: Mutex::new(history),
            ..Self::default()
        }
    }

    /// What was noted. Nothing is left.
    pub fn take(&self) -> Noted {
        Noted {
            history: std::mem::take(&mut *self.history()),
            violations: std::mem::take(&mut *guard(&self.violations)),
            features: std::mem::take(&mut *guard(&self.features)),
        }
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        guard(&self.history)
    }

    /// Notes that something was done and had something to do.
    pub(super) fn did(&self, feature: Feature) {
        *guard(&self.features).entry(feature).or_default() += 1;
    }

    pub(super) fn accuse(&self, violation: Violation) {
        guard(&self.violations).push(violation);
    }
}

// Each change of either is one call.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
