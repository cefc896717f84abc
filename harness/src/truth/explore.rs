//! Exploring one setting.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::{Cell, Documented, Table};
use crate::batch::{Batch, ExploreError, Finding, PlantSwitch};
use crate::explore::run_batch;
use crate::scenario::{CheckKind, Scenario};

/// Where something documented was not found yet, the search goes on for so many times the states asked for.
const PATIENCE: u64 = 5;
/// Distinct states of one run of the workload, at most: the others show other transactions.
const STATES_OF_A_RUN: u64 = 400;
/// Runs of the workload, at most.
const RUNS_MAX: u32 = 400;

/// What exploring a setting gave.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Distinct states.
    pub states: u64,
    /// How many of them had lost commits, and nothing else.
    pub lost_count: u64,
    /// How many of them were damaged.
    pub corrupt_count: u64,
    /// The first that had lost commits.
    pub lost: Option<Witness>,
    /// The first that was damaged.
    pub corrupt: Option<Witness>,
}

/// A state that shows something.
#[derive(Clone, Debug)]
pub struct Witness {
    /// What is wrong with it.
    pub finding: Finding,
    /// The run of the workload.
    pub run: u32,
    /// The options of that run.
    pub options: BTreeMap<String, String>,
}

/// Explores runs of the scenario until there are `states` distinct states, and what is documented was found.
pub fn explore(
    scenario: &Arc<Scenario>,
    cell: Cell,
    table: Table,
    seed: u64,
    states: u64,
) -> Result<Found, ExploreError> {
    let documented = Documented::of(cell, table);
    let mut found = Found::default();
    let mut distinct = HashSet::new();
    for run in 0..RUNS_MAX {
        let batch = Batch {
            scenario: Arc::clone(scenario),
            target: "sqlite".to_owned(),
            options: cell.options(),
            seed,
            run,
            plants: PlantSwitch::Healthy,
            states_max: STATES_OF_A_RUN.min(states),
            skip: Vec::new(),
        };
        let result = run_batch(&batch, &mut |_| ())?;
        distinct.extend(result.distinct);
        found.states = distinct.len() as u64;
        found.add(result.findings, run, &result.options);
        let is_enough =
            found.states >= states && (found.has(documented) || found.states >= states * PATIENCE);
        if is_enough {
            break;
        }
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, findings: Vec<Finding>, run: u32, options: &BTreeMap<String, String>) {
        let is_corrupt = |finding: &&Finding| !only_loses(finding);
        let corrupt: BTreeSet<_> = findings
            .iter()
            .filter(is_corrupt)
            .map(|finding| finding.case.clone())
            .collect();
        let mut counted = BTreeSet::new();
        for finding in findings {
            let damaged = corrupt.contains(&finding.case);
            if damaged && only_loses(&finding) {
                continue;
            }
            let is_new = u64::from(counted.insert(finding.case.clone()));
            let (count, first) = if damaged {
                (&mut self.corrupt_count, &mut self.corrupt)
            } else {
                (&mut self.lost_count, &mut self.lost)
            };
            *count += is_new;
            first.get_or_insert_with(|| Witness {
                finding,
                run,
                options: options.clone(),
            });
        }
    }

    fn has(&self, documented: Documented) -> bool {
        match documented {
            Documented::Ok | Documented::Open => true,
            Documented::Lost => self.lost.is_some(),
            Documented::Corrupt => self.corrupt.is_some(),
            Documented::LostAndCorrupt => self.lost.is_some() && self.corrupt.is_some(),
        }
    }
}

/// Whether a finding says no more than that acknowledged commits are gone. A database that cannot be opened, read or
/// written to is damaged.
fn only_loses(finding: &Finding) -> bool {
    finding.check == CheckKind::Durability && !finding.fingerprint.contains("cannot-")
}
