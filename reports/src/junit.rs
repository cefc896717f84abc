//! `JUnit` XML, for CI systems. The mapping is stated in `docs/design/report.md`.
//!
//! 1. A scenario is one test case; no two have the same class and name (some hosts drop equal names).
//! 2. Only a pass is a success: a fail is a failure, an inconclusive verdict an error, a skip a skip.
//! 3. The size is bounded: texts and the number of findings shown are cut, and say so.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::model::{Expect, Finding, Report, ScenarioReport, ScenarioVerdict};
use crate::number::counted;

const FINDINGS_SHOWN_MAX: usize = 20;
const TEXT_CHARS_MAX: usize = 4_000;

/// Renders `report`.
pub fn render(report: &Report) -> Result<String, SerializeError> {
    let mut junit = quick_junit::Report::new(format!("chaos {}", report.target));
    junit.set_time(Duration::from_millis(report.timing.wall_ms));
    for folder in folders(report) {
        junit.add_test_suite(suite(report, &folder));
    }
    junit.to_string()
}

fn folders(report: &Report) -> BTreeSet<String> {
    report
        .scenarios
        .iter()
        .map(|s| folder_of(s).to_owned())
        .collect()
}

fn folder_of(scenario: &ScenarioReport) -> &str {
    scenario
        .file
        .rsplit_once('/')
        .map_or("scenarios", |(folder, _)| folder)
}

fn suite(report: &Report, folder: &str) -> TestSuite {
    let mut suite = TestSuite::new(folder);
    suite.add_property(("seed", report.seed.as_str()));
    suite.add_property(("target", report.target.as_str()));
    let mut names = BTreeSet::new();
    for scenario in report.scenarios.iter().filter(|s| folder_of(s) == folder) {
        suite.add_test_case(case(scenario, &mut names));
    }
    suite
}

fn case(scenario: &ScenarioReport, names: &mut BTreeSet<String>) -> TestCase {
    let mut case = TestCase::new(unique(scenario, names), status(scenario));
    case.set_classname(folder_of(scenario).replace('/', "."));
    if let Some(timing) = &scenario.timing {
        case.set_time(Duration::from_millis(timing.wall_ms));
    }
    for (name, value) in properties(scenario) {
        case.add_property(Property::new(name, value));
    }
    case
}

fn unique(scenario: &ScenarioReport, names: &mut BTreeSet<String>) -> String {
    let mut name = scenario.id.clone();
    let mut copy = 1;
    while !names.insert(name.clone()) {
        copy += 1;
        name = format!("{} ({copy})", scenario.id);
    }
    name
}

fn status(scenario: &ScenarioReport) -> TestCaseStatus {
    let reason = scenario.reason.clone().unwrap_or_default();
    match scenario.verdict {
        ScenarioVerdict::Pass => TestCaseStatus::success(),
        ScenarioVerdict::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason);
            status
        }
        ScenarioVerdict::Inconclusive => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("inconclusive").set_message(reason);
            status
        }
        ScenarioVerdict::Fail => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(failure_type(scenario)).set_message(reason);
            status.set_description(description(scenario));
            status
        }
    }
}

fn failure_type(scenario: &ScenarioReport) -> String {
    match scenario.expect {
        Expect::Fail => "planted-bug-missed".to_owned(),
        Expect::Pass => scenario
            .broken_checks()
            .next()
            .unwrap_or("nothing-exercised")
            .to_owned(),
    }
}

fn description(scenario: &ScenarioReport) -> String {
    let mut text = format!("{}\n{}\n", scenario.title, scenario.file);
    for finding in scenario.findings.iter().take(FINDINGS_SHOWN_MAX) {
        text.push_str(&describe(finding));
    }
    let left_out = scenario.findings.len().saturating_sub(FINDINGS_SHOWN_MAX);
    if left_out > 0 {
        let count = u64::try_from(left_out).unwrap_or(u64::MAX);
        let left_out = counted(count, "finding", "findings");
        let _ = writeln!(
            text,
            "
{left_out} not shown; see report.json"
        );
    }
    text
}

fn describe(finding: &Finding) -> String {
    format!(
        "\n{} ({}), {}\n  replay:   {}\n  expected: {}\n  actual:   {}\n",
        finding.check,
        finding.fingerprint,
        counted(finding.count, "case", "cases"),
        cut(&finding.replay),
        cut(&finding.expected),
        cut(&finding.actual),
    )
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}… (cut; see report.json)", &text[..end]),
        None => text.to_owned(),
    }
}

fn properties(scenario: &ScenarioReport) -> Vec<(&'static str, String)> {
    let states = &scenario.totals.crash_states;
    let mut properties = vec![
        ("file", scenario.file.clone()),
        ("verdict", scenario.verdict.as_str().to_owned()),
        ("expect", scenario.expect.as_str().to_owned()),
        ("plane", scenario.plane.clone()),
        ("model", scenario.model.clone()),
        ("crash_points", scenario.totals.crash_points.to_string()),
        ("crash_states_checked", states.checked.to_string()),
    ];
    if !scenario.caught_by.is_empty() {
        properties.push(("caught_by", scenario.caught_by.join(", ")));
    }
    properties
}
