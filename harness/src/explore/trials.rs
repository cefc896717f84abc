//! Many states of one life: what survives at each of its crash points, and what the target makes of that.
//!
//! 1. A trial is a crash point and what survives there, by pieces: it means the same state again if the trace is edited by syncs that are added,
//!    but that what they cover survives whatever the trial says.
//! 2. A state is judged once, however many trials lead to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::batch::Explorer;
use super::exact::{drawn, left_by};
use super::exact_case::{ExactCut, Survives};
use super::examine::Next;
use super::life::Life;
use crate::crash::{Piece, crash_points, kept_in, pieces};
use crate::oracle::Violation;
use crate::rng::Rng;
use crate::scenario::{CheckKind, CrashModel, PowerLoss};
use crate::trace::{DiskState, Effect, Event, Operation, Order, TracePosition};

/// Crash points that are looked at, counted from the end.
const POINTS: usize = 40;
/// Survivals that are drawn at each.
const DRAWN: u32 = 8;
/// Operations that are lost alone, and kept alone, at each.
const ALONE: usize = 24;

/// States that hang, at most: each of those costs all the patience that there is.
const HANGS_MAX: u64 = 80;

/// A crash point, and what survives there.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) at: TracePosition,
    pub(super) survives: Survives,
}

/// Syncs that are added to a trace: what happens at a moment before what happened then.
pub(super) type Added = BTreeMap<TracePosition, Vec<Operation>>;

/// All that is tried of one life.
pub(super) struct Trials<'e, 's> {
    explorer: &'e mut Explorer<'s>,
    fault: &'e PowerLoss,
    generation: usize,
    pub(super) life: &'e Life,
    pub(super) all: Vec<Trial>,
    judged: HashMap<(TracePosition, u128), bool>,
    hung: u64,
    /// States that may still be recovered.
    left: u64,
}

/// A trial that fails, with the disk before and after the cut.
pub(super) struct Failing {
    pub(super) trial: Trial,
    pub(super) before: DiskState,
    pub(super) after: DiskState,
}

impl<'e, 's> Trials<'e, 's> {
    pub(super) fn new(
        explorer: &'e mut Explorer<'s>,
        fault: &'e PowerLoss,
        generation: usize,
        life: &'e Life,
        first: &ExactCut,
    ) -> Self {
        let mut trials = Self {
            explorer,
            fault,
            generation,
            life,
            all: Vec::new(),
            judged: HashMap::new(),
            hung: 0,
            left: u64::MAX,
        };
        trials.draw(first);
        trials
    }

    pub(super) fn model(&self) -> CrashModel {
        self.fault.model_of(self.generation)
    }

    fn draw(&mut self, first: &ExactCut) {
        let at = TracePosition(first.at);
        let mut points = crash_points(&self.life.trace, self.model());
        let skipped = points.len().saturating_sub(POINTS);
        points.drain(..skipped);
        if points.binary_search(&at).is_err() {
            points.push(at);
        }
        let (model, rng) = (self.model(), self.explorer.exact_rng(self.generation));
        let survives = first.survives.clone();
        self.all.push(Trial { at, survives });
        for at in points {
            let before = self.before(at, &Added::new());
            let mut seen = BTreeSet::new();
            for survives in survivals(&before, model, &rng) {
                let left = left_by(&before, model, &survives, &rng);
                if left.is_some_and(|left| seen.insert(left.digest())) {
                    self.all.push(Trial { at, survives });
                }
            }
        }
    }

    /// What the disk holds at a moment, with syncs added. One that is added just there has not happened yet: the cut comes before it.
    pub(super) fn before(&self, at: TracePosition, added: &Added) -> DiskState {
        let mut state = self.life.trace.start.clone();
        for (place, event) in self.life.trace.before(at).iter().enumerate() {
            add(&mut state, added, TracePosition::after(place));
            state.apply(event);
        }
        state
    }

    /// The trials that fail. The disk of each moment is made once.
    pub(super) fn failing(&mut self, added: &Added, among: &[Trial]) -> Vec<Failing> {
        let mut failing = Vec::new();
        let mut disks: BTreeMap<TracePosition, DiskState> = BTreeMap::new();
        let (model, rng) = (self.model(), self.explorer.exact_rng(self.generation));
        for trial in among {
            let before = disks
                .entry(trial.at)
                .or_insert_with(|| self.before(trial.at, added))
                .clone();
            let Some(after) = left_by(&before, model, &trial.survives, &rng) else {
                continue;
            };
            if self.fails(trial.at, &after) {
                let trial = trial.clone();
                failing.push(Failing {
                    trial,
                    before,
                    after,
                });
            }
        }
        failing
    }

    /// Lets so many more states be recovered.
    pub(super) fn allow(&mut self, states: u64) {
        self.left = states;
    }

    /// Whether so many states hung, or were recovered, that no more are.
    pub(super) fn is_spent(&self) -> bool {
        self.hung >= HANGS_MAX || self.left == 0
    }

    /// The generator of what is drawn of survivals.
    pub(super) fn rng(&self) -> Rng {
        self.explorer.exact_rng(self.generation)
    }

    /// Whether what a cut leaves is wrong.
    pub(super) fn fails(&mut self, at: TracePosition, after: &DiskState) -> bool {
        let key = (at, after.digest());
        if let Some(&known) = self.judged.get(&key) {
            return known;
        }
        if self.is_spent() {
            return false;
        }
        self.left -= 1;
        let (generation, life) = (self.generation, self.life);
        let examined =
            self.explorer
                .examine_state(self.fault, generation, life, at, after, Next::End);
        let mut violations = examined.violations.iter();
        let fails = violations.any(|violation| self.explorer.is_asked(violation));
        let hangs = |violation: &Violation| violation.check == CheckKind::NoHang;
        self.hung += u64::from(examined.violations.iter().any(hangs));
        self.judged.insert(key, fails);
        fails
    }

    /// The order that each event gave what it changed, if it changed something.
    pub(super) fn orders(&self) -> Vec<Option<Order>> {
        let mut state = self.life.trace.start.clone();
        let order = |event: &Event| {
            let before = state.newest();
            state.apply(event);
            (state.newest() != before).then(|| state.newest())
        };
        self.life.trace.events.iter().map(order).collect()
    }
}

fn add(state: &mut DiskState, added: &Added, at: TracePosition) {
    for operation in added.get(&at).into_iter().flatten() {
        state.apply(&Event::Operation {
            operation: operation.clone(),
            effect: Effect::Applied,
        });
    }
}

/// Nothing, everything, one operation alone lost or kept, and some that are drawn.
fn survivals(before: &DiskState, model: CrashModel, rng: &Rng) -> Vec<Survives> {
    if model == CrashModel::ProcessCrash {
        return (0..2).map(Survives::Drawn).collect();
    }
    let all = pieces(before);
    let mut survivals = vec![Survives::Nothing, Survives::Everything];
    let everything: BTreeSet<Piece> = all.iter().copied().collect();
    for operation in all.chunk_by(|a, b| a.order == b.order).rev().take(ALONE) {
        let alone: BTreeSet<Piece> = operation.iter().copied().collect();
        let others = everything.difference(&alone).copied().collect();
        survivals.push(Survives::of(&others, &all));
        survivals.push(Survives::of(&alone, &all));
    }
    for sample in 2..2 + DRAWN {
        let after = drawn(before, model, sample, rng);
        if let Some(kept) = kept_in(before, &after) {
            survivals.push(Survives::of(&kept, &all));
        }
    }
    survivals
}
