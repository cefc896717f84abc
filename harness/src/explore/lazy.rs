//! Covering a crash point: one run for each thing that the target can tell apart.
//!
//! 1. Every run of a crash point answers the same questions up to where its decisions differ from an earlier one: all that is
//!    drawn, is drawn by the crash point. A target that asks others is an internal error.
//! 2. The weights of the runs add up to the number of legal states, or that is an internal error.
//! 3. A run stands for all states that agree with its decisions. One in 64 is repeated on two of them, in which all that was not
//!    decided survived, and was lost: the three must not differ.
//! 4. Lives that are cut again begin with a state in which all is decided.

use std::rc::Rc;
use std::sync::Arc;

use num_bigint::BigUint;
use xxhash_rust::xxh3::Xxh3;

use super::batch::{Cut, Explorer, internal};
use super::case::{CasePath, Left};
use super::examine::{Examination, Next};
use super::life::Life;
use super::setup::Setup;
use crate::batch::{CoveredPoint, ExploreError};
use crate::rng::Rng;
use crate::survival::{Decisions, Open, Plan, Search, Survival, Undecided};
use crate::trace::DiskState;

/// The runs of a crash point so far.
#[derive(Default)]
struct Leaves {
    count: u64,
    weight: BigUint,
}

/// One run in so many is repeated on what it decided.
const REPEATED: u128 = 64;

impl Explorer<'_> {
    /// Tries every survival of a crash point that the target can tell from others; false if that was not possible with
    /// so many runs.
    pub(super) fn cover_point(
        &mut self,
        cut: &Cut<'_>,
        leaves_max: u64,
    ) -> Result<bool, ExploreError> {
        let Some(undecided) = Undecided::of(cut.state).map(Arc::new) else {
            return Ok(false);
        };
        let owed = cut.obligations.digest(&cut.ground.history);
        let key = self.key(cut, cut.state, owed);
        if self.result.covered.iter().any(|point| point.key == key) {
            return Ok(true);
        }
        let mut search = Search::default();
        let mut leaves = Leaves::default();
        loop {
            let decisions = search.decisions();
            let case = cut.case(Left::Decided(decisions.clone()));
            if leaves.count >= leaves_max || self.is_done() || self.skip.contains(&case.id()) {
                return Ok(false);
            }
            (self.announce)(&case.id());
            self.result.generated += 1;
            self.note_cut(cut);
            let leaf_key = leaf_key(key, &decisions);
            if self.seen.insert(leaf_key) {
                self.result.distinct.push(leaf_key);
            }
            let survival = Survival::new(Arc::clone(&undecided), search.plan());
            let life = self.check_leaf(cut, &case, &survival, leaf_key.is_multiple_of(REPEATED))?;
            leaves.count += 1;
            leaves.weight += survival.weight();
            self.explore_later(cut, &case, life)?;
            if !search.advance(survival.log()) {
                break;
            }
        }
        self.note_covered(key, &undecided, &leaves)
    }

    fn note_covered(
        &mut self,
        key: u128,
        undecided: &Undecided,
        leaves: &Leaves,
    ) -> Result<bool, ExploreError> {
        if leaves.weight != *undecided.states() {
            return Err(internal(&format!(
                "{} survivals stand for {} of {} legal states",
                leaves.count,
                leaves.weight,
                undecided.states()
            )));
        }
        self.result.covered.push(CoveredPoint {
            key,
            legal_states: leaves.weight.to_string(),
            representatives: leaves.count,
        });
        Ok(true)
    }

    /// Goes to one leaf. Returns a state of it and the life after that, if it is to be cut again; nothing if there is no such
    /// leaf.
    pub(super) fn rerun_leaf(
        &mut self,
        cut: &Cut<'_>,
        case: &CasePath,
        decisions: &Decisions,
    ) -> Result<Option<(DiskState, Option<Life>)>, ExploreError> {
        let Some(undecided) = Undecided::of(cut.state).map(Arc::new) else {
            return Ok(None);
        };
        let survival = Survival::new(undecided, Plan::blind(decisions));
        let (tables, rng) = (Rc::clone(&self.tables), cut.rng_of_leaves());
        let examined = cut
            .examination(self.setup, &tables, &rng)
            .run_lazily(survival.clone(), &mut self.observed);
        if survival.strayed().is_some() {
            return Ok(None);
        }
        let state = survival.representative(Open::Survives);
        let is_good = self.note_examined(cut, case, examined, || state.clone());
        let life = if is_good {
            self.live_on(cut, case, &survival)?
        } else {
            None
        };
        Ok(Some((state, life)))
    }

    fn check_leaf(
        &mut self,
        cut: &Cut<'_>,
        case: &CasePath,
        survival: &Survival,
        again: bool,
    ) -> Result<Option<Life>, ExploreError> {
        let (tables, rng) = (Rc::clone(&self.tables), cut.rng_of_leaves());
        let examination = cut.examination(self.setup, &tables, &rng);
        let examined = examination.run_lazily(survival.clone(), &mut self.observed);
        if let Some(how) = survival.strayed() {
            let id = case.id();
            return Err(internal(&format!("case {id} goes another way: {how}")));
        }
        for open in [Open::Survives, Open::Lost].into_iter().filter(|_| again) {
            let decided = examination.run(survival.representative(open), &mut self.observed);
            if !examined.agrees(&decided, false) {
                return Err(internal(&format!(
                    "case {} ends differently where all is decided",
                    case.id()
                )));
            }
        }
        let state = || survival.representative(Open::Survives);
        if self.note_examined(cut, case, examined, state) {
            self.live_on(cut, case, survival)
        } else {
            Ok(None)
        }
    }

    /// The life after a leaf that is to be cut again: of the state in which all that was not decided survived.
    fn live_on(
        &mut self,
        cut: &Cut<'_>,
        case: &CasePath,
        survival: &Survival,
    ) -> Result<Option<Life>, ExploreError> {
        if !Self::is_cut_again(cut, case, &case.rng(cut.life)?) {
            return Ok(None);
        }
        let state = survival.representative(Open::Survives);
        self.check(cut, case, &state, false)
    }
}

impl Cut<'_> {
    /// The generator of all runs of this crash point.
    fn rng_of_leaves(&self) -> Rng {
        self.life.rng.split("leaves", self.at.0)
    }

    fn examination<'a>(
        &'a self,
        setup: &'a Setup,
        tables: &'a [String],
        rng: &'a Rng,
    ) -> Examination<'a> {
        Examination {
            setup,
            ground: self.ground,
            obligations: self.obligations,
            rng,
            next: Next::End,
            reopened: 1.0,
            tables,
        }
    }
}

fn leaf_key(point: u128, decisions: &Decisions) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&point.to_le_bytes());
    for chosen in decisions.as_slice() {
        hasher.update(&chosen.to_le_bytes());
    }
    hasher.digest128()
}
