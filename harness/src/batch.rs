//! What travels between running scenarios and exploring crash states.
//!
//! A *batch* is one run of a scenario's workload, with options and transactions drawn from the seed and
//! the run's index, and all the crash states explored from it. Batches are deterministic and independent
//! of each other: whoever computes one, whenever, gets the same [`BatchResult`], its `timing` apart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use lightning_report::{Histogram, TimelineEntry};
use serde::{Deserialize, Serialize};

use crate::scenario::{CheckKind, Feature, Scenario};

/// The variety of a fault that comes to clients on threads of their own: its part of the name after the fault's.
pub const ON_THREADS: &str = "clients on threads";

/// One run of a scenario's workload, to be explored.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What to run.
    pub scenario: Arc<Scenario>,
    /// The target engine's name.
    pub target: String,
    /// Options that take the place of those drawn.
    pub options: BTreeMap<String, String>,
    /// The seed of the whole invocation.
    pub seed: u64,
    /// Which run of the scenario this is, from 0.
    pub run: u32,
    /// Whether the scenario's plants are active.
    pub plants: PlantSwitch,
    /// Distinct states after which this batch stops, wherever it is.
    pub states_max: u64,
    /// Cases that ended a worker before and are left out.
    pub skip: Vec<CaseId>,
}

/// Whether a scenario's planted bugs are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlantSwitch {
    /// They are.
    Planted,
    /// They are not: the control run.
    Healthy,
}

/// Names one crash state of a batch: for each generation where the power was cut and which survival was
/// drawn, `p<crash point>.s<sample>`, or what was decided where the target looked, `p<crash point>.d<decisions>`, joined
/// by `/`. `e<operation>.v<variant>` is a run in which storage failed from an operation on, and stands first, with the life of it
/// (`.l<life>`), if crashes follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseId(pub String);

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What exploring a batch gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResult {
    /// The options drawn for this run.
    pub options: BTreeMap<String, String>,
    /// What the target promises with these options, by durability level.
    #[serde(default)]
    pub promises: BTreeMap<String, String>,
    /// Crash points that were visited.
    pub crash_points: u64,
    /// Crash states generated, equal ones included.
    pub generated: u64,
    /// The deduplication keys of the states that were checked, in order.
    pub distinct: Vec<u128>,
    /// States that were recovered and checked.
    pub checked: u64,
    /// States after whose crashes the target promised nothing, so that only panics and hangs were told.
    #[serde(default)]
    pub unpromised: u64,
    /// Crash points of which every legal state was covered.
    pub covered: Vec<CoveredPoint>,
    /// Crash points whose states were drawn, of whatever generation, and those where the budget ended first.
    pub sampled_points: u64,
    /// How states ended, by the name of the end: `survived`, `detected`, `cannot-open`, `wrong`, `panicked`, `hung`.
    #[serde(default)]
    pub outcomes: BTreeMap<String, u64>,
    /// Every broken invariant, one entry a state and check.
    pub findings: Vec<Finding>,
    /// States about which a bounded search gave no verdict.
    pub inconclusive: Vec<Inconclusive>,
    /// Power cuts that happened.
    pub faults_fired: u64,
    /// The other faults, by the names of their kinds.
    #[serde(default)]
    pub faults: BTreeMap<String, FaultCounts>,
    /// Named places of the engine at which something was to happen: how often each was reached, and how often it happened.
    #[serde(default)]
    pub failpoints: BTreeMap<String, FaultCounts>,
    /// Operations each plant dropped, by the plant's place in the file (`plant 0`).
    pub elisions_fired: BTreeMap<String, u64>,
    /// In how many states each check really examined something.
    pub checks_seen: BTreeMap<CheckKind, u64>,
    /// How often clients did what not every workload does.
    #[serde(default)]
    pub features: BTreeMap<Feature, u64>,
    /// What clients did in the first life, before anything befell it.
    #[serde(default)]
    pub operations: usize,
    /// Disk operations that each recovery took.
    pub recovery_operations: Histogram,
    /// What depends on the machine.
    pub timing: BatchTiming,
}

/// How often a fault was prepared, and how often it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCounts {
    /// Runs in which it could have come.
    pub armed: u64,
    /// Runs in which it came.
    pub fired: u64,
}

/// A crash point of which every legal state was covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredPoint {
    /// The deduplication key of the disk with all that was undecided.
    pub key: u128,
    /// The legal states, a decimal number.
    pub legal_states: String,
    /// The states that stood for them.
    pub representatives: u64,
}

/// The part of a batch's result that differs from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchTiming {
    /// Microseconds that each recovery took.
    pub recovery_us: Histogram,
}

/// A broken invariant in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The invariant.
    pub check: CheckKind,
    /// The same for findings with the same cause, as far as can be told: the check and the evidence
    /// without its accidental numbers.
    pub fingerprint: String,
    /// The state.
    pub case: CaseId,
    /// One sentence for a person; may be empty.
    pub title: String,
    /// Where the power was cut: the number of the last operation of the trace that had begun.
    pub crash_point: u64,
    /// The boot in which the cut was, counted from 1.
    pub generation: u32,
    /// What the oracle allows.
    pub expected: String,
    /// What was there.
    pub actual: String,
    /// The last operations before the cut, and what survived of each.
    pub timeline: Vec<TimelineEntry>,
    /// Assumptions about storage that the state violates; may be empty.
    pub assumptions: Vec<String>,
}

impl Finding {
    /// Whether it asks less of bad storage than another one: the better witness of what they share.
    pub fn needs_less_than(&self, other: &Self) -> bool {
        self.assumptions.len() < other.assumptions.len()
    }
}

/// A state without a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inconclusive {
    /// The state.
    pub case: CaseId,
    /// Why there is none.
    pub reason: String,
}

/// What running a single case gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseResult {
    /// The options drawn for its run.
    pub options: BTreeMap<String, String>,
    /// Every broken invariant.
    pub findings: Vec<Finding>,
    /// Why there is no verdict, if there is none.
    pub inconclusive: Option<String>,
    /// How much clients did, where that is known: in the runs in which storage fails.
    pub operations: usize,
    /// The files as the crash left them, before recovery, by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A batch that could not be explored. Nothing about the target follows from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExploreError {
    /// There is no such target.
    #[error("unknown target `{name}`, expected one of {known:?}")]
    UnknownTarget {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The target refuses an option.
    #[error("target {target} refuses option {option}: {reason}")]
    Option {
        /// The target.
        target: String,
        /// The option, with its value.
        option: String,
        /// Why.
        reason: String,
    },
    /// The target promises nothing under a crash model: whatever it showed, nothing would follow.
    #[error("target {target} promises nothing under the model `{model}`")]
    NothingPromised {
        /// The target.
        target: String,
        /// The model.
        model: String,
    },
    /// A workload runs on threads, and the target can't.
    #[error("target {target} cannot be used by several threads, which the workload asks for")]
    NoThreads {
        /// The target.
        target: String,
    },
    /// A case that this batch does not have.
    #[error("this run has no case {0}")]
    UnknownCase(CaseId),
    /// The harness contradicts itself.
    #[error("internal error: {0}")]
    Internal(String),
}
