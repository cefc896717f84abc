//! The target `selftest`: no engine, but cases that behave or misbehave as its options say.
//!
//! It tests what surrounds exploration (workers, budgets, verdicts, replay) on any machine: a scenario can
//! ask it to break a check, to abort, to hang, to be seen to hang, to allocate without end or to contradict itself, at a case of its choice.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process;
use std::thread;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::batch::{Batch, BatchResult, CaseId, CaseResult, ExploreError, Finding, PlantSwitch};
use crate::scenario::CheckKind;

pub(super) const NAME: &str = "selftest";

const OPTIONS: [(&str, &[&str]); 3] = [
    (
        "misbehave",
        &[
            "no",
            "abort",
            "hang",
            "spin",
            "allocate",
            "break",
            "unsure",
            "contradict",
        ],
    ),
    ("at", &[]),
    ("states", &[]),
];
const STATES_BY_DEFAULT: u64 = 20;

pub(super) fn check_option(name: &str, value: &str) -> Result<(), String> {
    let Some((_, words)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
        let names = OPTIONS.map(|(known, _)| known);
        return Err(format!(
            "unknown option, expected one of {}",
            names.join(", ")
        ));
    };
    if words.is_empty() || words.contains(&value) {
        return Ok(());
    }
    Err(format!("`{value}` is not one of {}", words.join(", ")))
}

pub(super) fn run_batch(
    batch: &Batch,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    let options = drawn(batch)?;
    let mut result = BatchResult {
        options,
        ..BatchResult::default()
    };
    let states = states(&result.options);
    for index in 0..states.min(batch.states_max) {
        let case = CaseId(format!("p{index}.s0"));
        if batch.skip.contains(&case) {
            continue;
        }
        announce(&case);
        let answer = run_case(batch, &case)?;
        result.crash_points += 1;
        result.generated += 1;
        result.checked += 1;
        result.faults_fired += 1;
        result.distinct.push(key(batch, &case));
        result.recovery_operations.record(index);
        for check in &batch.scenario.checks {
            *result.checks_seen.entry(check.kind).or_default() += 1;
        }
        result.findings.extend(answer.findings);
        if let Some(reason) = answer.inconclusive {
            result
                .inconclusive
                .push(crate::batch::Inconclusive { case, reason });
        }
    }
    if batch.plants == PlantSwitch::Planted {
        for index in 0..batch.scenario.plants.len() {
            result
                .elisions_fired
                .insert(format!("plant {index}"), states);
        }
    }
    Ok(result)
}

pub(super) fn run_case(batch: &Batch, case: &CaseId) -> Result<CaseResult, ExploreError> {
    let options = drawn(batch)?;
    let point = case
        .0
        .strip_prefix('p')
        .and_then(|rest| rest.strip_suffix(".s0"));
    let Some(point) = point.and_then(|point| point.parse::<u64>().ok()) else {
        return Err(ExploreError::UnknownCase(case.clone()));
    };
    if point >= states(&options) {
        return Err(ExploreError::UnknownCase(case.clone()));
    }
    let mut result = CaseResult {
        files: BTreeMap::from([("data".to_owned(), case.0.clone().into_bytes())]),
        ..CaseResult::default()
    };
    let planted = batch.plants == PlantSwitch::Planted && !batch.scenario.plants.is_empty();
    if planted && point == 1 {
        result.findings.push(finding(batch, case, point));
    }
    if options.get("at").is_some_and(|at| *at == case.0) {
        match options.get("misbehave").map(String::as_str) {
            Some("abort") => process::abort(),
            Some("hang") => loop {
                thread::park();
            },
            Some("allocate") => drop(black_box(Vec::<u8>::with_capacity(1 << 46))),
            Some("break") => result.findings.push(finding(batch, case, point)),
            Some("spin") => result.findings.push(Finding {
                check: CheckKind::NoHang,
                ..finding(batch, case, point)
            }),
            Some("contradict") => {
                let text = "the selftest was asked to contradict itself";
                return Err(ExploreError::Internal(text.to_owned()));
            }
            Some("unsure") => result.inconclusive = Some("asked to be unsure".to_owned()),
            _ => {}
        }
    }
    result.options = options;
    Ok(result)
}

fn finding(batch: &Batch, case: &CaseId, point: u64) -> Finding {
    let check = batch.scenario.caught_by.unwrap_or(CheckKind::Durability);
    Finding {
        check,
        fingerprint: format!("{check}: selftest"),
        case: case.clone(),
        title: "the selftest broke a promise".to_owned(),
        crash_point: point,
        generation: 1,
        expected: "a kept promise".to_owned(),
        actual: "a broken promise".to_owned(),
        timeline: Vec::new(),
        assumptions: Vec::new(),
    }
}

fn drawn(batch: &Batch) -> Result<BTreeMap<String, String>, ExploreError> {
    let mut drawn = BTreeMap::new();
    for (name, values) in batch.scenario.options.get(NAME).into_iter().flatten() {
        let draw = xxh3_64(format!("{}/{}/{name}", batch.seed, batch.run).as_bytes());
        let count = values.as_slice().len().max(1);
        let index = usize::try_from(draw).unwrap_or(0) % count;
        let value = values.as_slice().get(index).cloned().unwrap_or_default();
        check_option(name, &value).map_err(|reason| ExploreError::Option {
            target: NAME.to_owned(),
            option: format!("{name} = {value}"),
            reason,
        })?;
        drawn.insert(name.clone(), value);
    }
    drawn.extend(batch.options.clone());
    Ok(drawn)
}

fn states(options: &BTreeMap<String, String>) -> u64 {
    options
        .get("states")
        .and_then(|states| states.parse().ok())
        .unwrap_or(STATES_BY_DEFAULT)
}

fn key(batch: &Batch, case: &CaseId) -> u128 {
    xxh3_128(format!("{}/{}/{}/{case}", batch.scenario.id, batch.seed, batch.run).as_bytes())
}
