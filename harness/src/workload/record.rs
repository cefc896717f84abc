//! What all clients note, in one place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::script::Line;
use super::taken::Taken;
use crate::oracle::{History, Violation};
use crate::scenario::Feature;
use crate::trace::TracePosition;

/// The history of all that clients ask, and what was wrong while nothing was broken. Held for moments, never while a target or a disk is
/// called: so a thread that is stopped there holds up nobody.
#[derive(Debug, Default)]
pub struct Record {
    history: Mutex<History>,
    violations: Mutex<Vec<Violation>>,
    features: Mutex<Features>,
    /// The newest backup of an earlier life, with those that it builds on.
    earlier: Vec<String>,
    taken: Mutex<Vec<Taken>>,
    lines: Mutex<Vec<Line>>,
    is_halted: AtomicBool,
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
    /// Backups and restore points that were asked for.
    pub taken: Vec<Taken>,
    /// All that clients did, in order.
    pub lines: Vec<Line>,
}

impl Record {
    /// Goes on with a history, and the newest backup of an earlier life with those that it builds on.
    pub fn of(history: History, earlier: Vec<String>) -> Self {
        Self {
            history: Mutex::new(history),
            earlier,
            ..Self::default()
        }
    }

    /// What was noted. Nothing is left.
    pub fn take(&self) -> Noted {
        Noted {
            history: std::mem::take(&mut *self.history()),
            violations: std::mem::take(&mut *guard(&self.violations)),
            features: std::mem::take(&mut *guard(&self.features)),
            taken: std::mem::take(&mut *guard(&self.taken)),
            lines: std::mem::take(&mut *guard(&self.lines)),
        }
    }

    /// Asks all clients to stop before their next step.
    pub fn halt(&self) {
        self.is_halted.store(true, Ordering::SeqCst);
    }

    /// Whether clients are to stop.
    pub fn is_halted(&self) -> bool {
        self.is_halted.load(Ordering::SeqCst)
    }

    /// How often something was done.
    pub fn count(&self, feature: Feature) -> u64 {
        guard(&self.features).get(&feature).copied().unwrap_or(0)
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        guard(&self.history)
    }

    /// Notes that something was done and had something to do.
    pub(super) fn did(&self, feature: Feature) {
        *guard(&self.features).entry(feature).or_default() += 1;
    }

    /// The newest backup that was done, with those that it builds on; none if there is none.
    pub(super) fn newest_backup(&self) -> Vec<String> {
        let taken = guard(&self.taken);
        let mut backups = taken.iter().filter(|one| one.point.is_none());
        let newest = backups.rfind(|one| one.to.is_some());
        newest.map_or_else(|| self.earlier.clone(), |one| one.chain.clone())
    }

    /// Notes that a backup or a restore point was asked for. Returns its place.
    pub(super) fn take_one(&self, taken: Taken) -> usize {
        let mut all = guard(&self.taken);
        all.push(taken);
        all.len() - 1
    }

    /// Notes that what was asked for is done.
    pub(super) fn was_taken(&self, place: usize, at: TracePosition) {
        if let Some(taken) = guard(&self.taken).get_mut(place) {
            taken.to = Some(at);
        }
    }

    /// Notes what a client is about to do.
    pub fn line(&self, line: Line) {
        guard(&self.lines).push(line);
    }

    pub(super) fn accuse(&self, violation: Violation) {
        guard(&self.violations).push(violation);
    }
}

// Each change of either is one call.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
