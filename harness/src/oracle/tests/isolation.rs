//! What transactions may not see or lose of each other, made by hand, and beside each something legal that is close to it.

use super::story::Story;
use crate::oracle::Outcome;
use crate::target::Isolation::{Serializable, Snapshot};

const LOST: &str = "isolation/lost-update";
const TORN: &str = "isolation/not-one-snapshot";
const SERIAL: &str = "isolation/not-serializable";
const DIRTY: &str = "isolation/dirty-read";
const LEGAL: &str = "legal";

/// Clients 0 and 1 read `x` at the same time; 0 overwrites it.
fn both_read() -> Story {
    let mut story = Story::after("x y");
    story.begin(0);
    story.begin(1);
    story.read(0, "x@base");
    story.read(1, "x@base");
    story.ask(0, "x");
    story.acknowledge(0);
    story
}

#[test]
fn a_lost_update() {
    let mut story = both_read();
    story.ask(1, "x");
    story.acknowledge(1);
    let end = "x@1.1 y@base s0@0.1 s1@1.1";
    assert_eq!(story.isolation(Snapshot, end), LOST);
    assert_eq!(story.isolation(Serializable, end), SERIAL);

    let mut story = both_read();
    story.ask(1, "x");
    story.answer(1, Outcome::Refused);
    assert_eq!(story.isolation(Snapshot, "x@0.1 y@base s0@0.1"), LEGAL);
    story.begin(1);
    story.read(1, "x@0.1");
    story.ask(1, "x");
    story.acknowledge(1);
    let end = "x@1.2 y@base s0@0.1 s1@1.2";
    assert_eq!(story.isolation(Snapshot, end), LEGAL);
    assert_eq!(story.isolation(Serializable, end), LEGAL);
}

#[test]
fn a_lost_update_of_what_nobody_read() {
    let mut story = Story::new();
    story.begin(0);
    story.begin(1);
    story.commit(0, "x");
    story.commit(1, "x");
    let end = "x@1.1 s0@0.1 s1@1.1";
    assert_eq!(story.isolation(Snapshot, end), LOST);
    // One after the other they do the same.
    assert_eq!(story.isolation(Serializable, end), LEGAL);
}

#[test]
fn write_skew_is_a_matter_of_what_was_promised() {
    let mut story = Story::after("x y");
    for client in 0..2 {
        story.begin(client);
        story.read(client, "x@base y@base");
    }
    story.commit(0, "x");
    story.commit(1, "y");
    let end = "x@0.1 y@1.1 s0@0.1 s1@1.1";
    assert_eq!(story.isolation(Snapshot, end), LEGAL);
    assert_eq!(story.isolation(Serializable, end), SERIAL);

    // Had the second read nothing that the first wrote, it could have come first, or later.
    let mut story = Story::after("x y");
    story.begin(0);
    story.begin(1);
    story.read(0, "x@base y@base");
    story.read(1, "y@base");
    story.commit(0, "x");
    story.commit(1, "y");
    assert_eq!(story.isolation(Serializable, end), LEGAL);
}

#[test]
fn a_read_of_half_a_commit() {
    for (seen, verdict) in [
        ("x@0.1 y@0.1", LEGAL),
        ("-x -y", LEGAL),
        ("x@0.1 -y", TORN),
        ("-x y@0.1", TORN),
    ] {
        let mut story = Story::new();
        story.ask(0, "x y");
        story.begin(1);
        story.acknowledge(0);
        story.read(1, seen);
        let end = "x@0.1 y@0.1 s0@0.1";
        assert_eq!(story.isolation(Snapshot, end), verdict, "{seen}");
    }
}

