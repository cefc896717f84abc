//! Which code explores a batch: the real one, or the built-in target that tests the machinery.

use super::selftest;
use crate::batch::{Batch, BatchResult, CaseId, CaseResult, ExploreError};
use crate::explore;
use crate::process;
use crate::scenario::Plane;
use crate::target::{self, Options};

/// The names of all targets that scenarios can give options for.
pub fn target_names() -> Vec<String> {
    target::TARGETS
        .iter()
        .copied()
        .chain([selftest::NAME])
        .map(str::to_owned)
        .collect()
}

/// Refuses an option that the target does not know, or a value that it cannot take, saying why.
pub fn check_option(target: &str, name: &str, value: &str) -> Result<(), String> {
    if target == selftest::NAME {
        return selftest::check_option(name, value);
    }
    let target = target::find(target).ok_or_else(|| "unknown target".to_owned())?;
    let option = Options::from([(name.to_owned(), value.to_owned())]);
    target
        .check_options(&option)
        .map_err(|error| error.to_string())
}

pub(super) fn run_batch(
    batch: &Batch,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    match batch.target.as_str() {
        selftest::NAME => selftest::run_batch(batch, announce),
        _ if batch.scenario.plane == Plane::Process => process::run_batch(batch, announce),
        _ => explore::run_batch(batch, announce),
    }
}

pub(super) fn run_case(batch: &Batch, case: &CaseId) -> Result<CaseResult, ExploreError> {
    match batch.target.as_str() {
        selftest::NAME => selftest::run_case(batch, case),
        _ if batch.scenario.plane == Plane::Process => process::run_case(batch, case),
        _ => explore::run_case(batch, case),
    }
}

pub(super) fn hunt(
    batch: &Batch,
    wanted: &str,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    match batch.target.as_str() {
        selftest::NAME => selftest::run_batch(batch, announce),
        _ => explore::hunt(batch, wanted, announce),
    }
}
