//! One history for each anomaly, made by hand, and beside it legal ones that are close to it. Values first, then lists.

use super::lists::Lists;
use super::story::{Story, promises};
use crate::oracle::Outcome;
use crate::target::Isolation::{self, Serializable, Snapshot};
use crate::target::{Durability, Promise};

const LEGAL: &str = "legal";

/// Both promises forbid it.
#[track_caller]
fn forbidden(story: &Story, end: &str, name: &str) {
    for promised in [Snapshot, Serializable] {
        let found = story.anomaly(promised, end);
        assert_eq!(found, format!("isolation/{name}"), "{promised:?}");
    }
}

#[track_caller]
fn is(story: &Story, promised: Isolation, end: &str, name: &str) {
    let expected = match name {
        LEGAL => LEGAL.to_owned(),
        name => format!("isolation/{name}"),
    };
    assert_eq!(story.anomaly(promised, end), expected, "{promised:?}");
}

#[test]
fn g0_two_overwrite_each_other_in_two_orders() {
    let mut story = Story::after("x y");
    story.begin(0);
    story.begin(1);
    story.read(0, "x@base y@1.1");
    story.read(1, "x@0.1 y@base");
    story.ask(0, "x y");
    story.ask(1, "x y");
    story.acknowledge(0);
    story.acknowledge(1);
    forbidden(&story, "x@1.1 y@0.1 s0@0.1 s1@1.1", "g0-dirty-write");

    let mut story = Story::after("x y");
    story.commit(0, "x y");
    story.begin(1);
    story.read(1, "x@0.1 y@0.1");
    story.commit(1, "x y");
    is(&story, Serializable, "x@1.1 y@1.1 s0@0.1 s1@1.1", LEGAL);
}

#[test]
fn g1a_a_read_of_what_was_refused() {
    for (outcome, name) in [
        (Outcome::Refused, "g1a-aborted-read"),
        (Outcome::Acknowledged, LEGAL),
        (Outcome::Unknown, LEGAL),
    ] {
        let mut story = Story::after("x y");
        story.begin(0);
        story.ask(0, "x");
        story.begin(1);
        story.read(1, "x@0.1");
        story.answer(0, outcome);
        story.commit(1, "x");
        is(&story, Snapshot, "x@1.1 y@base s0@0.1 s1@1.1", name);
    }
}

#[test]
fn g1c_two_see_what_the_other_wrote() {
    let mut story = Story::after("x y");
    story.begin(0);
    story.begin(1);
    story.read(0, "y@1.1");
    story.read(1, "x@0.1");
    story.ask(0, "x");
    story.ask(1, "y");
    story.acknowledge(0);
    story.acknowledge(1);
    let end = "x@0.1 y@1.1 s0@0.1 s1@1.1";
    forbidden(&story, end, "g1c-circular-information-flow");
}

#[test]
fn g_single_a_read_of_half_a_commit() {
    let mut story = Story::after("x y");
    story.begin(1);
    story.ask(0, "x y");
    story.read(1, "x@base y@0.1");
    story.acknowledge(0);
    story.commit(1, "z");
    let end = "x@0.1 y@0.1 z@1.1 s0@0.1 s1@1.1";
    forbidden(&story, end, "g-single-read-skew");
}

#[test]
fn g_single_by_a_reader_that_commits_nothing() {
    let mut story = Story::after("x y");
    story.begin(1);
    story.ask(0, "x y");
    story.read(1, "x@base y@0.1");
    story.acknowledge(0);
    forbidden(&story, "x@0.1 y@0.1 s0@0.1", "g-single-read-skew");
}

#[test]
fn g_single_in_real_time_a_read_of_what_had_long_been_overwritten() {
    let mut story = Story::after("x");
    story.commit(0, "x");
    story.begin(1);
    story.read(1, "x@base");
    story.commit(1, "z");
    let end = "x@0.1 z@1.1 s0@0.1 s1@1.1";
    forbidden(&story, end, "g-single-read-skew-real-time");
}

#[test]
fn a_lost_update() {
    let mut story = Story::after("x");
    story.begin(0);
    story.begin(1);
    story.read(0, "x@base");
    story.read(1, "x@base");
    story.commit(0, "x");
    story.commit(1, "x");
    forbidden(&story, "x@1.1 s0@0.1 s1@1.1", "lost-update");
}

#[test]
fn g_nonadjacent_two_see_two_commits_in_two_orders() {
    let mut story = Story::after("x y");
    for reader in [2, 3] {
        story.begin(reader);
    }
    story.ask(0, "x");
    story.ask(1, "y");
    story.read(2, "x@0.1 y@base");
    story.read(3, "x@base y@1.1");
    story.acknowledge(0);
    story.acknowledge(1);
    story.commit(2, "v");
    story.commit(3, "w");
    let end = "x@0.1 y@1.1 v@2.1 w@3.1 s0@0.1 s1@1.1 s2@2.1 s3@3.1";
    forbidden(&story, end, "g-nonadjacent-long-fork");
}

#[test]
fn g2_item_write_skew_is_forbidden_where_serializability_is_promised() {
    let mut story = Story::after("x y");
    for client in 0..2 {
        story.begin(client);
        story.read(client, "x@base y@base");
    }
    story.commit(0, "x");
    story.commit(1, "y");
    let end = "x@0.1 y@1.1 s0@0.1 s1@1.1";
    is(&story, Snapshot, end, LEGAL);
    is(&story, Serializable, end, "g2-item-write-skew");
}

