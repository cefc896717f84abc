//! One flipped bit, anywhere: found by `verify`, repaired or reported, and never read as data.
//!
//! `FLIPS=all` flips one bit of every byte in use; `FLIPS=N` another number of positions than 10,000.

use crate::sweep::{Findings, Subject, highest_level, sweep_buffer, sweep_dead, sweep_live};

fn count() -> Option<u64> {
    match std::env::var("FLIPS").as_deref() {
        Ok("all") => None,
        Ok(number) => Some(number.parse().unwrap()),
        Err(_) => Some(10_000),
    }
}

fn assert_none_failed(findings: &Findings) {
    let shown: Vec<_> = findings.failures.iter().take(10).collect();
    assert!(
        shown.is_empty(),
        "{} failed: {shown:#?}",
        findings.failures.len()
    );
}

#[test]
fn verify_finds_every_flip_in_what_is_in_use_and_no_read_is_wrong() {
    let subject = Subject::new();
    assert_eq!(highest_level(&subject.image), 2, "a tree of three levels");
    let findings = sweep_live(&subject, 1, count());
    assert_none_failed(&findings);
    assert!(findings.flips >= count().unwrap_or(10_000).min(10_000));
    assert!(findings.whole > 0 && findings.partial > 0, "{findings:?}");
    assert!(findings.refused > 0 && findings.cut > 0, "{findings:?}");
}

#[test]
fn a_flip_in_what_is_not_in_use_changes_nothing() {
    let findings = sweep_dead(&Subject::new(), 2, 1_000);
    assert_none_failed(&findings);
}

#[test]
fn a_flip_in_a_sealed_buffer_is_found_and_the_checkpoint_before_stands() {
    let subject = Subject::new();
    let findings = sweep_buffer(&subject, &subject.at_seal, 3, 500);
    assert_none_failed(&findings);
}
