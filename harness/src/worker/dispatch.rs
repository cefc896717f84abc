//! Which code explores a batch: the real one, or the built-in target that tests the machinery.

use super::selftest;
use crate::batch::{Batch, BatchResult, CaseId, CaseResult, ExploreError};

/// The names of all targets that scenarios can give options for.
pub fn target_names() -> Vec<String> {
    vec![selftest::NAME.to_owned()]
}

/// Refuses an option that the target does not know, or a value that it cannot take, saying why.
pub fn check_option(target: &str, name: &str, value: &str) -> Result<(), String> {
    match target {
        selftest::NAME => selftest::check_option(name, value),
        _ => Err("unknown target".to_owned()),
    }
}

pub(super) fn run_batch(
    batch: &Batch,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    match batch.target.as_str() {
        selftest::NAME => selftest::run_batch(batch, announce),
        _ => Err(unknown(batch)),
    }
}

pub(super) fn run_case(batch: &Batch, case: &CaseId) -> Result<CaseResult, ExploreError> {
    match batch.target.as_str() {
        selftest::NAME => selftest::run_case(batch, case),
        _ => Err(unknown(batch)),
    }
}

fn unknown(batch: &Batch) -> ExploreError {
    ExploreError::UnknownTarget {
        name: batch.target.clone(),
        known: target_names(),
    }
}
