//! Batches whose crash points are covered rather than sampled.

use std::collections::BTreeSet;

use super::spoiled::{Spoil, Spoiled};
use super::*;

const LAZY: &str = r#"model = "posix"
coverage = "lazy""#;

const SMALL: &str = r#"kind = "kv"
transactions = 4
keys = 4
value_len_max = "600 B""#;

#[test]
fn every_crash_point_of_a_right_toy_is_covered() {
    for run in 0..6 {
        let result = passes(&Batch {
            run,
            ..batch(SMALL, "", LAZY, "")
        });
        assert_eq!(result.sampled_points, 0);
        assert!(result.covered.len() > 4, "{:?}", result.covered);
        let leaves: u64 = result
            .covered
            .iter()
            .map(|point| point.representatives)
            .sum();
        assert_eq!(leaves, result.checked);
        for check in CheckKind::ALL {
            let seen = result.checks_seen.get(&check).copied().unwrap_or_default();
            // A single client is not isolated from anyone.
            let unseen = NOT_HERE.contains(&check) || check == CheckKind::Isolation;
            assert_eq!(seen > 0, !unseen, "{check}: {seen}");
        }
    }
}

#[test]
fn covering_finds_what_sampling_finds_and_a_leaf_run_again_fails_alike() {
    let shapes = |result: &BatchResult| -> BTreeSet<_> {
        let findings = result.findings.iter();
        findings
            .map(|finding| finding.fingerprint.clone())
            .collect()
    };
    let mut lazily = BTreeSet::new();
    let mut sampled = BTreeSet::new();
    for run in 0..4 {
        let options = "checksum = false\nsync_before_ack = false";
        let sampling = "model = \"posix\"\nsamples = 64";
        let batch_of = |fault| Batch {
            run,
            ..batch(SMALL, options, fault, "")
        };
        sampled.extend(shapes(&super::run(&batch_of(sampling))));
        let covering = batch_of(LAZY);
        let found = super::run(&covering);
        lazily.extend(shapes(&found));
        for finding in found.findings.iter().take(8) {
            assert!(finding.case.0.contains(".d"), "{}", finding.case);
            let again = run_case(&covering, &finding.case).unwrap();
            assert!(again.findings.iter().any(|one| {
                (one.fingerprint.as_str(), one.actual.as_str())
                    == (finding.fingerprint.as_str(), finding.actual.as_str())
            }));
            assert!(again.files.is_empty() || again.files.contains_key("toy.log"));
        }
    }
    assert!(sampled.len() > 2, "{sampled:?}");
    assert!(
        lazily.is_superset(&sampled),
        "{lazily:?} and not {sampled:?}"
    );
}

#[test]
fn where_the_leaves_end_first_the_crash_point_is_sampled() {
    let batch = batch(SMALL, "", &format!("{LAZY}\nleaves = 2"), "");
    let result = run(&batch);
    assert_eq!(result.findings, []);
    assert!(result.sampled_points > 0);
}

#[test]
fn lives_that_follow_a_leaf_are_cut_again() {
    let batch = batch(SMALL, "", &format!("{LAZY}\ngenerations = 2"), "");
    let mut cases = Vec::new();
    let result = run_batch(&batch, &mut |case| cases.push(case.clone())).unwrap();
    assert_eq!(result.findings, []);
    assert!(result.sampled_points > 0);
    let later = cases.iter().find(|case| case.0.contains('/')).unwrap();
    assert_eq!(run_case(&batch, later).unwrap().findings, []);
}

#[test]
fn two_lazy_runs_are_alike() {
    let batch = batch(SMALL, "sync_before_ack = false", LAZY, "");
    let (mut first, mut second) = (run(&batch), run(&batch));
    first.timing = BatchTiming::default();
    second.timing = BatchTiming::default();
    assert!(!first.findings.is_empty());
    assert_eq!(first, second);
}

#[test]
fn leaves_that_do_not_exist_are_refused() {
    let batch = batch(SMALL, "", LAZY, "");
    for case in ["p3.d9", "p3.d0x5000.1"] {
        let refused = run_case(&batch, &CaseId(case.to_owned())).unwrap_err();
        assert!(matches!(refused, ExploreError::UnknownCase(_)), "{case}");
    }
}

#[test]
fn a_target_that_looks_elsewhere_each_time_is_an_internal_error() {
    let batch = batch(SMALL, "sync_before_ack = false", LAZY, "");
    let spoiled = Spoiled::new(Spoil::LooksElsewhereEachTime);
    let setup = Setup::on(&batch, Box::new(spoiled)).unwrap();
    let refused = run_with(&setup, &mut |_| ()).unwrap_err();
    let ExploreError::Internal(text) = refused else {
        panic!("{refused}");
    };
    assert!(text.contains("goes another way"), "{text}");
}

#[test]
fn lightning_is_covered() {
    let batch = Batch {
        states_max: 100_000,
        ..on_lightning(batch(SMALL, "", LAZY, ""), PlantSwitch::Healthy)
    };
    let result = passes(&batch);
    assert_eq!(result.sampled_points, 0);
    assert!(result.covered.len() > 15, "{:?}", result.covered);
    assert!(result.checks_seen[&CheckKind::Integrity] > 30);
}
