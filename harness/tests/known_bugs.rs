//! Known bugs of redb: found in the version that has them, and not in the one that has not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lightning_chaos::batch::{Batch, BatchResult, CaseId, Finding, PlantSwitch};
use lightning_chaos::explore::{run_batch, run_case};
use lightning_chaos::scenario::{CheckKind, Scenario};

fn read(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/known-bugs");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

fn batch(file: &str, target: &str, run: u32, states_max: u64) -> Batch {
    Batch {
        scenario: Arc::new(Scenario::parse(file, &read(file)).unwrap()),
        target: target.to_owned(),
        options: BTreeMap::new(),
        seed: 1,
        run,
        plants: PlantSwitch::Healthy,
        states_max,
        skip: Vec::new(),
    }
}

fn explore(batch: &Batch) -> BatchResult {
    run_batch(batch, &mut |_: &CaseId| ()).unwrap()
}

/// The first finding among some runs that is the one looked for, after checking that its case shows it again.
fn found(
    file: &str,
    target: &str,
    runs: u32,
    states_max: u64,
    is_it: impl Fn(&Finding) -> bool,
) -> Option<Finding> {
    (0..runs).find_map(|run| {
        let batch = batch(file, target, run, states_max);
        let finding = explore(&batch).findings.into_iter().find(&is_it)?;
        let again = run_case(&batch, &finding.case).unwrap();
        let same = |other: &Finding| other.fingerprint == finding.fingerprint;
        assert!(
            again.findings.iter().any(same),
            "{} is not repeated",
            finding.case
        );
        Some(finding)
    })
}

fn assert_clean(file: &str, states_max: u64) {
    let result = explore(&batch(file, "redb", 0, states_max));
    assert_eq!(result.findings, Vec::new());
    assert!(result.distinct.len() > 100, "{}", result.distinct.len());
}

#[test]
fn a_file_that_is_shorter_than_its_header_says_is_not_opened_by_redb_4_1_0() {
    let file = "redb-file-grows.toml";
    let panics = |finding: &Finding| {
        finding.check == CheckKind::NoPanic && finding.actual.contains("header.layout().len()")
    };
    let finding = found(file, "redb-4.1.0", 8, 400, panics).expect("the bug is found");
    assert_eq!(finding.assumptions, Vec::<String>::new());
    assert_clean(file, 300);
}

#[test]
fn a_torn_commit_slot_that_a_repair_makes_whole_takes_a_commit_back_in_redb_4_1_0() {
    let file = "redb-torn-commit-slot.toml";
    let lost = |finding: &Finding| {
        let fingerprint = "durability/acknowledged-lost/sync";
        finding.fingerprint == fingerprint && finding.generation == 2
    };
    let finding = found(file, "redb-4.1.0", 20, 20_000, lost).expect("the bug is found");
    assert_eq!(finding.assumptions.len(), 1, "{finding:?}");
    assert_clean(file, 3000);
}

#[test]
fn a_redb_whose_syncs_are_dropped_is_caught() {
    let mut batch = batch("redb-file-grows.toml", "redb", 0, 300);
    let text = "[[plant]]\nkind = \"elision\"\noperation = \"sync\"\nfile = \"redb.db\"\n";
    let expect = "expect = \"fail\"\ncaught_by = \"durability\"\ntags";
    let scenario = read("redb-file-grows.toml").replacen("tags", expect, 1) + text;
    batch.scenario = Arc::new(Scenario::parse("planted.toml", &scenario).unwrap());
    batch.plants = PlantSwitch::Planted;
    let findings = explore(&batch).findings;
    let lost = |finding: &Finding| finding.check == CheckKind::Durability;
    assert!(findings.iter().any(lost), "{} findings", findings.len());
}

#[test]
fn a_target_that_promises_nothing_on_bad_media_is_not_tried_there() {
    let batch = batch("redb-torn-commit-slot.toml", "lightning", 0, 10);
    let refused = run_batch(&batch, &mut |_: &CaseId| ()).unwrap_err();
    let text = "target lightning promises nothing under the model `media`";
    assert_eq!(refused.to_string(), text);
}