#[test]
fn two_commits_seen_in_two_orders() {
    for (first, second, verdict) in [
        ("x@0.1 -y", "-x y@1.1", TORN),
        ("x@0.1 -y", "x@0.1 y@1.1", LEGAL),
        ("x@0.1 -y", "x@0.1 -y", LEGAL),
    ] {
        let mut story = Story::new();
        story.ask(0, "x");
        story.ask(1, "y");
        story.begin(2);
        story.begin(3);
        story.acknowledge(0);
        story.acknowledge(1);
        story.read(2, first);
        story.read(3, second);
        let end = "x@0.1 y@1.1 s0@0.1 s1@1.1";
        assert_eq!(story.isolation(Snapshot, end), verdict, "{first}, {second}");
    }
}

#[test]
fn what_was_seen_is_not_seen_by_who_began_later() {
    for (earlier, later, verdict) in [
        ("x@0.1", "-x", TORN),
        ("-x", "x@0.1", LEGAL),
        ("x@0.1", "x@0.1", LEGAL),
    ] {
        let mut story = Story::new();
        story.ask(0, "x");
        story.begin(1);
        story.read(1, earlier);
        story.begin(2);
        story.read(2, later);
        story.acknowledge(0);
        assert_eq!(
            story.isolation(Snapshot, "x@0.1 s0@0.1"),
            verdict,
            "{earlier}, {later}"
        );
    }
}

#[test]
fn a_read_of_the_future() {
    for (seen, verdict) in [("x@0.1", TORN), ("-x", LEGAL)] {
        let mut story = Story::new();
        story.begin(1);
        story.commit(0, "x");
        story.read(1, seen);
        assert_eq!(story.isolation(Snapshot, "x@0.1 s0@0.1"), verdict, "{seen}");
    }
}

#[test]
fn a_read_of_what_was_overwritten_before_the_begin() {
    for (seen, verdict) in [("x@0.1", TORN), ("-x", TORN), ("x@0.2", LEGAL)] {
        let mut story = Story::new();
        story.commit(0, "x");
        story.commit(0, "x");
        story.begin(1);
        story.read(1, seen);
        assert_eq!(story.isolation(Snapshot, "x@0.2 s0@0.2"), verdict, "{seen}");
    }
}

#[test]
fn a_read_of_a_deleted_row() {
    for (seen, verdict) in [("x@base", TORN), ("-x", LEGAL)] {
        let mut story = Story::after("x");
        story.commit(0, "-x");
        story.begin(1);
        story.read(1, seen);
        assert_eq!(story.isolation(Snapshot, "s0@0.1"), verdict, "{seen}");
    }
}

#[test]
fn a_read_of_what_was_refused_or_never_asked_for() {
    for (outcome, verdict) in [
        (Some(Outcome::Refused), DIRTY),
        (Some(Outcome::Acknowledged), LEGAL),
        (Some(Outcome::Unknown), LEGAL),
        (None, DIRTY),
    ] {
        let mut story = Story::new();
        story.begin(0);
        if outcome.is_some() {
            story.ask(0, "x");
        }
        story.begin(1);
        story.read(1, "x@0.1");
        if let Some(outcome) = outcome {
            story.answer(0, outcome);
        }
        let end = "x@0.1 s0@0.1";
        assert_eq!(story.isolation(Snapshot, end), verdict, "{outcome:?}");
    }
}

#[test]
fn a_version_that_comes_back_after_a_newer_was_seen() {
    for (end, verdict) in [("x@0.1", TORN), ("x@1.1", LEGAL)] {
        let mut story = Story::new();
        story.ask(0, "x");
        story.ask(1, "x");
        story.acknowledge(0);
        story.acknowledge(1);
        story.begin(2);
        story.read(2, "x@1.1");
        let end = format!("{end} s0@0.1 s1@1.1");
        assert_eq!(story.isolation(Snapshot, &end), verdict, "{end}");
    }
}

#[test]
fn only_transactions_that_were_open_together_count_as_concurrent() {
    let mut story = Story::new();
    story.commit(0, "x");
    story.commit(1, "x");
    assert_eq!(story.history.concurrent(), 0);
    story.begin(0);
    story.commit(1, "y");
    story.commit(0, "x");
    assert_eq!(story.history.concurrent(), 1);
}
