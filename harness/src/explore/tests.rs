//! Whole batches on the toy: a right one passes, each way of being wrong is caught by the check that names it.

mod halves;
mod hangs;
mod hardship;
mod lazy;
mod orderings;
mod racy;
mod spoiled;
mod threads;
mod troubled;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::spoiled::{Spoil, Spoiled};
use super::batch::run_with;
use super::setup::Setup;
use super::{run_batch, run_case};
use crate::batch::{Batch, BatchResult, BatchTiming, CaseId, ExploreError, PlantSwitch};
use crate::scenario::{Check, CheckKind, Scenario};

const KV: &str = r#"kind = "kv"
transactions = 30
clients = 3
tables = 2
keys = 16
deletes = "25 %"
large_values = "10 %"
large_value_len_max = "5 KiB"
rollbacks = "10 %""#;

const BANK: &str = r#"kind = "bank"
accounts = 8
transactions = 30
clients = 4
tables = 2
rollbacks = "10 %""#;

/// The toy neither verifies itself nor takes backups, and storage neither fails nor is damaged.
const NOT_HERE: [CheckKind; 5] = [
    CheckKind::Integrity,
    CheckKind::Backup,
    CheckKind::ReadsGoOn,
    CheckKind::Liveness,
    CheckKind::NoWrongReads,
];

const POSIX: &str = r#"model = "posix"
generations = 2"#;

/// A batch on the toy, with all checks that it and the workload allow.
fn batch(workload: &str, options: &str, fault: &str, plant: &str) -> Batch {
    let asked = CheckKind::ALL
        .into_iter()
        .filter(|check| !NOT_HERE.contains(check));
    let checks: Vec<_> = asked
        .map(|check| format!("[[check]]\nkind = \"{check}\"\n"))
        .collect();
    let checks = checks.concat();
    let text = format!(
        "format = 1\nid = \"toy\"\ntitle = \"A toy\"\n[workload]\n{workload}\n[options.toy]\n{options}\n\
         [[fault]]\nkind = \"power-loss\"\n{fault}\n{plant}\n{checks}[budget]\ncases = 100000\n",
    );
    let scenario = Scenario::parse("toy.toml", &text).unwrap_or_else(|error| panic!("{error:?}"));
    Batch {
        scenario: Arc::new(scenario),
        target: "toy".to_owned(),
        options: BTreeMap::new(),
        seed: 7,
        run: 0,
        plants: PlantSwitch::Planted,
        states_max: 3_000,
        skip: Vec::new(),
    }
}

fn run(batch: &Batch) -> BatchResult {
    run_batch(batch, &mut |_| ()).unwrap()
}

fn checks(result: &BatchResult) -> BTreeSet<CheckKind> {
    result
        .findings
        .iter()
        .map(|finding| finding.check)
        .collect()
}

fn passes(batch: &Batch) -> BatchResult {
    let result = run(batch);
    assert_eq!(result.findings, []);
    assert_eq!(result.checked, result.distinct.len() as u64);
    let distinct: BTreeSet<_> = result.distinct.iter().collect();
    assert_eq!(distinct.len(), result.distinct.len());
    result
}

#[test]
fn a_right_toy_passes_thousands_of_states() {
    let mut checked = 0;
    for workload in [KV, BANK] {
        for run in 0..12 {
            let result = passes(&Batch {
                run,
                ..batch(workload, "", POSIX, "")
            });
            for check in CheckKind::ALL {
                let seen = result.checks_seen.get(&check).copied().unwrap_or_default();
                let unseen = NOT_HERE.contains(&check);
                assert_eq!(seen > 0, !unseen, "{check}: {seen}");
            }
            checked += result.checked;
        }
    }
    assert!(checked > 2_500, "{checked}");
}

#[test]
fn a_right_toy_passes_under_each_model_and_when_kinds_mix() {
    for model in [
        r#"model = "prefix""#,
        r#"model = "process-crash""#,
        "model = [\"process-crash\", \"posix\"]\ngenerations = 2",
        "model = [\"posix\", \"process-crash\", \"posix\"]\ngenerations = 3",
    ] {
        let result = passes(&batch(KV, "", model, ""));
        assert!(result.checked > 50, "{model}: {}", result.checked);
    }
}

#[test]
fn an_acknowledgement_before_the_sync_is_a_matter_of_durability() {
    let found = run(&batch(KV, "sync_before_ack = false", POSIX, ""));
    assert!(
        checks(&found).contains(&CheckKind::Durability),
        "{:?}",
        checks(&found)
    );
    assert!(
        found
            .findings
            .iter()
            .any(|one| one.fingerprint == "durability/acknowledged-lost/sync")
    );
}

#[test]
fn a_process_crash_alone_forgives_a_missing_sync() {
    passes(&batch(
        KV,
        "sync_before_ack = false",
        r#"model = "process-crash""#,
        "",
    ));
}

