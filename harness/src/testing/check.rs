//! What is asked for, and how it went.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lightning_report::{Report, ScenarioReport, ScenarioVerdict, Verdict};

use super::{builtin, render, replay};
use crate::run::{
    DEFAULT_SEED, Loaded, Outcome, RunConfig, Snapshot, Watch, execute, shrink_findings,
};
use crate::scenario::Scenario;
use crate::target::{self, Target};
use crate::worker::{Place, WorkerLimits};

/// A thread without a new case for this long is stuck.
const STALL: Duration = Duration::from_mins(1);
const SEED_VARIABLE: &str = "CHAOS_SEED";

/// Begins a test of an engine.
///
/// Nothing happens before [`run`](Check::run). See the [crate's page](crate) for a whole test.
#[must_use = "a check does nothing until it is run"]
pub fn check(target: impl Target + 'static) -> Check {
    Check {
        target: Arc::new(target),
        asked: Vec::new(),
        options: BTreeMap::new(),
        seed: DEFAULT_SEED,
        jobs: NonZeroUsize::MIN,
        shrinks: true,
        report: None,
    }
}

/// A test of an engine: scenarios, and how they are run.
#[derive(Debug)]
#[must_use = "a check does nothing until it is run"]
pub struct Check {
    pub(super) target: Arc<dyn Target>,
    asked: Vec<Result<Asked, String>>,
    options: BTreeMap<String, String>,
    pub(super) seed: u64,
    jobs: NonZeroUsize,
    shrinks: bool,
    report: Option<PathBuf>,
}

/// A scenario's text, and what messages call it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) file: String,
    pub(super) text: String,
}

/// All scenarios passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How many.
    pub scenarios: usize,
    /// Distinct states after a fault that were recovered and checked.
    pub states: u64,
}

/// What was found, or why nothing was tested. Its text says all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub(super) String);

impl Check {
    /// Adds a scenario: one that is built in by its name ([`BUILTIN`](super::BUILTIN)), a file by its path, which ends in `.toml`, or
    /// the text of one, which has several lines. Paths are those of a `cargo test`: from the package's directory.
    pub fn scenario(mut self, which: &str) -> Self {
        self.asked.push(found(which));
        self
    }

    /// Adds all scenarios that are built in.
    pub fn every_scenario(self) -> Self {
        super::BUILTIN.into_iter().fold(self, Self::scenario)
    }

