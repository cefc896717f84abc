//! Storage that fails under the toy: one that bears it passes every sweep, and each way of not bearing it is caught.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::spoiled::{Spoil, Spoiled};
use super::{checks, run};
use crate::batch::{Batch, BatchResult, CaseId, PlantSwitch};
use crate::explore::batch::run_with;
use crate::explore::run_case;
use crate::explore::setup::Setup;
use crate::scenario::{CheckKind, Scenario};

const EVERY_CHECK: [&str; 8] = [
    "durability",
    "atomicity",
    "no-garbage",
    "idempotent-recovery",
    "reads-go-on",
    "liveness",
    "no-panic",
    "no-hang",
];

const CUT: &str =
    "[[fault]]\nkind = \"power-loss\"\nmodel = \"posix\"\nat = \"sampled\"\npoints = 3\n";

fn batch(fault: &str, rest: &str) -> Batch {
    let checks = EVERY_CHECK.map(|check| format!("[[check]]\nkind = \"{check}\"\n"));
    let checks = checks.concat();
    let text = format!(
        "format = 1\nid = \"toy\"\ntitle = \"A toy\"\n[workload]\nkind = \"kv\"\ntransactions = 12\nclients = 2\n\
         [[fault]]\nkind = \"io-error\"\n{fault}\n{rest}\n{checks}[budget]\ncases = 100000\n",
    );
    let scenario = Scenario::parse("toy.toml", &text).unwrap_or_else(|error| panic!("{error:?}"));
    Batch {
        scenario: Arc::new(scenario),
        target: "toy".to_owned(),
        options: BTreeMap::new(),
        seed: 7,
        run: 0,
        plants: PlantSwitch::Planted,
        states_max: 20_000,
        skip: Vec::new(),
    }
}

fn passes(batch: &Batch) -> BatchResult {
    let result = run(batch);
    assert_eq!(result.findings, []);
    assert_eq!(result.inconclusive, []);
    result
}

fn plant(kind: &str) -> String {
    format!("[[plant]]\n{kind}\n")
}

#[test]
fn a_sweep_fails_every_operation_and_ends_with_a_run_in_which_none_does() {
    for fault in [
        "error = \"eio\"\nlasts = [\"once\", 2, \"forever\"]\nreopenings = 2",
        "error = \"enospc\"\nlasts = [\"once\", \"forever\"]\nreopenings = 1",
        "error = [\"emfile\", \"erofs\", \"eintr\"]\nthen = [\"go-on\", \"restart\"]\nreopenings = 1",
    ] {
        let batch = batch(fault, "");
        let result = passes(&batch);
        let counts = result.faults["io-error"];
        let Some((_, io_error)) = batch.scenario.io_error() else {
            panic!("it has one");
        };
        let variants = io_error.variants().len() as u64;
        assert_eq!(counts.armed, counts.fired + variants, "{counts:?}");
        assert!(counts.fired > variants, "{fault}: {counts:?}");
        assert!(result.checks_seen[&CheckKind::ReadsGoOn] > 0);
        assert!(result.checks_seen[&CheckKind::Liveness] > counts.fired / 2);
    }
}

#[test]
fn a_sweep_that_its_budget_cuts_off_gives_no_verdict() {
    let batch = Batch {
        states_max: 5,
        ..batch("error = \"eio\"", "")
    };
    let result = run(&batch);
    assert_eq!(result.inconclusive.len(), 1);
}

#[test]
fn a_failed_sync_that_is_ignored_loses_what_was_acknowledged() {
    let ignored = plant("kind = \"ignored-failure\"\nfile = \"toy.log\"");
    let kept = batch(
        "error = \"eio\"\noperation = \"sync\"",
        &format!("{CUT}{ignored}"),
    );
    let dropped = batch(
        "error = \"eio\"\noperation = \"sync\"\ncache = \"dropped\"",
        &ignored,
    );
    for planted in [kept, dropped] {
        let found = run(&planted);
        assert!(found.elisions_fired["plant 0"] > 5);
        assert!(checks(&found).contains(&CheckKind::Durability));
    }
}

#[test]
fn each_way_of_not_bearing_errors_is_caught_by_the_check_that_names_it() {
    for (bug, fault, check) in [
        (
            "failed-commit-is-acknowledged",
            "error = \"eio\"\noperation = \"write\"",
            CheckKind::ReadsGoOn,
        ),
        (
            "never-writes-again",
            "error = \"enospc\"\nlasts = \"forever\"",
            CheckKind::Liveness,
        ),
        (
            "reads-end-with-writes",
            "error = \"eio\"\noperation = \"write\"",
            CheckKind::ReadsGoOn,
        ),
    ] {
        let planted = batch(fault, &plant(&format!("kind = \"bug\"\nwhat = \"{bug}\"")));
        let found = run(&planted);
        assert!(found.elisions_fired["plant 0"] > 0, "{bug}");
        assert!(
            checks(&found).contains(&check),
            "{bug}: {:?}",
            checks(&found)
        );
        passes(&Batch {
            plants: PlantSwitch::Healthy,
            ..planted
        });
    }
}

/// The bug of `PostgreSQL` in 2018: after a failed sync it recovered from the cache, and took what it saw there for durable.
#[test]
fn a_recovery_that_believes_the_cache_after_a_failed_sync_is_caught_by_a_power_cut() {
    let fault = "error = \"eio\"\noperation = \"sync\"\nthen = \"restart\"";
    let found = run(&batch(fault, CUT));
    assert!(
        checks(&found).contains(&CheckKind::Durability),
        "{:?}",
        checks(&found)
    );
    passes(&batch(fault, ""));
}

#[test]
fn every_finding_is_found_again_by_its_case_alone() {
    let fault = "error = \"eio\"\noperation = \"sync\"\nthen = \"restart\"";
    let ignored = plant("kind = \"ignored-failure\"\nfile = \"toy.log\"");
    let batch = batch(fault, &format!("{CUT}{ignored}"));
    let found = run(&batch);
    let (mut lives, mut cuts) = (0, 0);
    for finding in &found.findings {
        let again = run_case(&batch, &finding.case).unwrap();
        let alike = |one: &&crate::batch::Finding| one.fingerprint == finding.fingerprint;
        let same = again.findings.iter().find(alike);
        let same = same.unwrap_or_else(|| panic!("{} {}", finding.case, finding.fingerprint));
        assert_eq!(
            (&same.expected, &same.actual),
            (&finding.expected, &finding.actual)
        );
        if finding.case.0.contains('/') {
            cuts += 1;
        } else {
            lives += 1;
        }
    }
    assert!(cuts > 0, "{lives} and {cuts}");
    assert!(run_case(&batch, &CaseId("e1.v9".to_owned())).is_err());
    assert!(run_case(&batch, &CaseId("e1.v0.l99/p1.s0".to_owned())).is_err());
}

#[test]
fn a_session_that_ends_before_its_rows_were_seen_is_judged_by_what_was_owed_before() {
    let fault = "error = \"eio\"\noperation = \"read\"\nlasts = \"forever\"\nreopenings = 2";
    let batch = batch(fault, CUT);
    let spoiled = Box::new(Spoiled::new(Spoil::PanicOnFailedRecovery));
    let setup = Setup::on(&batch, spoiled).unwrap();
    let found = run_with(&setup, &mut |_| ()).unwrap();
    assert_eq!(checks(&found), [CheckKind::NoPanic].into());
    assert!(found.checked > 2);
}