#[test]
fn records_without_a_checksum_are_torn_or_garbage() {
    let workload = KV.replace("10 %", "60 %");
    let found = checks(&run(&batch(&workload, "checksum = false", POSIX, "")));
    assert!(found.contains(&CheckKind::NoGarbage), "{found:?}");
    assert!(found.contains(&CheckKind::Atomicity), "{found:?}");
}

#[test]
fn a_directory_that_is_not_synced_is_a_matter_of_durability() {
    let found = run(&batch(BANK, "sync_directory = false", POSIX, ""));
    assert_eq!(checks(&found), BTreeSet::from([CheckKind::Durability]));
    assert!(
        found
            .findings
            .iter()
            .any(|one| one.fingerprint.contains("cannot-open"))
    );
}

const NO_SYNC: &str = r#"[[plant]]
kind = "elision"
operation = "sync"
file = "toy.log""#;

#[test]
fn a_dropped_sync_is_caught_and_counted_and_without_it_all_is_well() {
    let planted = batch(KV, "", POSIX, NO_SYNC);
    let found = run(&planted);
    assert!(checks(&found).contains(&CheckKind::Durability));
    assert!(
        found.elisions_fired["plant 0"] > 30,
        "{:?}",
        found.elisions_fired
    );
    let timeline = &found.findings[0].timeline;
    assert!(
        timeline
            .iter()
            .any(|entry| entry.kind == lightning_report::TimelineKind::Elided)
    );
    let healthy = passes(&Batch {
        plants: PlantSwitch::Healthy,
        ..planted
    });
    assert!(healthy.elisions_fired.is_empty());
}

#[test]
fn two_runs_of_a_batch_are_alike() {
    let batch = batch(KV, "checksum = [true, false]", POSIX, NO_SYNC);
    let (mut first, mut second) = (run(&batch), run(&batch));
    first.timing = BatchTiming::default();
    second.timing = BatchTiming::default();
    assert!(!first.findings.is_empty());
    assert_eq!(first, second);
}

#[test]
fn another_run_or_seed_draws_other_transactions() {
    let first = batch(KV, "", POSIX, "");
    let others = [
        Batch {
            run: 1,
            ..first.clone()
        },
        Batch {
            seed: 8,
            ..first.clone()
        },
    ];
    let first: BTreeSet<_> = run(&first).distinct.into_iter().collect();
    for other in others {
        let shared = run(&other)
            .distinct
            .iter()
            .filter(|&key| first.contains(key))
            .count();
        assert!(shared < 10, "{shared}");
    }
}

