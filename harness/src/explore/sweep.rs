//! Sweeping over the operations of a run: the first fails, the second, the third…, until so many are not there.
//!
//! 1. A trouble is one way in which storage fails in a run: where it begins, and which variant of the fault it is.
//! 2. A sweep is over when a run comes to its end and nothing has failed in it. One that ends before that gives no verdict.
//! 3. Where a failed sync leaves nothing to choose, the variants that differ in that alone are run once.
//! 4. If the scenario cuts the power too, it does so in the lives in which storage failed, after it did, and in those that follow.

use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3;

use super::batch::Explorer;
use super::case::{CasePath, Trouble};
use super::evidence::{finding, outcome_of};
use super::examine::{Examination, Next};
use super::life::Life;
use super::ordeal::Endured;
use super::{points, timeline};
use crate::batch::{CaseId, ExploreError, FaultCounts, Finding, Inconclusive};
use crate::oracle::Violation;
use crate::scenario::{
    CacheAfter, FailpointAction, FirstFailure, IoError, IoErrorVariant, PowerLoss,
};
use crate::trace::{DiskState, Event, Mark};

/// Crash points in a life that storage has troubled, where the scenario does not say how many.
const CUTS: usize = 4;

/// What running with one trouble came to.
pub(super) struct Troubled {
    pub(super) lives: Vec<(Life, bool)>,
    pub(super) end: Option<DiskState>,
    pub(super) failures: u64,
    /// Whether it would have mattered what a failed sync does to the cache.
    pub(super) failed_sync: bool,
}

/// What the trouble of a case leads to.
pub(super) enum Rerun {
    /// The case has none.
    Nothing,
    /// The life that the first crash is one of.
    Life(Box<Life>),
    /// What storage held in the end; nothing if there is no such case.
    End(Option<DiskState>),
}

pub(super) const CUT_OFF: &str = "the budget of states ended before the sweep";
const UNMATCHED: &str = "no operation is one that may fail so";

