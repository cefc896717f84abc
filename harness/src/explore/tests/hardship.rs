//! Threads together with failing storage and with damage: the right ones pass, each way of failing only there is caught by the check that
//! names it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::checks;
use super::racy::{Race, Racy};
use crate::batch::{Batch, BatchResult, BatchTiming, PlantSwitch};
use crate::explore::batch::run_with;
use crate::explore::setup::Setup;
use crate::explore::{run_batch, run_case};
use crate::scenario::{CheckKind, Scenario};

const EIO: &str =
    "kind = \"io-error\"\nerror = \"eio\"\nlasts = [\"once\", \"forever\"]\nreopenings = 1";
const SYNCS: &str = "kind = \"io-error\"\nerror = \"eio\"\noperation = [\"sync\", \"write\"]\ncache = [\"kept\", \"dropped\"]\nreopenings = 1";
const FLIPS: &str = "kind = \"damage\"\nwhat = \"flipped-bit\"\nat = \"sampled\"\npoints = 200";

fn batch(target: &str, fault: &str, rest: &str, checks: &[&str]) -> Batch {
    let checks = checks
        .iter()
        .map(|check| format!("[[check]]\nkind = \"{check}\"\n"));
    let checks: String = checks.collect();
    let text = format!(
        "format = 1\nid = \"threads\"\ntitle = \"Threads\"\n[workload]\nkind = \"bank\"\naccounts = 24\ntransactions = 12\n\
         clients = 4\nthreads = true\n[options.lightning]\npage_size = \"4 KiB\"\nlog_segment = \"16 KiB\"\n\
         checkpoint_after = \"8 KiB\"\ncheckpoint_mode = \"background\"\n[[fault]]\n{fault}\n{rest}\n{checks}\
         [budget]\ncases = 100000\n",
    );
    let scenario = Scenario::parse("threads.toml", &text);
    Batch {
        scenario: Arc::new(scenario.unwrap_or_else(|error| panic!("{error:?}"))),
        target: target.to_owned(),
        options: BTreeMap::new(),
        seed: 11,
        run: 0,
        plants: PlantSwitch::Planted,
        states_max: 20_000,
        skip: Vec::new(),
    }
}

const LIVE: [&str; 6] = [
    "durability",
    "atomicity",
    "no-garbage",
    "isolation",
    "reads-go-on",
    "liveness",
];

fn run(batch: &Batch) -> BatchResult {
    run_batch(batch, &mut |_| ()).unwrap()
}

fn on_racy(batch: &Batch, race: Race) -> BatchResult {
    let setup = Setup::on(batch, Box::new(Racy(race))).unwrap();
    run_with(&setup, &mut |_| ()).unwrap()
}

#[test]
fn a_sweep_beside_threads_fails_every_operation_and_ends_with_a_run_in_which_none_does() {
    let batch = batch("lightning", EIO, "", &LIVE);
    let result = run(&batch);
    assert_eq!(result.findings, []);
    assert_eq!(result.inconclusive, []);
    let counts = result.faults["io-error"];
    assert_eq!(counts.armed, counts.fired + 2, "two variants");
    assert!(counts.fired > 100, "{counts:?}");
    for check in [
        CheckKind::ReadsGoOn,
        CheckKind::Liveness,
        CheckKind::Isolation,
    ] {
        assert!(
            result.checks_seen[&check] > 50,
            "{check}: {:?}",
            result.checks_seen
        );
    }
    let untimed = |result: BatchResult| BatchResult {
        timing: BatchTiming::default(),
        ..result
    };
    let again = untimed(run(&batch));
    assert!(again == untimed(result), "a run is repeated to the byte");
}

#[test]
fn a_toy_with_group_commit_bears_what_fails_beside_threads() {
    for run in 0..4 {
        for fault in [EIO, SYNCS] {
            let batch = Batch {
                run,
                ..batch("racy", fault, "", &LIVE)
            };
            let result = on_racy(&batch, Race::Nothing);
            assert_eq!(result.findings, [], "run {run}");
            assert_eq!(result.inconclusive, [], "run {run}");
            assert!(result.faults["io-error"].fired > 20);
        }
    }
}

/// The checks that break in some runs of a toy with a race.
fn broken(race: Race) -> BTreeSet<CheckKind> {
    let mut broken = BTreeSet::new();
    for run in 0..4 {
        let batch = Batch {
            run,
            ..batch("racy", SYNCS, "", &LIVE)
        };
        broken.extend(checks(&on_racy(&batch, race)));
    }
    broken
}

#[test]
fn what_goes_wrong_only_where_a_failure_meets_threads_is_caught_by_the_check_that_names_it() {
    for (race, check) in [
        (Race::FailedSyncGoesOnRunning, CheckKind::NoHang),
        (Race::FollowersBelieve, CheckKind::Durability),
    ] {
        let found = broken(race);
        assert!(found.contains(&check), "{race:?}: {found:?}");
    }
}

#[test]
fn every_finding_beside_threads_is_found_again_by_its_case_alone() {
    let plant = "[[plant]]\nkind = \"bug\"\nwhat = \"failed-group-is-acknowledged\"";
    let fault = EIO.replace("reopenings = 1", "then = \"restart\"");
    let batch = batch("lightning", &fault, plant, &LIVE);
    let found = run(&batch);
    assert!(!found.findings.is_empty());
    for finding in found.findings.iter().take(8) {
        let again = run_case(&batch, &finding.case).unwrap();
        let alike = |one: &&crate::batch::Finding| one.fingerprint == finding.fingerprint;
        let same = again.findings.iter().find(alike);
        assert_eq!(
            same.map(|same| &same.actual),
            Some(&finding.actual),
            "{}",
            finding.case
        );
    }
}

#[test]
fn damage_to_what_threads_wrote_is_found_or_does_no_harm() {
    let mut overlapped = 0;
    for number in 0..6 {
        let batch = Batch {
            run: number,
            ..batch("lightning", FLIPS, "", &["no-wrong-reads"])
        };
        let result = run(&batch);
        assert_eq!(result.findings, [], "run {number}");
        assert_eq!(result.inconclusive, [], "run {number}");
        overlapped += result.faults["damage: clients on threads"].fired;
    }
    assert!(overlapped > 1_000, "{overlapped}");
}

#[test]
fn damage_that_is_hidden_from_threads_is_a_wrong_read() {
    let plant = "[[plant]]\nkind = \"bug\"\nwhat = \"damage-is-hidden\"";
    let found = run(&batch("lightning", FLIPS, plant, &["no-wrong-reads"]));
    assert!(found.elisions_fired["plant 0"] > 0);
    assert_eq!(checks(&found), [CheckKind::NoWrongReads].into());
}
