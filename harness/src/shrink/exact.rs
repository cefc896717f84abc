//! Shrinking a power cut, or what is wrong before any: fewer cuts, fewer operations, less that survives or is lost.

use super::ask::{Asker, Stop};
use super::limits::Size;
use crate::ddmin::ddmin;
use crate::explore::{ExactCase, ExactLife, Reach};
use crate::workload::Script;

/// Where a search looks for the cut in a smaller case.
const REACH: Reach = Reach {
    points: 8,
    samples: 6,
};
/// Where it looks for the first one.
const FIRST_REACH: Reach = Reach {
    points: 24,
    samples: 12,
};
/// States that are tried to make a survival smaller.
const SURVIVALS: u64 = 600;
/// Times that all kinds of steps are tried in turn.
const ROUNDS: usize = 3;

/// The smallest case so far.
pub(super) struct Exactly<'a, 'b> {
    pub(super) asker: &'a mut Asker<'b>,
    pub(super) best: ExactCase,
    pub(super) progress: &'a mut dyn FnMut(Size, u64),
}

/// How large an exact case is.
pub(super) fn size_of(case: &ExactCase) -> Size {
    let cuts = case.lives.iter().filter_map(|life| life.cut.as_ref());
    Size {
        operations: case.operations(),
        faults: case.cuts(),
        pieces: cuts.map(|cut| cut.survives.len()).sum(),
    }
}

impl Exactly<'_, '_> {
    /// The first search: whether the case shows the finding at all.
    pub(super) fn begin(&mut self) -> Result<bool, Stop> {
        let found = self.asker.search(&self.best, FIRST_REACH)?;
        let shows = found.is_some();
        if let Some(found) = found {
            self.best = found;
        }
        Ok(shows)
    }

    /// Makes it as small as it gets.
    pub(super) fn run(&mut self) -> Result<(), Stop> {
        self.fewer_cuts()?;
        for _ in 0..ROUNDS {
            let before = self.best.clone();
            for place in (0..self.best.lives.len()).rev() {
                self.smaller_script(place)?;
            }
            self.less_survival()?;
            if self.best == before {
                break;
            }
        }
        Ok(())
    }

    /// Takes over a candidate if it shows the finding.
    fn take(&mut self, candidate: &ExactCase) -> Result<bool, Stop> {
        let Some(found) = self.asker.search(candidate, REACH)? else {
            return Ok(false);
        };
        self.best = found;
        (self.progress)(size_of(&self.best), self.asker.tried);
        Ok(true)
    }

    fn fewer_cuts(&mut self) -> Result<(), Stop> {
        let whole = self.best.clone();
        for count in 1..whole.lives.len() {
            let mut fewer = whole.clone();
            fewer.lives.truncate(count);
            if self.take(&fewer)? {
                return Ok(());
            }
        }
        if whole.lives.len() > 1 {
            let scripts = whole.lives.iter();
            let all = scripts.flat_map(|life| life.script.lines.clone());
            let script = Script {
                lines: all.collect(),
            };
            let cut = whole.lives.last().and_then(|last| last.cut.clone());
            let lives = vec![ExactLife { script, cut }];
            self.take(&ExactCase { lives, ..whole })?;
        }
        Ok(())
    }

    fn script(&self, place: usize) -> Script {
        let life = self.best.lives.get(place);
        life.map_or_else(Script::default, |life| life.script.clone())
    }

    /// The best case with another script of one life.
    fn with(&self, place: usize, script: Script) -> ExactCase {
        let mut case = self.best.clone();
        if let Some(life) = case.lives.get_mut(place) {
            life.script = script;
        }
        case
    }

    fn try_script(&mut self, place: usize, script: Script) -> Result<bool, Stop> {
        if script == self.script(place) {
            return Ok(true);
        }
        let candidate = self.with(place, script);
        self.take(&candidate)
    }

    fn smaller_script(&mut self, place: usize) -> Result<(), Stop> {
        self.shorter(place)?;
        let whole = self.script(place);
        let units = whole.units();
        ddmin(&units, &mut |kept: &[Vec<usize>]| {
            self.try_script(place, only(&whole, &kept.concat()))
        })?;
        let one = self.script(place).by_one_client();
        self.try_script(place, one)?;
        let short = self.script(place).with_short_values();
        self.try_script(place, short)?;
        let whole = self.script(place);
        let steps = whole.steps();
        ddmin(&steps, &mut |kept: &[usize]| {
            let lost: Vec<usize> = steps
                .iter()
                .copied()
                .filter(|s| !kept.contains(s))
                .collect();
            self.try_script(place, whole.without(&lost))
        })?;
        Ok(())
    }

    /// The first few transactions instead of all: what comes after a cut does not matter, and the first cut is often early enough.
    fn shorter(&mut self, place: usize) -> Result<(), Stop> {
        let whole = self.script(place);
        let units = whole.units();
        let mut count = 1;
        while count < units.len() {
            if self.try_script(place, only(&whole, &units[..count].concat()))? {
                break;
            }
            count *= 2;
        }
        Ok(())
    }

    fn less_survival(&mut self) -> Result<(), Stop> {
        let last = self.best.lives.last().and_then(|last| last.cut.as_ref());
        if last.is_none_or(|cut| cut.survives.is_empty()) {
            return Ok(());
        }
        if let Some(found) = self.asker.least(&self.best, SURVIVALS)? {
            self.best = found;
            (self.progress)(size_of(&self.best), self.asker.tried);
        }
        Ok(())
    }
}

/// The script with only these lines.
fn only(script: &Script, places: &[usize]) -> Script {
    let others: Vec<usize> = (0..script.lines.len())
        .filter(|place| !places.contains(place))
        .collect();
    script.without(&others)
}