impl Explorer<'_> {
    /// Goes through the trouble of a case.
    pub(super) fn rerun_trouble(&mut self, path: &CasePath) -> Result<Rerun, ExploreError> {
        let Some((trouble, life)) = &path.trouble else {
            return Ok(Rerun::Nothing);
        };
        let fault = self.setup.io_error();
        let fault = fault.filter(|fault| trouble.variant < fault.variants().len());
        let Some(fault) = fault else {
            return Ok(Rerun::End(None));
        };
        let Some(life) = *life else {
            let troubled = self.troubled(&fault, trouble, &path.id())?;
            return Ok(Rerun::End(Some(troubled.end.unwrap_or_default())));
        };
        let lives = self.endure(&fault, trouble)?.lives;
        let scripts = lives.iter().map(|(life, _)| life.script.operations());
        self.operations = scripts.sum();
        let life = lives.into_iter().nth(life);
        Ok(life.map_or(Rerun::End(None), |(life, _)| Rerun::Life(Box::new(life))))
    }

    /// Lets storage fail wherever the fault asks for it.
    pub(super) fn sweep(&mut self, fault: &IoError) -> Result<(), ExploreError> {
        let operations = match fault.at {
            FirstFailure::EveryOperation => None,
            FirstFailure::Sampled => Some(fault.points.map_or(1, std::num::NonZeroU32::get)),
        };
        let mut same = Vec::new();
        let variants = fault.variants();
        if !fault.failpoints.is_empty() {
            return self.sweep_failpoints(fault, variants.len());
        }
        for (variant, what) in variants.iter().enumerate() {
            let twin = IoErrorVariant {
                cache: CacheAfter::Kept,
                ..*what
            };
            let is_twin = variant.checked_sub(1).map(|before| variants[before]) == Some(twin);
            match operations {
                None => {
                    let skipped = if is_twin { same.as_slice() } else { &[] };
                    let indifferent = self.sweep_variant(fault, variant, skipped)?;
                    if !is_twin {
                        same = indifferent;
                    }
                }
                Some(count) => self.sample_variant(fault, variant, count)?,
            }
            if self.is_done() && variant + 1 < variants.len() {
                let variant = variant + 1;
                self.note_no_trouble(&Trouble { variant, first: 1 }, CUT_OFF);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Fails the first operation, the second and so on, but for those in `skipped`. Returns those with which the cache did not matter.
    fn sweep_variant(
        &mut self,
        fault: &IoError,
        variant: usize,
        skipped: &[u64],
    ) -> Result<Vec<u64>, ExploreError> {
        let mut indifferent = Vec::new();
        for first in 1.. {
            let trouble = Trouble { variant, first };
            if skipped.binary_search(&first).is_ok() {
                continue;
            }
            if self.is_done() {
                self.note_no_trouble(&trouble, CUT_OFF);
                break;
            }
            let Some(troubled) = self.run_trouble(fault, &trouble)? else {
                continue;
            };
            if !troubled.failed_sync {
                indifferent.push(first);
            }
            if troubled.failures == 0 {
                if troubled.end.is_none() {
                    self.note_no_trouble(&trouble, "the run ended before the sweep");
                } else if first == 1 && fault.failpoints.is_empty() {
                    self.note_no_trouble(&trouble, UNMATCHED);
                }
                break;
            }
        }
        Ok(indifferent)
    }

    /// Lets places of the engine fail, each at the time asked for, or each time it is reached in turn.
    fn sweep_failpoints(&mut self, fault: &IoError, variants: usize) -> Result<(), ExploreError> {
        for variant in 0..variants {
            if let Some(only) = fault.only_hit {
                let first = u64::from(only.get());
                if self.is_done() {
                    self.note_no_trouble(&Trouble { variant, first }, CUT_OFF);
                    return Ok(());
                }
                self.run_trouble(fault, &Trouble { variant, first })?;
            } else {
                self.sweep_variant(fault, variant, &[])?;
            }
        }
        Ok(())
    }

    fn sample_variant(
        &mut self,
        fault: &IoError,
        variant: usize,
        count: u32,
    ) -> Result<(), ExploreError> {
        let beyond = Trouble {
            variant,
            first: u64::MAX,
        };
        let matching = self.endure(fault, &beyond)?.failures.matched;
        if matching == 0 {
            self.note_no_trouble(&Trouble { variant, first: 1 }, UNMATCHED);
        }
        let mut rng = self.setup.rng.split("first failures", variant as u64);
        for _ in 0..count.min(u32::try_from(matching).unwrap_or(u32::MAX)) {
            let first = 1 + rng.below(matching.max(1));
            if self.is_done() {
                self.note_no_trouble(&Trouble { variant, first }, CUT_OFF);
                break;
            }
            self.run_trouble(fault, &Trouble { variant, first })?;
        }
        Ok(())
    }

    /// A case that a sweep owes and did not try leaves the scenario without a verdict.
    pub(super) fn note_untried(&mut self, path: &CasePath, reason: &str) {
        let (case, reason) = (path.id(), reason.to_owned());
        self.result.inconclusive.push(Inconclusive { case, reason });
    }

    fn note_no_trouble(&mut self, trouble: &Trouble, reason: &str) {
        self.note_untried(&CasePath::troubled(0, trouble.clone(), None), reason);
    }

    /// One run of a sweep. Nothing if it is left out.
    fn run_trouble(
        &mut self,
        fault: &IoError,
        trouble: &Trouble,
    ) -> Result<Option<Troubled>, ExploreError> {
        let case = CasePath::troubled(0, trouble.clone(), None).id();
        if self.skip.contains(&case) {
            return Ok(None);
        }
        (self.announce)(&case);
        let troubled = self.troubled(fault, trouble, &case)?;
        let name = if fault.failpoints.is_empty() {
            "io-error"
        } else {
            FailpointAction::Error.fault_name()
        };
        let counts = self.result.faults.entry(name.to_owned());
        let FaultCounts { armed, fired } = counts.or_default();
        *armed += 1;
        *fired += u64::from(troubled.failures > 0);
        if let Some(variant) = fault.variants().get(trouble.variant) {
            let name = format!("io-error: {}", variant.error);
            self.note_variety(name, troubled.failures > 0);
        }
        if fault.failpoints.is_empty() {
            self.note_threads("io-error", troubled.failures > 0);
        }
        if troubled.failures > 0 {
            self.result.distinct.push(self.trouble_key(trouble));
            self.cut_troubled(&troubled, trouble)?;
        }
        Ok(Some(troubled))
    }

    /// Runs with a trouble, and notes what is wrong.
    pub(super) fn troubled(
        &mut self,
        fault: &IoError,
        trouble: &Trouble,
        case: &CaseId,
    ) -> Result<Troubled, ExploreError> {
        let endured = self.endure(fault, trouble)?;
        let scripts = endured.lives.iter();
        self.operations = scripts.map(|(life, _)| life.script.operations()).sum();
        for ended in &endured.ended {
            self.note_elisions(&ended.elisions_fired);
            self.note_ignored(&ended.ignored_fired);
            self.note_features(&ended.features);
            self.note_reached(&ended.failpoints);
        }
        for &check in &endured.seen {
            *self.result.checks_seen.entry(check).or_default() += 1;
        }
        let Endured {
            lives,
            end,
            failures,
            mut violations,
            is_undecided,
            ..
        } = endured;
        let mut last = None;
        if let Some((state, ground)) = end {
            let obligations = ground.obligations(&self.setup.promises);
            let rng = self.setup.rng.split("after a trouble", trouble.first);
            let tables = Rc::clone(&self.tables);
            let examination = Examination {
                setup: self.setup,
                ground: &ground,
                obligations: &obligations,
                rng: &rng,
                next: Next::End,
                reopened: 1.0,
                tables: &tables,
            };
            let examined = examination.run(state.clone(), &mut self.observed);
            violations.extend(examined.violations.iter().cloned());
            self.note(&examined);
            if examined.is_undecided {
                self.note_undecided(case.clone());
            }
            last = Some(state);
        }
        if is_undecided {
            self.note_undecided(case.clone());
        }
        self.note_failed_place(fault, trouble, failures.count);
        violations.retain(|violation| self.is_asked(violation));
        self.note_outcome(outcome_of(&violations));
        let what = failures.first.as_ref();
        let what = what.map_or_else(String::new, |what| format!(", after {what} failed"));
        self.note_troubled(case, &lives, violations, &what);
        Ok(Troubled {
            lives,
            end: last,
            failures: failures.count,
            failed_sync: failures.failed_sync,
        })
    }

    fn note_troubled(
        &mut self,
        case: &CaseId,
        lives: &[(Life, bool)],
        violations: Vec<Violation>,
        what: &str,
    ) {
        for mut violation in violations {
            violation.shape.push_str(what);
            let failed = lives.iter().find(|(_, has_failed)| *has_failed);
            let shown = failed.or(lives.last());
            let finding = Finding {
                timeline: shown.map_or_else(Vec::new, |(life, _)| {
                    timeline::around(&life.trace, is_failure)
                }),
                ..finding(case, violation)
            };
            self.result.findings.push(finding);
        }
    }

    /// Cuts the power after storage has failed, if the scenario asks for it.
    fn cut_troubled(&mut self, troubled: &Troubled, trouble: &Trouble) -> Result<(), ExploreError> {
        let Some((place, fault)) = self.setup.batch.scenario.power_loss() else {
            return Ok(());
        };
        let mut has_failed = false;
        for (number, (life, failed_here)) in troubled.lives.iter().enumerate() {
            has_failed |= failed_here;
            if has_failed && !self.is_done() {
                let path = CasePath::troubled(place, trouble.clone(), Some(number));
                let cuts = cuts(life, fault);
                self.explore(fault, life, &path, &cuts)?;
            }
        }
        Ok(())
    }

    fn trouble_key(&self, trouble: &Trouble) -> u128 {
        let mut hasher = Xxh3::new();
        let run = u64::from(self.setup.batch.run);
        let numbers = [
            self.setup.digest,
            run,
            trouble.variant as u64,
            trouble.first,
        ];
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        hasher.digest128()
    }
}

/// Where a life that storage has troubled is cut.
fn cuts(life: &Life, fault: &PowerLoss) -> Vec<crate::trace::TracePosition> {
    let first = life.trace.events.iter().position(is_failure).unwrap_or(0);
    let wanted = fault.points.map_or(CUTS, |points| points.get() as usize);
    points::after(life, fault.model_of(0), first, wanted)
}

/// Whether an event says that an operation failed.
pub(super) fn is_failure(event: &Event) -> bool {
    matches!(event, Event::Mark(Mark::Failure(_)))
}