#[test]
fn what_is_skipped_is_not_announced_and_the_rest_stays() {
    let batch = batch(BANK, "", r#"model = "posix""#, "");
    let mut all = Vec::new();
    run_batch(&batch, &mut |case| all.push(case.clone())).unwrap();
    let skip = vec![all[5].clone(), all[9].clone()];
    let mut rest = Vec::new();
    let skipping = Batch {
        skip: skip.clone(),
        ..batch
    };
    run_batch(&skipping, &mut |case| rest.push(case.clone())).unwrap();
    assert!(skip.iter().all(|case| !rest.contains(case)));
    // A skipped state may be met again as another case; nothing else may change.
    let lost = all
        .iter()
        .filter(|&case| !rest.contains(case) && !skip.contains(case))
        .count();
    assert_eq!(lost, 0);
}

#[test]
fn states_max_ends_a_batch() {
    let result = run(&Batch {
        states_max: 40,
        ..batch(KV, "", POSIX, "")
    });
    assert_eq!(result.distinct.len(), 40);
}

#[test]
fn a_case_run_again_fails_alike() {
    let batch = batch(KV, "", POSIX, NO_SYNC);
    let found = run(&batch).findings;
    let later = found
        .iter()
        .filter(|finding| finding.case.0.contains('/'))
        .take(5);
    let cases: Vec<_> = found.iter().take(5).chain(later).collect();
    assert!(cases.len() > 5);
    for finding in cases {
        let again = run_case(&batch, &finding.case).unwrap();
        assert!(again.findings.iter().any(|one| {
            (one.fingerprint.as_str(), one.actual.as_str())
                == (finding.fingerprint.as_str(), finding.actual.as_str())
                && !one.timeline.is_empty()
        }));
    }
}

#[test]
fn a_case_carries_the_files_that_the_crash_left() {
    let batch = batch(KV, "", POSIX, "");
    let mut cases = Vec::new();
    run_batch(&batch, &mut |case| cases.push(case.clone())).unwrap();
    let last = cases.iter().rfind(|case| !case.0.contains('/')).unwrap();
    let again = run_case(&batch, last).unwrap();
    assert_eq!(again.findings, []);
    assert!(again.files["toy.log"].len() > 1_000);
}

#[test]
fn what_cannot_be_run_is_refused() {
    let good = batch(KV, "", POSIX, "");
    let none = Batch {
        target: "none".to_owned(),
        ..good.clone()
    };
    let refused = run_batch(&none, &mut |_| ()).unwrap_err();
    assert!(matches!(refused, ExploreError::UnknownTarget { .. }));
    let refused = run_batch(&batch(KV, "checksums = true", POSIX, ""), &mut |_| ()).unwrap_err();
    assert!(matches!(refused, ExploreError::Option { .. }));
    for case in ["p99999.s0", "nonsense", "f3/p1.s1"] {
        let refused = run_case(&good, &CaseId(case.to_owned())).unwrap_err();
        assert!(matches!(refused, ExploreError::UnknownCase(_)), "{case}");
    }
}

/// The same batch on Lightning DB, its own integrity check included.
fn on_lightning(batch: Batch, plant: PlantSwitch) -> Batch {
    let mut scenario = (*batch.scenario).clone();
    scenario.checks.push(Check {
        kind: CheckKind::Integrity,
    });
    let target = "lightning".to_owned();
    Batch {
        scenario: Arc::new(scenario),
        target,
        plants: plant,
        states_max: 300,
        ..batch
    }
}

#[test]
fn lightning_passes_and_without_the_syncs_of_its_log_it_does_not() {
    let plant = NO_SYNC.replace("toy.log", "wal/*");
    let workload = format!("{KV}\ncheckpoints = 2\ndurability = [\"sync\", \"buffered\"]");
    let batch = batch(&workload, "", POSIX, &plant);
    let healthy = passes(&on_lightning(batch.clone(), PlantSwitch::Healthy));
    assert!(healthy.checked > 100, "{}", healthy.checked);
    assert!(healthy.checks_seen[&CheckKind::Integrity] > 100);
    let planted = run(&on_lightning(batch, PlantSwitch::Planted));
    assert!(checks(&planted).contains(&CheckKind::Durability));
}

fn run_spoiled(spoil: Spoil) -> Result<BatchResult, ExploreError> {
    let states_max = if spoil == Spoil::SpinOnRecovery {
        10
    } else {
        300
    };
    let batch = Batch {
        states_max,
        ..batch(BANK, "", POSIX, "")
    };
    run_with(
        &Setup::on(&batch, Box::new(Spoiled::new(spoil)))?,
        &mut |_| (),
    )
}

#[test]
fn a_panic_in_recovery_is_a_finding_with_its_place() {
    let found = run_spoiled(Spoil::PanicOnRecovery).unwrap();
    assert_eq!(checks(&found), BTreeSet::from([CheckKind::NoPanic]));
    assert!(
        found.findings[0].actual.contains("spoiled.rs"),
        "{:?}",
        found.findings[0]
    );
}

#[test]
fn a_recovery_without_an_end_is_a_finding() {
    let found = run_spoiled(Spoil::SpinOnRecovery).unwrap();
    assert_eq!(checks(&found), BTreeSet::from([CheckKind::NoHang]));
}

#[test]
fn a_slow_disk_is_waited_for_and_what_ends_past_its_deadline_hangs() {
    let slow = |within: &str| {
        format!(
            "[[fault]]\nkind = \"latency\"\noperation = \"sync\"\nevery = 3\ntakes = \"40 ms\"\nwithin = \"{within}\"\n"
        )
    };
    let good = run(&batch(KV, "", POSIX, &slow("10 s")));
    assert!(good.findings.is_empty(), "{:?}", good.findings);
    let counts = good.faults["latency"];
    assert!(counts.fired > 0 && counts.fired < counts.armed);
    let late = run(&batch(KV, "", POSIX, &slow("30 ms")));
    assert_eq!(checks(&late), BTreeSet::from([CheckKind::NoHang]));
    assert!(
        late.findings[0].actual.contains("ms of the disk's time"),
        "{:?}",
        late.findings[0]
    );
}

#[test]
fn a_second_recovery_that_shows_less_is_not_idempotent() {
    let found = run_spoiled(Spoil::SecondRecoveryLosesARow).unwrap();
    assert!(
        checks(&found).contains(&CheckKind::IdempotentRecovery),
        "{:?}",
        checks(&found)
    );
}

#[test]
fn a_target_that_reads_the_clock_is_an_internal_error() {
    let refused = run_spoiled(Spoil::CallsDifferEachTime).unwrap_err();
    assert!(matches!(refused, ExploreError::Internal(_)), "{refused}");
}

#[test]
fn a_target_that_cannot_commit_after_recovery_is_caught() {
    let found = run_spoiled(Spoil::ReadOnlyAfterRecovery).unwrap();
    let findings = found.findings.iter();
    assert!(
        findings
            .filter(|one| one.fingerprint.contains("cannot-go-on/commit"))
            .count()
            > 10
    );
}

#[test]
fn a_wrong_read_in_a_transaction_is_caught_without_any_crash() {
    let found = run_spoiled(Spoil::StaleReads).unwrap();
    assert_eq!(found.findings[0].case, CaseId("live".to_owned()));
    assert!(
        found
            .findings
            .iter()
            .any(|one| one.fingerprint == "durability/wrong-read")
    );
}
