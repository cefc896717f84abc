//! One boot of the target, and what is owed after a crash of it.

use std::rc::Rc;

use super::case::Crash;
use super::kept::Kept;
use crate::crash::{Sample, cut};
use crate::oracle::{CrashKinds, History, Obligations, RowMap};
use crate::rng::Rng;
use crate::scenario::CrashModel;
use crate::target::{CrashKind, Mode, Promises};
use crate::trace::{DiskState, Event, Mark, Trace, TracePosition};
use crate::workload::{Script, Taken};

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
    /// Backups and restore points that were asked for in it.
    pub(super) taken: Vec<Rc<Taken>>,
    /// What clients did in it.
    pub(super) script: Rc<Script>,
}

/// What a state is judged by.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) history: Rc<History>,
    pub(super) at: TracePosition,
    pub(super) kinds: CrashKinds,
    /// Whether the target ever said that the database is there.
    pub(super) exists: bool,
    /// Backups and restore points.
    pub(super) kept: Vec<Kept>,
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
                kept: self.kept(at),
            },
        }
    }

    /// Backups and restore points of earlier lives that were done, and those of this one.
    fn kept(&self, at: TracePosition) -> Vec<Kept> {
        let earlier = self.before.iter().flat_map(Ground::owed_copies);
        let own = self.taken.iter();
        let own = own.filter_map(|taken| Kept::at(taken, &self.history, at));
        earlier.cloned().chain(own).collect()
    }

    /// What the target was doing beside transactions.
    pub(super) fn doing(&self, at: TracePosition) -> Option<&'static str> {
        let mut before = self.trace.before(at).iter().rev();
        before.find_map(|event| match event {
            Event::Mark(Mark::Began(what)) => Some(Some(*what)),
            Event::Mark(Mark::Ended(_)) => Some(None),
            _ => None,
        })?
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

    /// The history from an opening on that showed these rows. A cache that outlived the crash may have shown more than there is.
    pub(super) fn goes_on_with(&self, rows: RowMap, promises: &Promises) -> History {
        let history = History::continued(rows, self.history.next_sequence());
        if self.kinds.include_process() && !promises.shown_is_durable() {
            history.in_doubt_since(&self.history, self.at)
        } else {
            history
        }
    }

    /// Backups and restore points that were done.
    pub(super) fn owed_copies(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(|kept| kept.is_owed)
    }

    /// The newest backup that was done, with those that it builds on.
    pub(super) fn newest_backup(&self) -> Vec<String> {
        let backups = self.owed_copies().filter(|kept| kept.taken.point.is_none());
        backups
            .last()
            .map_or_else(Vec::new, |kept| kept.taken.chain.clone())
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
