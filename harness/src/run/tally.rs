//! The sums of one track: the batches of a scenario, with or without its plants, merged in order.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use lightning_report::{FaultReport, Histogram};
use num_bigint::BigUint;

use crate::batch::{CoveredPoint, FaultCounts, Finding, PlantSwitch};
use crate::scenario::{CheckKind, Expect, FailpointFault, Fault, Feature, Scenario};
use crate::worker::Explored;

/// A scenario whose runs give nothing new for this long has no more to give.
const BARREN_RUNS_MAX: u32 = 32;
/// So many states that hang say enough.
const HANGS_MAX: u64 = 2;

/// What the batches merged so far gave.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: u32,
    pub(super) crash_points: u64,
    pub(super) generated: u64,
    pub(super) checked: u64,
    /// States after whose crashes nothing was promised.
    pub(super) unpromised: u64,
    /// Crash points of which every legal state was covered, by key: the same one may be met in several runs.
    covered: BTreeMap<u128, CoveredPoint>,
    sampled_points: u64,
    /// Only its size and membership are used, never its order.
    pub(super) distinct: HashSet<u128>,
    pub(super) findings: BTreeMap<String, Found>,
    pub(super) undecided: u64,
    pub(super) undecided_first: Option<String>,
    pub(super) faults_fired: u64,
    /// The faults that are no power cuts, by kind.
    pub(super) faults: BTreeMap<String, FaultCounts>,
    /// Named places of the engine at which something was to happen.
    pub(super) failpoints: BTreeMap<String, FaultCounts>,
    pub(super) elisions_fired: BTreeMap<String, u64>,
    pub(super) checks_seen: BTreeMap<CheckKind, u64>,
    pub(super) features: BTreeMap<Feature, u64>,
    /// How states ended.
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) recovery_operations: Histogram,
    pub(super) recovery_us: Histogram,
    /// Promises that were tested, by durability level: every one that a run's options made.
    pub(super) promises: BTreeMap<String, BTreeSet<String>>,
    barren_runs: u32,
}

/// How crash states were chosen.
#[derive(Debug)]
pub(super) enum Coverage {
    /// At some crash point at least they were drawn.
    Sampled { representatives: u64 },
    /// Every legal state was covered.
    Full {
        legal_states: BigUint,
        representatives: u64,
    },
}

/// Findings with one fingerprint; the first that needs least of bad storage is shown.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) finding: Finding,
    pub(super) run: u32,
    pub(super) options: BTreeMap<String, String>,
    pub(super) count: u64,
}

impl Tally {
    /// Merges the next run's batch.
    pub(super) fn add(&mut self, run: u32, explored: Explored) {
        let mut result = explored.result;
        let covered = std::mem::take(&mut result.covered);
        let before = self.distinct.len();
        self.distinct.extend(&result.distinct);
        self.barren_runs = if self.distinct.len() == before {
            self.barren_runs + 1
        } else {
            0
        };
        self.runs += 1;
        self.crash_points += result.crash_points;
        self.generated += result.generated;
        self.checked += result.checked;
        self.unpromised += result.unpromised;
        self.sampled_points += result.sampled_points;
        for point in covered {
            self.covered.entry(point.key).or_insert(point);
        }
        self.faults_fired += result.faults_fired;
        add_fault_counts(&mut self.faults, &result.faults);
        add_fault_counts(&mut self.failpoints, &result.failpoints);
        self.recovery_operations.merge(&result.recovery_operations);
        self.recovery_us.merge(&result.timing.recovery_us);
        add_counts(&mut self.elisions_fired, &result.elisions_fired);
        add_counts(&mut self.checks_seen, &result.checks_seen);
        add_counts(&mut self.features, &result.features);
        add_counts(&mut self.outcomes, &result.outcomes);
        for (level, promise) in &result.promises {
            let seen = self.promises.entry(level.clone()).or_default();
            seen.insert(promise.clone());
        }
        self.undecided += result.inconclusive.len() as u64;
        if let (None, Some(first)) = (&self.undecided_first, result.inconclusive.first()) {
            self.undecided_first =
                Some(format!("run {run}, case {}: {}", first.case, first.reason));
        }
        for cluster in explored.clusters {
            let options = || result.options.clone();
            self.findings
                .entry(cluster.finding.fingerprint.clone())
                .and_modify(|found| {
                    found.count += cluster.count;
                    if cluster.finding.needs_less_than(&found.finding) {
                        found.finding.clone_from(&cluster.finding);
                        (found.run, found.options) = (run, options());
                    }
                })
                .or_insert_with(|| Found {
                    finding: cluster.finding.clone(),
                    run,
                    options: options(),
                    count: cluster.count,
                });
        }
    }

