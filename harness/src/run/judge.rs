//! From a scenario's tallies to its report and verdict.

use std::collections::BTreeMap;

use lightning_report::{
    CheckReport, CoverageMethod, CrashPointCoverage, ElisionReport, FaultReport,
    Finding as ReportFinding, ScenarioReport, ScenarioTiming, ScenarioVerdict,
};

use super::config::{Loaded, RunConfig};
use super::schedule::{Schedule, Track, TrackEnd, Unfinished};
use super::tally::{Coverage, Found, Tally};
use crate::batch::{FaultCounts, PlantSwitch};
use crate::case::{COMMIT, CaseFile, CaseIdentity};
use crate::scenario::{CheckKind, Expect};
use crate::target::{self, Ability, Target};

/// A scenario's report and the case files of its findings, by their path beside the report.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) report: ScenarioReport,
    pub(super) cases: Vec<(String, CaseFile)>,
}

/// Judges scenario `index`, whose tracks are at their end.
pub(super) fn judge(
    config: &RunConfig,
    loaded: &Loaded,
    schedule: &Schedule,
    index: usize,
) -> Judged {
    let mut judged = Judged {
        report: blank(loaded),
        cases: Vec::new(),
    };
    let mut tracks = schedule.of_scenario(index);
    let Some(main) = tracks.next() else {
        return judged;
    };
    judged.fill(config, loaded, main);
    judged.report.judge(unfinished(main));
    if let Some(control) = tracks.next() {
        judged.compare_with(config, loaded, control);
    }
    judged
}

/// The report of a scenario that was left out.
pub(super) fn left_out(loaded: &Loaded, reason: &str) -> Judged {
    Judged {
        report: blank(loaded).skipped(reason.to_owned()),
        cases: Vec::new(),
    }
}

fn blank(loaded: &Loaded) -> ScenarioReport {
    let scenario = &loaded.scenario;
    let expect = match scenario.expect {
        Expect::Pass => lightning_report::Expect::Pass,
        Expect::Fail => lightning_report::Expect::Fail,
    };
    let (id, title) = (scenario.id.clone(), scenario.title.clone());
    let mut report = ScenarioReport::new(id, loaded.file.clone(), title, expect);
    scenario.plane.name().clone_into(&mut report.plane);
    report.model = model(loaded);
    if scenario.expect == Expect::Fail {
        report.must_be_caught_by = scenario
            .caught_by
            .iter()
            .map(|check| check.name().to_owned())
            .collect();
    }
    report
}

/// The models of the generations, such as `process-crash, posix`.
fn model(loaded: &Loaded) -> String {
    let Some((_, power_loss)) = loaded.scenario.power_loss() else {
        return "none".to_owned();
    };
    let models: Vec<&str> = power_loss
        .model
        .as_slice()
        .iter()
        .map(|model| model.name())
        .collect();
    models.join(", ")
}

/// Whether the target has what a check looks at, or says anything of it.
fn can_be_asked(config: &RunConfig, check: CheckKind) -> bool {
    let can = |target: Box<dyn Target>| match check {
        CheckKind::Integrity => target.can(Ability::Verify),
        CheckKind::NoWrongReads => target.promises(&config.options).says_something_of_damage(),
        _ => true,
    };
    target::find(&config.target).is_none_or(can)
}

impl Judged {
    fn fill(&mut self, config: &RunConfig, loaded: &Loaded, track: &Track) {
        let (report, tally) = (&mut self.report, &track.tally);
        report.totals.cases = tally.checked;
        report.totals.crash_points = tally.crash_points;
        report.totals.crash_states.generated = tally.generated;
        report.totals.crash_states.distinct = tally.distinct.len() as u64;
        report.totals.crash_states.checked = tally.checked;
        report.unpromised = tally.unpromised;
        let checks = loaded.scenario.checks.iter();
        for check in checks.filter(|check| can_be_asked(config, check.kind)) {
            let examined = tally.checks_seen.get(&check.kind).copied().unwrap_or(0);
            let violations = tally.violations(check.kind);
            report.checks.insert(
                check.kind.name().to_owned(),
                CheckReport {
                    examined,
                    violations,
                },
            );
        }
        for found in tally.findings.values() {
            // A panic or a hang counts whether or not the scenario looks for it.
            report
                .checks
                .entry(found.finding.check.name().to_owned())
                .or_insert_with(|| {
                    let violations = tally.violations(found.finding.check);
                    CheckReport {
                        examined: tally.checked.max(1),
                        violations,
                    }
                });
        }
        for fault in &loaded.scenario.faults {
            let counts = tally.counts(fault);
            let counts = FaultReport {
                armed: counts.armed,
                fired: counts.fired,
            };
            report.faults.insert(fault.name().to_owned(), counts);
        }
        report.failpoints = failpoints(loaded, tally);
        report.varieties = tally.varieties();
        for (index, plant) in loaded.scenario.plants.iter().enumerate() {
            let fired = tally.plant_fired(index);
            let planted = ElisionReport { fired };
            report.elisions.insert(plant.to_string(), planted);
        }
        report.crash_points = CrashPointCoverage {
            total: tally.crash_points,
            explored: tally.crash_points,
            ..CrashPointCoverage::default()
        };
        match tally.coverage() {
            Coverage::Sampled { representatives } => report.representatives = representatives,
            Coverage::Full {
                legal_states,
                representatives,
            } => {
                report.coverage = CoverageMethod::Full;
                report.legal_states = Some(legal_states.to_string());
                report.representatives = representatives;
            }
        }
        report.promises = tally.promise_texts();
        report.outcomes.clone_from(&tally.outcomes);
        report.recovery_operations = tally.recovery_operations.clone();
        report.timing = Some(timing(track));
        self.add_findings(config, loaded, track);
    }

