//! What an exact case says beyond its finding: what the cut took, which assumptions about storage that violates, and what would end it.

use lightning_report::{Assumption, Repair};

use super::batch::Explorer;
use super::exact::{Cuts, run_exact};
use super::exact_case::ExactCase;
use super::setup::Setup;
use super::trials::{Added, Trials};
use super::{assumptions, difference, ordering, repair};
use crate::batch::{Batch, CaseId, ExploreError, Finding};
use crate::scenario::{CheckKind, CrashModel};

/// What an exact case says beyond its finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Explanation {
    /// What the cut took, a line each.
    pub difference: Vec<String>,
    /// What storage must not keep to.
    pub assumptions: Vec<Assumption>,
    /// Syncs that would end it.
    pub repairs: Vec<Repair>,
    /// What would end it, if it reached the disk in this order, where no single sync does.
    #[serde(default)]
    pub orderings: Vec<Repair>,
    /// States that were tried.
    pub tried: u64,
}

/// Explains a case that shows something after a cut. Of others there is nothing to say.
pub fn explain(batch: &Batch, case: &ExactCase) -> Result<Explanation, ExploreError> {
    // Of a hang each of many states costs all the patience that there is.
    let shown = run_exact(batch, case)?.findings;
    let is_hang = |finding: &&Finding| finding.check == CheckKind::NoHang;
    let hang = shown.iter().find(is_hang);
    let wanted = hang.map_or("", |finding| &finding.fingerprint);
    explain_on(&Setup::new(batch)?.in_search_of(wanted), case)
}

pub(super) fn explain_on(setup: &Setup, case: &ExactCase) -> Result<Explanation, ExploreError> {
    let mut ignore = |_: &CaseId| ();
    let mut explorer = Explorer::new(setup, &mut ignore);
    let mut explanation = Explanation::default();
    let Some(ready) = explorer.ready(case, Cuts::AsTheyAre)? else {
        return Ok(explanation);
    };
    let last = case.lives.last().and_then(|last| last.cut.as_ref());
    let Some(cut) = last.filter(|_| explorer.result.findings.is_empty()) else {
        return Ok(explanation);
    };
    let fault = explorer.exact_fault(case)?;
    let generation = case.lives.len() - 1;
    let mut trials = Trials::new(&mut explorer, &fault, generation, &ready.life, cut);
    let all = trials.all.clone();
    let failing = trials.failing(&Added::new(), &all);
    explanation.tried = all.len() as u64;
    if let Some(first) = failing.first() {
        explanation.difference = difference::lines(&first.before, &first.after);
    }
    if trials.model() != CrashModel::ProcessCrash {
        explanation.assumptions = assumptions::card(&trials, &failing);
        explanation.repairs = repair::repairs(&mut trials, &failing);
        if trials.is_spent() {
            // Of what was not tried nothing can be said.
            explanation.repairs.clear();
            return Ok(explanation);
        }
        let last = explanation.repairs.last();
        let ends_all = last.is_some_and(|last| last.removed == last.failing);
        let syncs = ends_all.then_some(explanation.repairs.len());
        explanation.orderings = ordering::orderings(&mut trials, &failing, syncs);
    }
    Ok(explanation)
}
