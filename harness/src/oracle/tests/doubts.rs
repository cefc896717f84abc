//! What an opening after the end of a process showed, and a loss of power afterwards.

use super::story::Story;
use crate::oracle::Outcome;
use crate::target::{CrashKind, Durability};

const LOST: &str = "durability/acknowledged-lost/sync";
const HALF: &str = "atomicity/half-applied";
const ORDER: &str = "prefix-order/earlier-lost-later-there";

/// `x` was acknowledged; the commit of `y` failed, and was shown to whoever opened the database again.
fn shown() -> Story {
    let mut story = Story::new();
    story.commit(0, "x");
    story.ask(1, "y");
    story.answer(1, Outcome::Unknown);
    story.reopened("x@0.1 s0@0.1 y@1.1 s1@1.1")
}

#[test]
fn what_was_never_acknowledged_may_go_with_the_power_though_somebody_saw_it() {
    let story = shown();
    story.legal("x@0.1 s0@0.1 y@1.1 s1@1.1");
    story.legal("x@0.1 s0@0.1");
}

#[test]
fn it_goes_whole_and_what_was_acknowledged_stays() {
    let story = shown();
    story.illegal("x@0.1 s0@0.1 y@1.1", &[HALF]);
    story.illegal("y@1.1 s1@1.1", &[LOST, ORDER]);
    story.illegal("", &[LOST]);
}

#[test]
fn it_stays_while_the_system_runs() {
    let story = shown().crashing_by(CrashKind::Process);
    let lost = "durability/recovered-row-lost";
    story.illegal("x@0.1 s0@0.1", &[lost, lost]);
}

#[test]
fn what_is_acknowledged_after_the_opening_stays_with_or_without_it() {
    let mut story = shown();
    story.commit(0, "z");
    story.legal("x@0.1 y@1.1 s1@1.1 z@0.2 s0@0.2");
    story.legal("x@0.1 z@0.2 s0@0.2");
    story.illegal("x@0.1 s0@0.1", &[LOST]);
    story.illegal("x@0.1 s0@0.1 y@1.1 s1@1.1", &[LOST]);
    story.illegal("z@0.2 s0@0.2", &[LOST, ORDER]);
}

#[test]
fn a_second_opening_makes_nothing_more_certain() {
    let mut story = shown();
    story.commit(0, "z");
    let story = story.reopened("x@0.1 y@1.1 s1@1.1 z@0.2 s0@0.2");
    story.legal("x@0.1 z@0.2 s0@0.2");
    story.illegal("x@0.1 y@1.1 s1@1.1 s0@0.1", &[LOST]);
}

#[test]
fn a_level_that_promises_an_order_keeps_it_over_an_opening() {
    let mut story = Story::new();
    story.commit_with(0, Durability::Buffered, "x");
    let mut story = story.reopened("x@0.1 s0@0.1");
    story.legal("");
    story.commit(1, "y");
    story.legal("x@0.1 s0@0.1 y@1.2 s1@1.2");
    story.illegal("y@1.2 s1@1.2", &[ORDER]);
}

#[test]
fn what_was_refused_or_not_yet_asked_for_when_the_process_ended_never_comes() {
    let mut story = Story::new();
    story.commit(0, "x");
    story.ask(1, "y");
    story.answer(1, Outcome::Refused);
    let story = story.reopened("x@0.1 s0@0.1");
    story.illegal("x@0.1 s0@0.1 y@1.1 s1@1.1", &["atomicity/refused-there"]);
}
