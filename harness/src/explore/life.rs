//! One boot of the target, and what is owed after a crash of it.

use std::rc::Rc;

use super::case::Crash;
use crate::crash::{Sample, cut};
use crate::oracle::{CrashKinds, History, Obligations};
use crate::rng::Rng;
use crate::scenario::CrashModel;
use crate::target::{CrashKind, Mode, Promises};
use crate::trace::{DiskState, Trace, TracePosition};

/// One boot of the target.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) trace: Trace,
    /// What was asked of it, from what its recovery showed on.
    pub(super) history: Rc<History>,
    /// What was owed when it began; nothing if it began with an empty disk.
    pub(super) before: Option<Ground>,
    /// Whether a crash before it left what only bad media leave.
    pub(super) spoilt: bool,
    /// Whether a crash before it left what no journaling file system leaves.
    pub(super) unordered: bool,
    pub(super) rng: Rng,
}

/// What a state is judged by.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) history: Rc<History>,
    pub(super) at: TracePosition,
    pub(super) kinds: CrashKinds,
    /// Whether the target ever said that the database is there.
    pub(super) exists: bool,
}

impl Life {
    /// What is owed after a crash. Until the target was open, what was owed before; from then on, what it
    /// showed is fixed.
    pub(super) fn ground(&self, at: TracePosition, model: CrashModel) -> Ground {
        let kind = kind_of(model);
        let is_open = at >= self.history.opened_at();
        match &self.before {
            Some(before) if !is_open => Ground {
                kinds: before.kinds.and(kind),
                ..before.clone()
            },
            _ => Ground {
                history: Rc::clone(&self.history),
                at,
                kinds: CrashKinds::one(kind),
                exists: is_open,
            },
        }
    }

    /// The generator of all that follows from one crash.
    pub(super) fn rng_of(&self, crash: &Crash) -> Rng {
        crash.rng(&self.rng)
    }
}

impl Ground {
    pub(super) fn obligations(&self, promises: &Promises) -> Obligations {
        Obligations::new(&self.history, promises, self.at, self.kinds)
    }

    /// How the database has to be opened.
    pub(super) fn mode(&self) -> Mode {
        if self.exists {
            Mode::Existing
        } else {
            Mode::CreateOrOpen
        }
    }
}

/// The state that a crash leaves.
pub(super) fn survivor(
    state: &DiskState,
    model: CrashModel,
    sample: Sample,
    rng: &Rng,
) -> DiskState {
    cut(state, model, sample, &mut rng.split("cut", 0))
}

fn kind_of(model: CrashModel) -> CrashKind {
    match model {
        CrashModel::Posix | CrashModel::Journaled | CrashModel::Prefix | CrashModel::Media => {
            CrashKind::Power
        }
        CrashModel::ProcessCrash => CrashKind::Process,
    }
}
