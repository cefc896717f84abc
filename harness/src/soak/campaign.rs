//! Composition after composition, until there have been enough.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lightning_report::ScenarioReport;

use super::compose::{Composition, compose};
use super::corpus::Corpus;
use crate::rng::Rng;
use crate::run::{Loaded, Outcome, RunConfig, Watch, execute};
use crate::scenario::{Fault, Scenario};

/// Share of compositions that are run twice.
const TWICE: f64 = 0.05;
/// Compositions between two looks at the clock.
const AT_A_TIME: usize = 4;

/// When there have been enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many.
    Runs(u64),
    /// None is begun after so long.
    Time(Duration),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// How compositions are run. Its seed is the one that they are drawn from.
    pub config: RunConfig,
    /// How many.
    pub length: Length,
    /// Those that were worth keeping; they come first.
    pub corpus: Corpus,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Soaked {
    /// What each came to, in the order in which they were run.
    pub outcomes: Vec<(Composition, Outcome)>,
    /// The corpus, and what has come to it.
    pub corpus: Corpus,
    /// How many were run twice.
    pub repeated: u64,
    /// Those that did not come to the same.
    pub differing: Vec<(u64, u64)>,
}

/// Runs compositions. `interrupted` ends it after those that are running.
pub fn soak(campaign: &Campaign, interrupted: &AtomicBool, watch: &mut dyn Watch) -> Soaked {
    let started = Instant::now();
    let mut soaked = Soaked {
        corpus: campaign.corpus.clone(),
        ..Soaked::default()
    };
    let mut seen = BTreeSet::new();
    let mut left = Queue::new(campaign);
    while !interrupted.load(Ordering::SeqCst) && !left.is_over(started.elapsed()) {
        let compositions = left.take(campaign);
        if compositions.is_empty() {
            break;
        }
        for composition in compositions {
            let outcome = run_one(campaign, &composition, interrupted, watch);
            soaked.take(campaign, composition, outcome, &mut seen, interrupted);
        }
    }
    soaked
}

/// What is still to be run.
struct Queue {
    kept: std::vec::IntoIter<(u64, u64, String)>,
    next: u64,
    begun: u64,
    length: Length,
}

impl Queue {
    fn new(campaign: &Campaign) -> Self {
        Self {
            kept: campaign.corpus.kept.clone().into_iter(),
            next: 0,
            begun: 0,
            length: campaign.length,
        }
    }

    fn is_over(&self, elapsed: Duration) -> bool {
        match self.length {
            Length::Runs(runs) => self.begun >= runs,
            Length::Time(time) => elapsed >= time,
        }
    }

    /// The next few, first those of the corpus.
    fn take(&mut self, campaign: &Campaign) -> Vec<Composition> {
        let wanted = match self.length {
            Length::Runs(runs) => usize::try_from(runs - self.begun).unwrap_or(AT_A_TIME),
            Length::Time(_) => AT_A_TIME,
        };
        let mut taken = Vec::new();
        while taken.len() < wanted.min(AT_A_TIME) {
            let (seed, number) = if let Some((seed, number, _)) = self.kept.next() {
                (seed, number)
            } else {
                let number = self.next;
                self.next += 1;
                if campaign.corpus.has(campaign.config.seed, number) {
                    continue;
                }
                (campaign.config.seed, number)
            };
            taken.extend(compose(&campaign.config.target, seed, number));
            self.begun += 1;
        }
        taken
    }
}

/// Runs one, with the seed that it was drawn from: so its cases are replayed by themselves.
fn run_one(
    campaign: &Campaign,
    composition: &Composition,
    interrupted: &AtomicBool,
    watch: &mut dyn Watch,
) -> Outcome {
    let loaded = Loaded {
        file: composition.file(),
        text: composition.text.as_str().into(),
        scenario: Arc::new(composition.scenario.clone()),
    };
    let mut config = campaign.config.clone();
    config.seed = composition.seed;
    execute(&config, &[loaded], interrupted, watch)
}

impl Soaked {
    fn take(
        &mut self,
        campaign: &Campaign,
        composition: Composition,
        outcome: Outcome,
        seen: &mut BTreeSet<String>,
        interrupted: &AtomicBool,
    ) {
        let (from, number) = (composition.seed, composition.number);
        let mut again = Rng::from_seed(from).split("again", number);
        if !outcome.interrupted && again.chance(TWICE) {
            self.repeated += 1;
            let second = run_one(campaign, &composition, interrupted, &mut Nobody);
            if !second.interrupted && timeless(&second) != timeless(&outcome) {
                self.differing.push((from, number));
            }
        }
        let news = outcome.report.scenarios.first();
        let news = news.map(|report| what_is_new(&composition.scenario, report, seen));
        if let Some(news) = news.filter(|news| !news.is_empty() && !self.corpus.has(from, number)) {
            self.corpus.kept.push((from, number, news));
        }
        self.outcomes.push((composition, outcome));
    }
}

impl Composition {
    /// How reports name it.
    pub fn file(&self) -> String {
        format!("soak/{}.toml", self.scenario.id)
    }
}

/// Sees nothing.
struct Nobody;

impl Watch for Nobody {
    fn progress(&mut self, _: &crate::run::Snapshot) {}

    fn judged(&mut self, _: &ScenarioReport) {}
}

/// A report without what depends on time.
fn timeless(outcome: &Outcome) -> Vec<ScenarioReport> {
    let mut reports = outcome.report.scenarios.clone();
    for report in &mut reports {
        report.timing = None;
    }
    reports
}

/// What a composition was the first to do: failing is always new; else a recovery longer than others with this fault and workload.
fn what_is_new(
    scenario: &Scenario,
    report: &ScenarioReport,
    seen: &mut BTreeSet<String>,
) -> String {
    if !report.findings.is_empty() {
        return format!("failed: {}", report.reason.as_deref().unwrap_or_default());
    }
    let threads = if scenario.workload.has_threads() {
        " on threads"
    } else {
        ""
    };
    let longest = report.recovery_operations.buckets.last();
    let longest = longest.map_or(0, |bucket| bucket.at_most);
    let mut news = Vec::new();
    for fault in &scenario.faults {
        let model = match fault {
            Fault::PowerLoss(fault) => format!(" {}", fault.model_of(0)),
            _ => String::new(),
        };
        let workload = scenario.workload.name();
        let sign = format!(
            "{}{model}, {workload}{threads}, recoveries of up to {longest} operations",
            fault.name()
        );
        if seen.insert(sign.clone()) {
            news.push(sign);
        }
    }
    news.join("; ")
}
