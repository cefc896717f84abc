//! What a recovery showed and may be gone after a power cut.
//!
//! 1. A database that is opened after its process ended, or after a sync failed, shows what is in the system's cache. Some of it may be nowhere else: transactions
//!    that were never acknowledged, or at a level that promises less of a power cut. Whether somebody has seen them makes no promise of them,
//!    unless the target says so (`Promises::with_shown_durable`).
//! 2. A history that begins so has a past. After a power cut it is judged by all transactions since storage was last looked at by somebody who had no cache:
//!    those before the opening are owed what they were owed, those after it come later than all of them.
//! 3. What was acknowledged and promised is owed in either way. Only power cuts bring the past back: what the cache shows stays while the system runs.

use std::sync::Arc;

use super::history::History;
use super::obligations::Obligations;
use super::transaction::{Outcome, Transaction};
use crate::target::CrashKind;
use crate::trace::TracePosition;

/// What went before a history.
#[derive(Clone, Debug)]
pub(super) struct Past {
    history: Arc<History>,
    /// The moment of the crash that ended it.
    at: TracePosition,
}

impl History {
    /// Says what went before, up to a crash that left the system's cache as it was.
    #[must_use]
    pub fn in_doubt_since(mut self, before: &Self, at: TracePosition) -> Self {
        let history = Arc::new(before.clone());
        self.past = Some(Past { history, at });
        self
    }

    /// This history with its past, and by how much its own moments are later in it; nothing if it has none.
    fn with_past(&self) -> Option<(Self, u64)> {
        let past = self.past.as_ref()?;
        let (before, shift) = past.history.with_past().unwrap_or_default();
        let before = if shift == 0 { &*past.history } else { &before };
        let at = later(past.at, shift);
        let shift = at.0.saturating_add(1);
        let ended = before.transactions().iter();
        let mut all: Vec<_> = ended.filter_map(|one| ended_by(one, at)).collect();
        let own = self.transactions().iter();
        all.extend(own.map(|one| Transaction {
            requested: later(one.requested, shift),
            visible_from: later(one.visible_from, shift),
            answered: later(one.answered, shift),
            ..one.clone()
        }));
        Some((self.following(before, all), shift))
    }
}

impl Obligations {
    /// The same obligations over a history with its past, if that matters: the power was cut, and the history began in doubt.
    pub(super) fn in_doubt(&self, history: &History) -> Option<(History, Self)> {
        if !self.kinds.include_power() {
            return None;
        }
        let (whole, shift) = history.with_past()?;
        let at = later(self.at, shift);
        let kinds = self.kinds.and(CrashKind::Process);
        let obligations = Self::new(&whole, &self.promises, at, kinds);
        Some((whole, obligations))
    }
}

fn later(at: TracePosition, shift: u64) -> TracePosition {
    TracePosition(at.0.saturating_add(shift))
}

/// A transaction whose answer a crash may have come before. Nothing if its request did not reach the disk.
fn ended_by(one: &Transaction, at: TracePosition) -> Option<Transaction> {
    if one.answered <= at {
        return Some(one.clone());
    }
    (one.visible_from <= at).then(|| Transaction {
        outcome: Outcome::Unknown,
        answered: at,
        ..one.clone()
    })
}
