//! States that no history allows, made by hand, and beside each a legal one that differs in what makes it illegal.

use super::story::{Story, row, rows};
use crate::oracle::Outcome;
use crate::target::{Durability, Promise, Promises};

const LOST: &str = "durability/acknowledged-lost/sync";
const HALF: &str = "atomicity/half-applied";
const ORDER: &str = "prefix-order/earlier-lost-later-there";

/// Clients 0 and 1 commit `x` and `y`, both waiting at once; both are acknowledged.
fn two_at_once() -> Story {
    let mut story = Story::new();
    story.ask(0, "x");
    story.ask(1, "y");
    story.acknowledge(1);
    story.acknowledge(0);
    story
}

#[test]
fn a_lost_acknowledged_commit() {
    let story = two_at_once();
    story.illegal("y@1.1 s1@1.1", &[LOST]);
    story.illegal("", &[LOST, LOST]);
    story.legal("x@0.1 y@1.1 s0@0.1 s1@1.1");
}

#[test]
fn lost_commits_at_the_end_say_nothing_of_order() {
    let mut story = Story::new();
    story.commit(0, "w");
    story.commit(1, "x");
    story.commit(0, "y");
    story.illegal("w@0.1 s0@0.1", &[LOST, LOST]);
    story.illegal("", &[LOST, LOST, LOST]);
    story.illegal("y@0.2 s0@0.2", &[LOST, ORDER, LOST, ORDER]);
}

#[test]
fn a_lost_commit_whose_answer_came_before_the_crash() {
    let mut story = Story::new();
    story.ask(0, "x");
    story.ask(1, "y");
    story.legal("y@1.1 s1@1.1");
    story.acknowledge(0);
    story.illegal("y@1.1 s1@1.1", &[LOST]);
}

#[test]
fn half_a_transaction() {
    let mut story = Story::new();
    story.ask(0, "x y");
    story.ask(1, "z");
    story.acknowledge(1);
    story.illegal("x@0.1 s0@0.1 z@1.1 s1@1.1", &[HALF]);
    story.legal("x@0.1 y@0.1 s0@0.1 z@1.1 s1@1.1");
    story.legal("z@1.1 s1@1.1");
}

#[test]
fn a_transaction_in_flight_half_there() {
    let mut story = Story::after("x y");
    story.ask(0, "x y");
    story.ask(1, "z");
    story.illegal("x@0.1 y@base s0@0.1", &[HALF]);
    story.legal("x@0.1 y@0.1 s0@0.1");
    story.legal("x@base y@base z@1.1 s1@1.1");
}

#[test]
fn half_of_a_delete() {
    let mut story = Story::after("x y");
    story.ask(0, "-x -y");
    story.ask(1, "z");
    story.acknowledge(1);
    story.illegal("y@base s0@0.1 z@1.1 s1@1.1", &[HALF]);
    story.legal("s0@0.1 z@1.1 s1@1.1");
}

#[test]
fn halves_of_two_that_overlapped() {
    let mut story = Story::new();
    story.ask(0, "x y");
    story.ask(1, "x y");
    story.acknowledge(0);
    story.acknowledge(1);
    story.illegal("x@0.1 y@1.1 s0@0.1 s1@1.1", &["atomicity/no-order"]);
    story.legal("x@0.1 y@0.1 s0@0.1 s1@1.1");
    story.legal("x@1.1 y@1.1 s0@0.1 s1@1.1");
}

#[test]
fn three_that_overlapped_in_a_ring() {
    let mut story = Story::new();
    story.ask(0, "x y");
    story.ask(1, "y z");
    story.ask(2, "z x");
    (0..3).for_each(|client| story.acknowledge(client));
    let sequences = "s0@0.1 s1@1.1 s2@2.1";
    story.illegal(
        &format!("x@0.1 y@1.1 z@2.1 {sequences}"),
        &["atomicity/no-order"],
    );
    story.legal(&format!("x@0.1 y@1.1 z@1.1 {sequences}"));
}

#[test]
fn a_refused_commit_that_is_there() {
    let mut story = Story::new();
    story.ask(0, "x");
    story.ask(1, "y");
    story.answer(0, Outcome::Refused);
    story.illegal("x@0.1 s0@0.1", &["atomicity/refused-there"]);
    story.legal("y@1.1 s1@1.1");
    story.legal("");
}

#[test]
fn a_refused_commit_may_be_there_until_it_was_refused() {
    let mut story = Story::new();
    story.ask(0, "x");
    story.ask(1, "y");
    story.legal("x@0.1 s0@0.1");
    story.answer(0, Outcome::Refused);
    story.acknowledge(1);
    story.illegal("x@0.1 s0@0.1 y@1.1 s1@1.1", &["atomicity/refused-there"]);
}

