//! The renderings of a report that shows every feature.

use lightning_report::{
    Environment, Finding, Report, ScenarioReport, Timing, html, junit, markdown,
};

const EVERY_FEATURE: &str = include_str!("fixtures/every_feature.json");

fn every_feature() -> Report {
    Report::from_json(EVERY_FEATURE).unwrap()
}

/// The report with `text` in every string that comes from outside.
fn saturated_with(text: &str) -> Report {
    let mut value = serde_json::to_value(every_feature()).unwrap();
    saturate(&mut value, text);
    serde_json::from_value(value).unwrap()
}

fn saturate(value: &mut serde_json::Value, text: &str) {
    const CLOSED_SETS: [&str; 5] = ["verdict", "expect", "kind", "fate", "coverage"];
    match value {
        serde_json::Value::String(s) => *s = format!("{text}{s}{text}"),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| saturate(item, text)),
        serde_json::Value::Object(fields) => {
            let named = std::mem::take(fields);
            for (key, mut field) in named {
                if !CLOSED_SETS.contains(&key.as_str()) {
                    saturate(&mut field, text);
                }
                fields.insert(key, field);
            }
            for map in ["checks", "faults", "elisions", "by_phase"] {
                if let Some(serde_json::Value::Object(named)) = fields.get_mut(map) {
                    *named = std::mem::take(named)
                        .into_iter()
                        .map(|(key, field)| (format!("{text}{key}"), field))
                        .collect();
                }
            }
        }
        _ => {}
    }
}

#[test]
fn json_survives_a_round_trip_byte_for_byte() {
    let report = every_feature();
    let text = report.to_json().unwrap();
    assert_eq!(Report::from_json(&text).unwrap(), report);
    assert_eq!(Report::from_json(&text).unwrap().to_json().unwrap(), text);
    assert_eq!(
        text, EVERY_FEATURE,
        "the fixture is what this version writes"
    );
}

#[test]
fn the_top_level_keys_are_those_that_gates_read() {
    let value = serde_json::to_value(every_feature()).unwrap();
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    let expected = [
        "environment",
        "scenarios",
        "schema_version",
        "seed",
        "skipped",
        "target",
        "timing",
        "totals",
        "verdict",
    ];
    assert_eq!(keys, expected);
    assert!(value["seed"].is_string());
    assert!(value["totals"]["crash_states"]["distinct"].is_u64());
    assert!(value["totals"]["scenarios"].is_u64());
}

#[test]
fn the_parts_of_the_fixture_agree_with_each_other() {
    let report = every_feature();
    let judged: Vec<ScenarioReport> = report.scenarios.clone();
    let assembled = Report::new(report.seed.clone(), report.target.clone(), judged);
    assert!(
        assembled
            == Report {
                timing: Timing::default(),
                environment: Environment::default(),
                ..report
            }
    );
}

#[test]
fn what_depends_on_time_or_machine_can_be_taken_away() {
    let mut other = every_feature();
    other.timing.wall_ms += 1;
    other.environment.jobs = 7;
    other.scenarios[0].timing.as_mut().unwrap().wall_ms = 1;
    assert!(other != every_feature());
    assert!(other.reproducible() == every_feature().reproducible());
}

#[test]
fn the_schema_names_every_top_level_key() {
    let schema = Report::json_schema();
    let value = serde_json::to_value(every_feature()).unwrap();
    for key in value.as_object().unwrap().keys() {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[test]
fn junit_maps_every_verdict() {
    insta::assert_snapshot!(junit::render(&every_feature()).unwrap());
}

#[test]
fn the_markdown_summary_says_what_matters_first() {
    insta::assert_snapshot!(markdown::render(&every_feature()));
}

#[test]
fn junit_gives_equal_ids_different_names() {
    let mut report = every_feature();
    let first = report.scenarios[0].clone();
    report.scenarios.push(first);
    let xml = junit::render(&report).unwrap();
    assert_eq!(xml.matches(r#"name="bank-power-cut""#).count(), 1);
    assert_eq!(xml.matches(r#"name="bank-power-cut (2)""#).count(), 1);
}

#[test]
fn junit_stays_small_whatever_a_target_says() {
    let mut report = every_feature();
    let long = Finding {
        actual: "x".repeat(1 << 20),
        ..report.scenarios[0].findings[0].clone()
    };
    report.scenarios[0].findings = vec![long; 100];
    let xml = junit::render(&report).unwrap();
    assert!(xml.len() < 1 << 20, "{}", xml.len());
    assert!(xml.contains("80 findings not shown"));
}

#[test]
fn the_page_loads_nothing_from_anywhere() {
    let page = html::render(&every_feature());
    for forbidden in [
        "http://", "https://", " src=", " href=", "url(", "@import", "<link", "<iframe", "<img",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn hostile_strings_stay_text() {
    let hostile = "\"'><script src=http://e.vil></script><img src=x onerror=alert(1)>&";
    let page = html::render(&saturated_with(hostile));
    assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    assert!(!page.contains("<img"));
    assert!(!page.contains("\"'>"), "no attribute is closed from inside");
    let xml = junit::render(&saturated_with(hostile)).unwrap();
    assert!(!xml.contains("<script") && !xml.contains("<img"));
    let summary = markdown::render(&saturated_with("<img src=x> \u{1b}[31m"));
    let outside_code: String = summary.split('`').step_by(2).collect();
    assert!(!outside_code.contains("<img"), "{outside_code}");
}

#[test]
fn the_page_shows_the_verdict_the_findings_and_what_was_not_exercised() {
    let page = html::render(&every_feature());
    for needle in [
        "2 findings in 1 scenario.",
        "ltg1:9f21c07e:bank-power-cut:lightning:42:c=1192.g1.s=1101",
        "power cut",
        "corruption-detected under power-loss: not exercised",
        "durability was broken in 41 of",
        "the planted bug was not caught",
        "needs root and loop devices",
        "stand for 137,438,953,472 legal states",
    ] {
        assert!(page.contains(needle), "{needle}");
    }
    assert!(page.find("Findings</h2>") < page.find("Faults and invariants</h2>"));
}

#[test]
fn an_empty_report_renders() {
    let empty = Report::new("0".into(), "engine".into(), vec![]);
    assert!(html::render(&empty).contains("Not decided."));
    assert!(markdown::render(&empty).contains("Not decided."));
    assert!(junit::render(&empty).unwrap().contains("testsuites"));
}