    /// Gives the engine an option, in the place of what scenarios draw.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.insert(name.to_owned(), value.to_owned());
        self
    }

    /// All that is drawn is drawn from this number, 1 unless told; the environment variable `CHAOS_SEED` overrides it.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many threads explore, one unless told. What is found does not depend on it.
    pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = jobs;
        self
    }

    /// Leaves findings as they were found: shrinking may take ten seconds for each.
    pub fn without_shrinking(mut self) -> Self {
        self.shrinks = false;
        self
    }

    /// Writes `report.json`, `index.html` and case files into this directory, however it goes.
    pub fn report(mut self, dir: impl Into<PathBuf>) -> Self {
        self.report = Some(dir.into());
        self
    }

    /// Runs the scenarios.
    ///
    /// # Panics
    ///
    /// If one of them did not pass: with what it found, and a line that replays it.
    pub fn run(self) -> Passed {
        match self.try_run() {
            Ok(passed) => passed,
            Err(failed) => panic!("{failed}"),
        }
    }

    /// Runs the scenarios. The error says what [`run`](Self::run) panics with.
    pub fn try_run(mut self) -> Result<Passed, Failed> {
        if let Ok(text) = std::env::var(SEED_VARIABLE) {
            let number = text.parse();
            let wrong = |_| Failed(format!("{SEED_VARIABLE} is `{text}`: expected a number"));
            self.seed = number.map_err(wrong)?;
        }
        let scenarios = self.loaded()?;
        let _hosted = target::host(Arc::clone(&self.target));
        if let Some(case) = replay::asked() {
            return replay::replay(&self, &scenarios, &case);
        }
        let config = self.config();
        let never = AtomicBool::new(false);
        let mut outcome = execute(&config, &scenarios, &never, &mut Silent);
        if self.shrinks {
            shrink_findings(&config, &mut outcome, &never);
        }
        self.write_report(&outcome)?;
        judge(&outcome)
    }

    fn loaded(&self) -> Result<Vec<Loaded>, Failed> {
        let load = |asked: &Result<Asked, String>| {
            let asked = asked.clone().map_err(Failed)?;
            let scenario = Scenario::parse(&asked.file, &asked.text);
            let scenario = scenario.map_err(|error| Failed(error.render()))?;
            let (text, scenario) = (asked.text.into(), Arc::new(scenario));
            let file = asked.file;
            Ok(Loaded {
                file,
                text,
                scenario,
            })
        };
        let loaded: Vec<_> = self.asked.iter().map(load).collect::<Result<_, _>>()?;
        if loaded.is_empty() {
            let text = "no scenario is asked for: `.scenario(\"power-loss\")` is one";
            return Err(Failed(text.to_owned()));
        }
        for (number, one) in loaded.iter().enumerate() {
            let id = &one.scenario.id;
            if loaded[..number]
                .iter()
                .any(|other| other.scenario.id == *id)
            {
                return Err(Failed(format!("two scenarios have the id `{id}`")));
            }
        }
        Ok(loaded)
    }

    pub(super) fn limits(&self) -> WorkerLimits {
        WorkerLimits {
            place: Place::Here(Arc::clone(&self.target)),
            stall: STALL,
            memory_bytes: u64::MAX,
        }
    }

    fn config(&self) -> RunConfig {
        RunConfig {
            target: self.target.name().to_owned(),
            options: self.options.clone(),
            seed: self.seed,
            jobs: self.jobs,
            fail_fast: false,
            workers: self.limits(),
        }
    }

    fn write_report(&self, outcome: &Outcome) -> Result<(), Failed> {
        let Some(dir) = &self.report else {
            return Ok(());
        };
        let written = crate::run::write_run_files(&outcome.report, outcome, dir);
        written.map(drop).map_err(|error| Failed(error.to_string()))
    }
}

fn judge(outcome: &Outcome) -> Result<Passed, Failed> {
    let Outcome {
        report, failure, ..
    } = outcome;
    if let Some(failure) = failure {
        return Err(Failed(failure.to_string()));
    }
    let passed = |one: &ScenarioReport| one.verdict == ScenarioVerdict::Pass;
    if report.verdict == Verdict::Pass && report.scenarios.iter().all(passed) {
        return Ok(Passed::of(report));
    }
    Err(Failed(render::report(report, outcome)))
}

impl Passed {
    fn of(report: &Report) -> Self {
        Self {
            scenarios: report.scenarios.len(),
            states: report.totals.counts.crash_states.distinct,
        }
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenarios, states } = self;
        write!(f, "{scenarios} scenarios passed, {states} states checked")
    }
}

fn found(which: &str) -> Result<Asked, String> {
    if which.contains('\n') {
        let (file, text) = ("inline.toml".to_owned(), which.to_owned());
        return Ok(Asked { file, text });
    }
    let is_file = which.to_ascii_lowercase().ends_with(".toml");
    if is_file {
        let text = fs::read_to_string(which);
        let text = text.map_err(|error| format!("cannot read the scenario {which}: {error}"))?;
        let file = which.to_owned();
        return Ok(Asked { file, text });
    }
    builtin::named(which).ok_or_else(|| {
        let known = super::BUILTIN.join(", ");
        format!("no scenario `{which}` is built in: expected one of {known}, or a path that ends in .toml")
    })
}

/// Nobody watches.
struct Silent;

impl Watch for Silent {
    fn progress(&mut self, _: &Snapshot) {}

    fn judged(&mut self, _: &ScenarioReport) {}
}