#[test]
fn a_transaction_that_was_rolled_back_is_there() {
    let mut story = two_at_once();
    story.history.begin(crate::oracle::transaction_id(2, 1));
    story.illegal(
        "x@0.1 y@1.1 s0@0.1 s1@1.1 z@2.1",
        &["atomicity/uncommitted-there"],
    );
    story.legal("x@0.1 y@1.1 s0@0.1 s1@1.1");
}

#[test]
fn a_transaction_of_nobody() {
    let story = two_at_once();
    story.illegal(
        "x@0.1 y@1.1 s0@0.1 s1@1.1 z@9.1",
        &["no-garbage/unknown-transaction"],
    );
}

#[test]
fn a_later_commit_without_an_earlier_one() {
    let mut story = Story::new();
    story.ask_for(0, Durability::None, "x");
    story.ask_for(1, Durability::None, "y");
    story.acknowledge(0);
    story.legal("y@1.1 s1@1.1");
    story.ask_for(2, Durability::None, "z");
    story.acknowledge(1);
    story.acknowledge(2);
    // Client 2 asked after client 0 was answered. Client 1 overlapped with both.
    story.illegal("y@1.1 s1@1.1 z@2.1 s2@2.1", &[ORDER]);
    story.legal("x@0.1 s0@0.1 z@2.1 s2@2.1");
    story.legal("y@1.1 s1@1.1");
    story.legal("");
}

#[test]
fn a_sync_commit_that_leaves_an_earlier_one_behind() {
    let mut story = Story::new();
    story.commit_with(0, Durability::None, "x");
    story.ask_for(1, Durability::None, "y");
    story.ask(2, "z");
    story.acknowledge(2);
    story.acknowledge(1);
    story.illegal("z@2.1 s2@2.1", &[ORDER]);
    story.legal("x@0.1 s0@0.1 z@2.1 s2@2.1");
    story.legal("x@0.1 s0@0.1 y@1.1 s1@1.1 z@2.1 s2@2.1");
}

#[test]
fn a_commit_that_real_time_puts_later_is_covered_by_an_earlier_one() {
    let mut story = Story::new();
    story.ask(0, "z");
    story.commit(1, "y");
    story.commit(2, "x y");
    story.acknowledge(0);
    let others = "x@2.1 z@0.1 s0@0.1 s1@1.1 s2@2.1";
    story.illegal(&format!("y@1.1 {others}"), &[HALF]);
    story.legal(&format!("y@2.1 {others}"));
}

#[test]
fn a_circle_through_real_time() {
    let mut story = Story::new();
    story.ask(0, "x y");
    story.commit(1, "x");
    story.commit(2, "y");
    story.acknowledge(0);
    // x says that client 1 came after client 0, y that client 2 came before it: but client 1 was answered before client 2 asked.
    let sequences = "s0@0.1 s1@1.1 s2@2.1";
    story.legal(&format!("x@1.1 y@2.1 {sequences}"));
    story.legal(&format!("x@0.1 y@0.1 {sequences}"));
    story.legal(&format!("x@0.1 y@2.1 {sequences}"));
    story.illegal(&format!("x@1.1 y@0.1 {sequences}"), &["atomicity/no-order"]);
}

#[test]
fn a_sequence_row_ahead_of_its_data() {
    let mut story = Story::new();
    story.commit(0, "x");
    story.ask(0, "x");
    story.ask(1, "y");
    story.illegal("x@0.1 s0@0.2", &[HALF]);
    story.legal("x@0.2 s0@0.2");
    story.legal("x@0.1 s0@0.1");
}

#[test]
fn data_ahead_of_its_sequence_row() {
    let mut story = Story::new();
    story.commit(0, "x");
    story.ask(0, "x");
    story.ask(1, "y");
    story.illegal("x@0.2 s0@0.1", &[HALF]);
    story.illegal("x@0.2 y@1.1 s1@1.1", &[HALF, LOST, ORDER]);
    story.legal("x@0.2 s0@0.2 y@1.1 s1@1.1");
}

#[test]
fn a_value_of_one_row_at_another() {
    let story = two_at_once();
    let mut moved_too = rows("x@0.1 y@1.1 s0@0.1 s1@1.1");
    let moved = moved_too[&row("x")].clone();
    moved_too.insert(row("z"), moved);
    let found = story.judge_rows(&moved_too);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].fingerprint(), "no-garbage/not-a-value");
}