    /// What was promised in the runs so far, by durability level.
    pub(super) fn promise_texts(&self) -> BTreeMap<String, String> {
        let text = |seen: &BTreeSet<String>| {
            let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
            seen.join("; or ")
        };
        let promises = self.promises.iter();
        promises
            .map(|(level, seen)| (level.clone(), text(seen)))
            .collect()
    }

    /// Whether the track needs no further run.
    pub(super) fn is_enough(&self, scenario: &Scenario, plants: PlantSwitch) -> bool {
        let hunting = scenario.expect == Expect::Fail && plants == PlantSwitch::Planted;
        let has_all = self.distinct.len() as u64 >= scenario.budget.cases.get()
            && self.never_reached(scenario).is_empty();
        has_all
            || self.runs >= scenario.budget.runs.get()
            || self.barren_runs >= BARREN_RUNS_MAX
            || (hunting && self.has_caught(scenario))
            || self.hangs() >= HANGS_MAX
    }

    /// How many states hung. Each costs all the patience that there is.
    fn hangs(&self) -> u64 {
        let found = self.findings.values();
        let hangs = found.filter(|found| found.finding.check == CheckKind::NoHang);
        hangs.map(|found| found.count).sum()
    }

    /// How the states of the crash points were chosen.
    pub(super) fn coverage(&self) -> Coverage {
        if self.covered.is_empty() || self.sampled_points > 0 {
            return Coverage::Sampled {
                representatives: self.distinct.len() as u64,
            };
        }
        let points = self.covered.values();
        let counts = points.clone().map(|point| point.legal_states.parse());
        Coverage::Full {
            legal_states: counts.map(Result::<BigUint, _>::unwrap_or_default).sum(),
            representatives: points.map(|point| point.representatives).sum(),
        }
    }

    /// In how many states a check was broken.
    pub(super) fn violations(&self, kind: CheckKind) -> u64 {
        self.findings
            .values()
            .filter(|found| found.finding.check == kind)
            .map(|f| f.count)
            .sum()
    }

    /// How often a scenario's plant, by its place in the file, dropped an operation.
    pub(super) fn plant_fired(&self, index: usize) -> u64 {
        self.elisions_fired
            .get(&format!("plant {index}"))
            .copied()
            .unwrap_or(0)
    }

    /// What the workload was to do and never did.
    pub(super) fn never_done(&self, scenario: &Scenario) -> Option<Feature> {
        let mut wanted = scenario.workload.features().into_iter();
        let has_crashes = scenario.power_loss().is_some()
            || scenario
                .failpoints()
                .any(|one| one.action.model().is_some());
        wanted.find(|feature| {
            let is_owed = has_crashes || !feature.is_of_crashes();
            is_owed && !self.features.contains_key(feature)
        })
    }

    /// Named places at which something was to happen, and nothing did.
    pub(super) fn never_reached(&self, scenario: &Scenario) -> BTreeSet<&'static str> {
        let wanted = scenario.failpoints().flat_map(FailpointFault::places);
        let fired = |name: &&str| self.failpoints.get(*name).is_some_and(|one| one.fired > 0);
        wanted.filter(|name| !fired(name)).collect()
    }

    /// How often a fault of the scenario could have come, and came.
    pub(super) fn counts(&self, fault: &Fault) -> FaultCounts {
        match fault {
            Fault::PowerLoss(_) => FaultCounts {
                armed: self.generated,
                fired: self.faults_fired,
            },
            _ => self.faults.get(fault.name()).copied().unwrap_or_default(),
        }
    }

    /// The varieties of faults that came.
    pub(super) fn varieties(&self) -> BTreeMap<String, FaultReport> {
        let varieties = self.faults.iter();
        let varieties = varieties.filter(|(name, counts)| name.contains(": ") && counts.fired > 0);
        let count = |counts: &FaultCounts| FaultReport {
            armed: counts.armed,
            fired: counts.fired,
        };
        varieties
            .map(|(name, counts)| (name.clone(), count(counts)))
            .collect()
    }

    fn has_caught(&self, scenario: &Scenario) -> bool {
        let caught = scenario
            .caught_by
            .is_some_and(|check| self.violations(check) > 0);
        caught && (0..scenario.plants.len()).all(|index| self.plant_fired(index) > 0)
    }
}

fn add_fault_counts(
    sums: &mut BTreeMap<String, FaultCounts>,
    counts: &BTreeMap<String, FaultCounts>,
) {
    for (name, counts) in counts {
        let sum = sums.entry(name.clone()).or_default();
        sum.armed += counts.armed;
        sum.fired += counts.fired;
    }
}

fn add_counts<K: Ord + Clone>(sums: &mut BTreeMap<K, u64>, counts: &BTreeMap<K, u64>) {
    for (key, count) in counts {
        *sums.entry(key.clone()).or_default() += count;
    }
}