    fn add_findings(&mut self, config: &RunConfig, loaded: &Loaded, track: &Track) {
        for found in track.tally.findings.values() {
            let identity = identity(config, loaded, track.plants, found);
            let number = self.cases.len() + 1;
            let case_file = format!("cases/{}-{number}.toml", loaded.scenario.id);
            self.report
                .findings
                .push(finding(found, &identity, case_file.clone()));
            self.cases
                .push((case_file, CaseFile::new(identity, &loaded.text)));
        }
    }

    /// A planted bug counts as caught only if the same scenario passes without it.
    fn compare_with(&mut self, config: &RunConfig, loaded: &Loaded, control: &Track) {
        if self.report.verdict != ScenarioVerdict::Pass {
            return;
        }
        let broken: Vec<&str> = control
            .tally
            .findings
            .values()
            .map(|found| found.finding.check.name())
            .collect();
        if !broken.is_empty() {
            self.report.verdict = ScenarioVerdict::Fail;
            self.report.reason = Some(format!(
                "without its plant the scenario fails as well: {}",
                broken.join(", ")
            ));
            self.add_findings(config, loaded, control);
        } else if let Some(why) = unfinished(control) {
            self.report.verdict = ScenarioVerdict::Inconclusive;
            self.report.reason = Some(format!("the control run without the plant: {why}"));
        } else if control.tally.checked == 0 || never_fired(loaded, control) {
            self.report.verdict = ScenarioVerdict::Fail;
            self.report.reason =
                Some("the control run without the plant checked nothing".to_owned());
        }
    }
}

/// The named places at which something was to happen.
fn failpoints(loaded: &Loaded, tally: &Tally) -> BTreeMap<String, FaultReport> {
    let report = |counts: &FaultCounts| FaultReport {
        armed: counts.armed,
        fired: counts.fired,
    };
    let never = tally.never_reached(&loaded.scenario).into_iter();
    let never = never.map(|name| (name.to_owned(), FaultReport::default()));
    let met = tally.failpoints.iter();
    never
        .chain(met.map(|(name, counts)| (name.clone(), report(counts))))
        .collect()
}

fn never_fired(loaded: &Loaded, track: &Track) -> bool {
    let mut faults = loaded.scenario.faults.iter();
    faults.any(|fault| track.tally.counts(fault).fired == 0)
}

fn finding(found: &Found, identity: &CaseIdentity, case_file: String) -> ReportFinding {
    let finding = &found.finding;
    ReportFinding {
        fingerprint: finding.fingerprint.clone(),
        check: finding.check.name().to_owned(),
        title: finding.title.clone(),
        replay: format!("chaos replay {identity}"),
        count: found.count,
        case: format!("run {}, {}", found.run, finding.case),
        crash_point: Some(finding.crash_point),
        generation: Some(finding.generation),
        expected: finding.expected.clone(),
        actual: finding.actual.clone(),
        timeline: finding.timeline.clone(),
        assumptions: finding.assumptions.clone(),
        case_file: Some(case_file),
        shrunk: None,
    }
}

fn identity(
    config: &RunConfig,
    loaded: &Loaded,
    plants: PlantSwitch,
    found: &Found,
) -> CaseIdentity {
    CaseIdentity {
        commit: COMMIT.to_owned(),
        scenario_digest: loaded.scenario.digest().to_string(),
        target: config.target.clone(),
        seed: config.seed,
        run: found.run,
        plants,
        case: found.finding.case.clone(),
        scenario_file: loaded.file.clone(),
        options: found.options.clone(),
        given: config.options.keys().cloned().collect(),
    }
}

fn unfinished(track: &Track) -> Option<String> {
    let tally = &track.tally;
    let states = tally.distinct.len();
    match &track.end {
        Some(TrackEnd::Unfinished(Unfinished::Time)) => {
            Some("its time was up before its budget of states".to_owned())
        }
        Some(TrackEnd::Unfinished(Unfinished::NothingPromised)) => Some(
            "not exercised: the target promises nothing under its model of power loss".to_owned(),
        ),
        Some(TrackEnd::Unfinished(Unfinished::FailFast | Unfinished::Unable)) => {
            Some("the run ended early".to_owned())
        }
        None | Some(TrackEnd::Unfinished(Unfinished::Interrupted)) => {
            Some(format!("interrupted after {states} states"))
        }
        Some(TrackEnd::Enough) => {
            let undecided = tally.undecided_first.as_ref().map(|first| {
                let undecided = tally.undecided;
                format!("{undecided} of {states} states without a verdict, the first: {first}")
            });
            let never_done = || {
                let feature = tally.never_done(&track.loaded().scenario)?;
                Some(format!("not exercised: no {feature}"))
            };
            let never_reached = || {
                let names = tally.never_reached(&track.loaded().scenario);
                let names: Vec<&str> = names.into_iter().collect();
                let count = names.len();
                let names = names.join(", ");
                (count > 0).then(|| format!("{count} failpoints never reached: {names}"))
            };
            undecided.or_else(never_done).or_else(never_reached)
        }
    }
}

fn timing(track: &Track) -> ScenarioTiming {
    let wall_ms = u64::try_from(track.wall.as_millis()).unwrap_or(u64::MAX);
    ScenarioTiming {
        wall_ms,
        states_per_second: track.tally.distinct.len() as u64 * 1000 / wall_ms.max(1),
        recovery_us: track.tally.recovery_us.clone(),
    }
}
