//! The report of one run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Grid, ScenarioReport, ScenarioVerdict, Verdict};

/// The schema version that this crate writes, and the newest that it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// One run of the harness: `report.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this schema.
    pub schema_version: u32,
    /// The run's verdict.
    pub verdict: Verdict,
    /// The seed, as it is given to `--seed`. A string, since JSON's numbers end at 2^53.
    pub seed: String,
    /// The engine that was tested.
    pub target: String,
    /// Sums over all scenarios.
    pub totals: Totals,
    /// Every scenario that was asked for, in the order of their files.
    pub scenarios: Vec<ScenarioReport>,
    /// What was asked for and did not run.
    pub skipped: Vec<Skipped>,
    /// What there is to exercise, whatever this run did.
    #[serde(default, skip_serializing_if = "Grid::is_empty")]
    pub grid: Grid,
    /// How long it took. Not reproducible.
    #[serde(default)]
    pub timing: Timing,
    /// Where it ran. Not reproducible.
    #[serde(default)]
    pub environment: Environment,
}

/// Sums over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Scenarios that ran, whatever their verdict; the skipped ones are not among them.
    pub scenarios: u64,
    /// What they did.
    #[serde(flatten)]
    pub counts: Counts,
}

/// How much was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Cases run.
    pub cases: u64,
    /// Points at which the power was cut.
    pub crash_points: u64,
    /// Crash states behind those points.
    pub crash_states: CrashStates,
}

/// Crash states, from those thought of to those judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CrashStates {
    /// Built or drawn, with repetitions.
    pub generated: u64,
    /// Different by image, options, model, pending writes and oracle obligations.
    pub distinct: u64,
    /// Recovered and judged by every check. Above `distinct` where a state was met again in another batch.
    pub checked: u64,
}

/// Something that was asked for and did not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// The scenario's id.
    pub id: String,
    /// Its file.
    pub file: String,
    /// Why it did not run, and what would help.
    pub reason: String,
}

/// How long a run took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// When it began, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Wall-clock time from the first case to the last.
    pub wall_ms: u64,
    /// Distinct crash states checked per second of wall-clock time.
    pub states_per_second: u64,
}

/// Where a run took place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Version of the harness.
    pub version: String,
    /// Commit of the code under test, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Logical processors that the run could use.
    pub cpus: u32,
    /// Worker processes.
    pub jobs: u32,
    /// The command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Anything else worth knowing about the machine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, String>,
}

impl Report {
    /// Assembles a report: the verdict, the totals and the list of skipped scenarios follow from
    /// `scenarios`.
    pub fn new(seed: String, target: String, scenarios: Vec<ScenarioReport>) -> Self {
        Self {
            grid: Grid::default(),
            schema_version: SCHEMA_VERSION,
            verdict: Verdict::of_run(scenarios.iter().map(|s| s.verdict)),
            seed,
            target,
            totals: Totals::of(&scenarios),
            skipped: scenarios.iter().filter_map(Skipped::of).collect(),
            scenarios,
            timing: Timing::default(),
            environment: Environment::default(),
        }
    }

    /// The same report without what depends on time or machine: equal for equal (commit, scenarios,
    /// seed).
    #[must_use]
    pub fn reproducible(mut self) -> Self {
        self.timing = Timing::default();
        self.environment = Environment::default();
        for scenario in &mut self.scenarios {
            scenario.timing = None;
        }
        self
    }

    /// The JSON Schema of `report.json`.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).into()
    }
}

impl Totals {
    fn of(scenarios: &[ScenarioReport]) -> Self {
        let mut totals = Self::default();
        for scenario in scenarios
            .iter()
            .filter(|s| s.verdict != ScenarioVerdict::Skipped)
        {
            totals.scenarios += 1;
            totals.counts.add(&scenario.totals);
        }
        totals
    }
}

impl Counts {
    /// Adds `other` to these.
    pub const fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.crash_points += other.crash_points;
        self.crash_states.generated += other.crash_states.generated;
        self.crash_states.distinct += other.crash_states.distinct;
        self.crash_states.checked += other.crash_states.checked;
    }
}

impl Skipped {
    fn of(scenario: &ScenarioReport) -> Option<Self> {
        (scenario.verdict == ScenarioVerdict::Skipped).then(|| Self {
            id: scenario.id.clone(),
            file: scenario.file.clone(),
            reason: scenario
                .reason
                .clone()
                .unwrap_or_else(|| "no reason was recorded".to_owned()),
        })
    }
}