#[test]
fn g2_two_add_what_the_other_one_looked_for_in_a_range() {
    let mut story = Story::new();
    for client in 0..2 {
        story.begin(client);
        story.read_range(client, "-x -y");
    }
    story.commit(0, "x");
    story.commit(1, "y");
    let end = "x@0.1 y@1.1 s0@0.1 s1@1.1";
    is(&story, Snapshot, end, LEGAL);
    is(&story, Serializable, end, "g2-phantom");
}

#[test]
fn a_row_that_was_deleted_is_not_followed() {
    let mut story = Story::after("x");
    story.commit(0, "-x");
    story.begin(1);
    story.read(1, "x@base");
    is(&story, Serializable, "s0@0.1", LEGAL);
}

#[test]
fn after_a_crash_whoever_is_there_saw_only_what_is_there() {
    let buffered = promises().with(Durability::Sync, Promise::Durable, Promise::Durable);
    let mut story = Story::after("x y").promising(buffered);
    story.ask_for(0, Durability::None, "x");
    story.begin(1);
    story.read(1, "x@0.1 y@base");
    story.acknowledge(0);
    story.commit_with(1, Durability::None, "y");
    let after = |end| story.anomaly_after(Snapshot, end);
    assert_eq!(after("x@0.1 y@1.1 s0@0.1 s1@1.1"), LEGAL);
    assert_eq!(after("x@0.1 y@base s0@0.1"), LEGAL);
    assert_eq!(after("x@base y@base"), LEGAL);
    // The second is there, and what it saw is not.
    let torn = "isolation/g-single-read-skew";
    assert_eq!(after("x@base y@1.1 s1@1.1"), torn);
}

#[test]
fn g0_and_g1c_of_lists() {
    let mut lists = Lists::new();
    lists.begin(0);
    lists.begin(1);
    lists.appends(0, "x 0.1");
    lists.appends(1, "x 0.1 1.1");
    lists.appends(1, "y 1.1");
    lists.appends(0, "y 1.1 0.1");
    lists.ask(0);
    lists.ask(1);
    lists.acknowledge(0);
    lists.acknowledge(1);
    let end = "x 0.1 1.1 | y 1.1 0.1";
    assert_eq!(lists.anomaly(Snapshot, end), "isolation/g0-dirty-write");
}

#[test]
fn g1a_of_a_list() {
    let mut lists = Lists::new();
    lists.begin(0);
    lists.appends(0, "x 0.1");
    lists.ask(0);
    lists.begin(1);
    lists.sees(1, "x 0.1");
    lists.answer(0, Outcome::Refused);
    assert_eq!(lists.anomaly(Snapshot, ""), "isolation/g1a-aborted-read");
}

#[test]
fn g1b_of_a_list() {
    for (seen, expected) in [
        ("x 0.1", "isolation/g1b-intermediate-read"),
        ("x 0.1 0.1:1", LEGAL),
    ] {
        let mut lists = Lists::new();
        lists.begin(0);
        lists.appends(0, "x 0.1");
        lists.appends(0, "x 0.1 0.1:1");
        lists.ask(0);
        lists.begin(1);
        lists.sees(1, seen);
        lists.acknowledge(0);
        assert_eq!(lists.anomaly(Snapshot, "x 0.1 0.1:1"), expected, "{seen}");
    }
}

#[test]
fn a_lost_update_of_a_list_is_named_though_the_list_forgot_it() {
    let mut lists = Lists::new();
    lists.begin(0);
    lists.begin(1);
    lists.appends(0, "x 0.1");
    lists.appends(1, "x 1.1");
    lists.commit(0);
    lists.commit(1);
    assert_eq!(lists.anomaly(Snapshot, "x 1.1"), "isolation/lost-update");
}

#[test]
fn lists_in_two_orders() {
    let mut lists = Lists::new();
    lists.begin(0);
    lists.appends(0, "x 0.1");
    lists.commit(0);
    lists.begin(1);
    lists.appends(1, "x 0.1 1.1");
    lists.commit(1);
    lists.begin(2);
    lists.sees(2, "x 1.1 0.1");
    let found = lists.anomaly(Snapshot, "x 0.1 1.1");
    assert_eq!(found, "isolation/incompatible-order");
}

#[test]
fn write_skew_of_lists_and_its_evidence() {
    let mut lists = Lists::new();
    for client in 0..2 {
        lists.begin(client);
        lists.sees(client, "x");
        lists.sees(client, "y");
    }
    lists.appends(0, "x 0.1");
    lists.appends(1, "y 1.1");
    lists.commit(0);
    lists.commit(1);
    let end = "x 0.1 | y 1.1";
    assert_eq!(lists.anomaly(Snapshot, end), LEGAL);
    let found = lists.anomaly(Serializable, end);
    assert_eq!(found, "isolation/g2-item-write-skew");
    assert_eq!(
        lists.evidence(Serializable, end),
        "a circle of 2: transaction 1 of client 1 saw table 0 key \"x\" as it was in the beginning, before transaction 1 of client 0 \
         overwrote it, as the list says (rw); transaction 1 of client 0 saw table 0 key \"y\" as it was in the beginning, before \
         transaction 1 of client 1 overwrote it, as the list says (rw)"
    );
}

#[test]
fn the_circle_that_is_shown_is_the_shortest() {
    // Three in a circle of write skew, and two of them in a shorter one.
    let mut lists = Lists::new();
    for client in 0..3 {
        lists.begin(client);
    }
    for (client, row) in [(0, "y"), (1, "z"), (2, "x"), (1, "x")] {
        lists.sees(client, row);
    }
    for (client, list) in [(0, "x 0.1"), (1, "y 1.1"), (2, "z 2.1")] {
        lists.appends(client, list);
        lists.commit(client);
    }
    let evidence = lists.evidence(Serializable, "x 0.1 | y 1.1 | z 2.1");
    assert!(evidence.starts_with("a circle of 2"), "{evidence}");
}