#[test]
fn an_older_version_that_comes_back() {
    let mut story = Story::new();
    story.commit(0, "x");
    story.ask(1, "x");
    story.ask(2, "y");
    story.acknowledge(2);
    story.acknowledge(1);
    story.illegal("x@0.1 s0@0.1 s1@1.1 y@2.1 s2@2.1", &[HALF]);
    story.illegal("x@0.1 s0@0.1 y@2.1 s2@2.1", &[LOST]);
    story.legal("x@1.1 s0@0.1 s1@1.1 y@2.1 s2@2.1");
}

#[test]
fn an_older_version_after_a_recovery_showed_a_newer() {
    let mut story = Story::after("x y");
    story.ask(0, "x");
    story.ask(1, "z");
    story.illegal("x@base", &["durability/recovered-row-lost"]);
    story.illegal("y@base", &["durability/recovered-row-lost"]);
    story.legal("x@base y@base");
    story.legal("x@0.1 s0@0.1 y@base");
}

#[test]
fn a_deleted_row_that_comes_back() {
    let mut story = Story::after("x");
    story.ask(0, "-x");
    story.ask(1, "y");
    story.acknowledge(0);
    story.acknowledge(1);
    story.illegal("x@base s0@0.1 y@1.1 s1@1.1", &[HALF]);
    story.legal("s0@0.1 y@1.1 s1@1.1");
}

#[test]
fn a_row_gone_though_its_delete_overlapped_no_later_put() {
    let mut story = Story::new();
    story.ask(0, "-x");
    story.ask(1, "y");
    story.acknowledge(0);
    story.commit(2, "x");
    story.acknowledge(1);
    story.illegal("s0@0.1 y@1.1 s1@1.1 s2@2.1", &[HALF]);
    story.legal("x@2.1 s0@0.1 y@1.1 s1@1.1 s2@2.1");
}

#[test]
fn a_row_gone_by_a_delete_that_overlapped_its_put() {
    let mut story = Story::new();
    story.ask(0, "-x");
    story.ask(1, "x");
    story.acknowledge(1);
    story.acknowledge(0);
    story.legal("s0@0.1 s1@1.1");
    story.legal("x@1.1 s0@0.1 s1@1.1");
    story.illegal("x@1.1 s1@1.1", &[LOST]);
}

#[test]
fn two_deletes_each_of_which_another_row_forbids_to_be_last() {
    let mut story = Story::new();
    story.ask(0, "-x y");
    story.ask(1, "-x z");
    story.ask(2, "x y z");
    (0..3).for_each(|client| story.acknowledge(client));
    let sequences = "s0@0.1 s1@1.1 s2@2.1";
    story.illegal(&format!("y@2.1 z@2.1 {sequences}"), &["atomicity/no-order"]);
    story.legal(&format!("y@0.1 z@2.1 {sequences}"));
    story.legal(&format!("y@2.1 z@1.1 {sequences}"));
}

#[test]
fn a_level_that_promises_nothing_loses_halves() {
    let nothing = Promises::none()
        .with(Durability::Sync, Promise::Durable, Promise::Durable)
        .with(Durability::None, Promise::Durable, Promise::Nothing);
    let mut story = Story::new().promising(nothing);
    story.ask_for(0, Durability::None, "x y");
    story.ask(1, "y z");
    story.acknowledge(0);
    story.acknowledge(1);
    story.legal("x@0.1 y@1.1 z@1.1 s1@1.1");
    story.legal("x@0.1 y@0.1 z@1.1 s1@1.1");
    story.illegal("x@0.1 y@0.1", &[LOST]);
}

#[test]
fn what_is_unknown_is_there_whole_or_not_at_all() {
    let mut story = Story::new();
    story.ask(0, "x y");
    story.ask(1, "y");
    story.answer(0, Outcome::Unknown);
    story.acknowledge(1);
    story.legal("y@1.1 s1@1.1");
    story.legal("x@0.1 y@0.1 s0@0.1 s1@1.1");
    story.illegal("x@0.1 y@0.1 s0@0.1", &[LOST]);
    story.illegal("y@0.1 s0@0.1 s1@1.1", &[HALF]);
}

#[test]
fn a_value_of_nobody_where_a_transaction_that_is_there_wrote() {
    let mut story = Story::new();
    story.ask(0, "x y");
    story.ask(1, "z");
    story.illegal(
        "x@9.9 y@0.1 s0@0.1",
        &["no-garbage/unknown-transaction", HALF],
    );
    story.illegal("x@9.9", &["no-garbage/unknown-transaction"]);
    story.legal("x@0.1 y@0.1 s0@0.1");
}
