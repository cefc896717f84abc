//! What parent and worker say to each other: one JSON value a line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, BatchResult, CaseId, ExploreError, Finding, Inconclusive, PlantSwitch};
use crate::explore::{ExactCase, Explanation, IssuedSyncs, Reach, Searched};
use crate::scenario::{Scenario, ScenarioError};

/// Something for a worker to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What errors call the scenario.
    pub file: String,
    /// The scenario's text.
    pub text: Arc<str>,
    /// The target engine's name.
    pub target: String,
    /// Options that take the place of those drawn.
    pub options: BTreeMap<String, String>,
    /// The seed of the whole invocation.
    pub seed: u64,
    /// Which run of the scenario.
    pub run: u32,
    /// Whether the scenario's plants are active.
    pub plants: PlantSwitch,
    /// Distinct states after which the batch stops.
    pub states_max: u64,
    /// Cases to leave out.
    pub skip: Vec<CaseId>,
    /// All of the run's cases, or one.
    pub task: Task,
}

/// How much of a run is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Every case.
    Explore,
    /// One case.
    Case {
        /// Which.
        case: CaseId,
        /// A directory into which the files go as the crash left them.
        materialize: Option<PathBuf>,
    },
    /// Cases until one shows a finding with this fingerprint.
    Hunt {
        /// The fingerprint.
        wanted: String,
    },
    /// An exact case.
    Exact {
        /// Which.
        case: ExactCase,
        /// A directory into which the files go as the last cut left them.
        materialize: Option<PathBuf>,
    },
    /// A case as an exact one.
    MakeExact {
        /// Which.
        case: CaseId,
    },
    /// The last cut with which an exact case shows a finding.
    Search {
        /// The case.
        case: ExactCase,
        /// The finding's fingerprint.
        wanted: String,
        /// How far to look.
        reach: Reach,
    },
    /// The syncs of the run and of some recoveries.
    ListSyncs,
    /// What an exact case says beyond its finding.
    Explain {
        /// Which.
        case: ExactCase,
    },
    /// The least that has to survive, or to be lost, for an exact case to show a finding.
    Least {
        /// The case.
        case: ExactCase,
        /// The finding's fingerprint.
        wanted: String,
        /// States that are tried, at most.
        tries_max: u64,
    },
}

/// A batch's result on its way to the parent: equal findings are counted, the first is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explored {
    /// The result; its `findings` are moved into `clusters`.
    pub result: BatchResult,
    /// The findings by fingerprint.
    pub clusters: Vec<Cluster>,
}

/// Findings with one fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The first.
    pub finding: Finding,
    /// How many there are.
    pub count: u64,
}

/// What a single case gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseAnswer {
    /// The options drawn for its run.
    pub options: BTreeMap<String, String>,
    /// Every broken invariant.
    pub findings: Vec<Finding>,
    /// Why there is no verdict, if there is none.
    pub inconclusive: Option<String>,
    /// How much clients did, where that is known.
    #[serde(default)]
    pub operations: usize,
}

/// A worker's answer to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    Explored(Box<Explored>),
    Case(Box<CaseAnswer>),
    MadeExact(Option<Box<ExactCase>>),
    Searched(Box<Searched>),
    Explained(Box<Explanation>),
    Syncs(IssuedSyncs),
    Failed(ExploreError),
}

impl Job {
    /// The batch that this job is about.
    pub fn batch(&self) -> Result<Batch, Box<ScenarioError>> {
        Ok(Batch {
            scenario: Arc::new(Scenario::parse(&self.file, &self.text)?),
            target: self.target.clone(),
            options: self.options.clone(),
            seed: self.seed,
            run: self.run,
            plants: self.plants,
            states_max: self.states_max,
            skip: self.skip.clone(),
        })
    }
}

impl Explored {
    /// Clusters a batch's findings.
    pub fn new(mut result: BatchResult) -> Self {
        let findings = std::mem::take(&mut result.findings);
        let mut explored = Self {
            result,
            clusters: Vec::new(),
        };
        for finding in findings {
            explored.add(finding);
        }
        explored
    }

    /// Adds a finding to its cluster.
    pub fn add(&mut self, finding: Finding) {
        let known = self
            .clusters
            .iter_mut()
            .find(|c| c.finding.fingerprint == finding.fingerprint);
        match known {
            Some(cluster) => {
                cluster.count += 1;
                if finding.needs_less_than(&cluster.finding) {
                    cluster.finding = finding;
                }
            }
            None => self.clusters.push(Cluster { finding, count: 1 }),
        }
    }

    /// Adds a case that was run alone.
    pub(super) fn add_case(&mut self, case: CaseId, answer: CaseAnswer) {
        self.result.generated += 1;
        self.result.checked += 1;
        answer
            .findings
            .into_iter()
            .for_each(|finding| self.add(finding));
        if let Some(reason) = answer.inconclusive {
            self.result.inconclusive.push(Inconclusive { case, reason });
        }
    }
}
