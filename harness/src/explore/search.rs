//! Looking for a finding in a case that was made smaller.
//!
//! 1. A search for a hang has little patience: each state that shows it costs all that there is. What is found so is run again with full
//!    patience, and if it was only slow the search is done over with that.
//! 2. Where clients have threads, what is left out changes whose turn it is. So a few other orders of turns are tried, which are part of the
//!    case then.

use super::exact::{Reach, Searched, least_on, run_on, search_on};
use super::exact_case::ExactCase;
use super::setup::{Setup, is_hang};
use crate::batch::{Batch, ExploreError};

/// Orders of turns that are tried beside that of the case.
const OTHER_TURNS: u64 = 3;

/// Takes what survives the last cut towards nothing and towards everything, and keeps the shorter of the two. The case must show the
/// finding.
pub fn least_survival(
    batch: &Batch,
    case: &ExactCase,
    wanted: &str,
    tries_max: u64,
) -> Result<Searched, ExploreError> {
    let setups = Setups::new(batch, wanted)?;
    setups.search(wanted, |setup| least_on(setup, case, wanted, tries_max))
}

/// Looks for a last cut with which a case shows a finding with this fingerprint; or for the finding before any cut, if the case has none.
pub fn search_exact(
    batch: &Batch,
    case: &ExactCase,
    wanted: &str,
    reach: Reach,
) -> Result<Searched, ExploreError> {
    Setups::new(batch, wanted)?.search_turns(case, wanted, reach)
}

/// What searches run on.
pub(super) struct Setups {
    hasty: Setup,
    patient: Setup,
}

impl Setups {
    fn new(batch: &Batch, wanted: &str) -> Result<Self, ExploreError> {
        Ok(Self::of(Setup::new(batch)?, Setup::new(batch)?, wanted))
    }

    /// Of two setups that are the same.
    pub(super) fn of(one: Setup, other: Setup, wanted: &str) -> Self {
        Self {
            hasty: one.in_search_of(wanted),
            patient: other,
        }
    }

    /// Searches in the order of turns that the case says, and for a hang of threads in some others.
    pub(super) fn search_turns(
        &self,
        case: &ExactCase,
        wanted: &str,
        reach: Reach,
    ) -> Result<Searched, ExploreError> {
        let mut lives = case.lives.iter();
        let has_threads = lives.next().is_some_and(|first| first.script.has_threads());
        let others = (0..=OTHER_TURNS).filter(|&turns| turns != case.turns);
        let others = others.filter(|_| has_threads && is_hang(wanted));
        let mut all = Searched::default();
        for turns in [case.turns].into_iter().chain(others) {
            let case = ExactCase {
                turns,
                ..case.clone()
            };
            let one = self.search(wanted, |setup| search_on(setup, &case, wanted, reach))?;
            all.tried += one.tried;
            if one.found.is_some() {
                all.found = one.found;
                break;
            }
        }
        Ok(all)
    }

    /// Searches in haste, and patiently if what that finds does not show it when there is time.
    fn search(
        &self,
        wanted: &str,
        search: impl Fn(&Setup) -> Result<Searched, ExploreError>,
    ) -> Result<Searched, ExploreError> {
        let found = search(&self.hasty)?;
        let Some(case) = found.found.as_ref().filter(|_| self.hasty.is_hasty()) else {
            return Ok(found);
        };
        let again = run_on(&self.patient, case)?.findings;
        if again.iter().any(|finding| finding.fingerprint == wanted) {
            return Ok(found);
        }
        let mut patiently = search(&self.patient)?;
        patiently.tried += found.tried;
        Ok(patiently)
    }
}
