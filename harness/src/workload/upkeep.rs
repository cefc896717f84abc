//! What the first client asks for beside transactions, spread over a run.

use super::plan::Setting;
use crate::rng::Rng;
use crate::scenario::{Chore, Workload};
use crate::target::Ability;

/// Share of backups that are of what has changed, where there is one to build on.
pub(super) const INCREMENTAL: f64 = 0.6;

/// Something that is asked for again and again.
#[derive(Clone, Debug)]
struct Recurring {
    what: Due,
    every: u32,
    left: u32,
}

/// What is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Checkpoint,
    Chore(Chore),
}

/// Everything that is asked for again and again.
#[derive(Clone, Debug)]
pub(super) struct Upkeep {
    all: Vec<Recurring>,
    /// Backups so far.
    pub(super) backups: u32,
}

impl Upkeep {
    /// What a workload asks for and a target can.
    pub(super) fn new(workload: &Workload, setting: &Setting) -> Self {
        let chores = Chore::ALL.map(|chore| (Due::Chore(chore), workload.chores(chore)));
        let checkpoints = (Due::Checkpoint, workload.checkpoints());
        let wanted = [checkpoints].into_iter().chain(chores);
        let recurring = |(what, count): (Due, u32)| {
            let every = (workload.transactions() / count.saturating_add(1)).max(1);
            (count > 0 && setting.can(what.ability())).then_some(Recurring {
                what,
                every,
                left: every,
            })
        };
        Self {
            all: wanted.filter_map(recurring).collect(),
            backups: 0,
        }
    }

    /// Nothing.
    pub(super) fn none() -> Self {
        Self {
            all: Vec::new(),
            backups: 0,
        }
    }

    /// As much for a part of the transactions.
    pub(super) fn for_one_of(&self, parts: u32) -> Self {
        let mut all = self.all.clone();
        for one in &mut all {
            one.every = (one.every / parts.max(1)).max(1);
            one.left = one.every;
        }
        Self { all, ..*self }
    }

    /// All comes after a drawn number of transactions, as if the run had been going on.
    pub(super) fn draw(&mut self, rng: &mut Rng) {
        for one in &mut self.all {
            let drawn = rng.below(u64::from(one.every));
            one.left = 1 + u32::try_from(drawn).unwrap_or(0);
        }
    }

    /// What is due after one more transaction.
    pub(super) fn due(&mut self) -> Vec<Due> {
        let mut due = Vec::new();
        for one in &mut self.all {
            one.left = one.left.saturating_sub(1);
            if one.left == 0 {
                one.left = one.every;
                due.push(one.what);
            }
        }
        due
    }
}

impl Due {
    fn ability(self) -> Ability {
        match self {
            Self::Checkpoint => Ability::Checkpoint,
            Self::Chore(Chore::Compaction) => Ability::Compact,
            Self::Chore(Chore::Backup | Chore::RestorePoint) => Ability::Backup,
        }
    }
}
