//! The whole public API against maps: transactions with savepoints and table operations, reads of every kind,
//! snapshots, checkpoints, compaction, backups and restores, reopening, and in the second property ends of the process and power cuts at
//! any operation, after which one of the states must be there that was owed.
//!
//! 10,000 cases; `LIGHTNING_MODEL_CASES` asks for more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod power;
mod program;
mod steps;
mod tables;
mod world;

use lightning_db::{Durability, Isolation};
use power::Survival;
use proptest::collection::vec;
use proptest::prelude::*;
use steps::{End, Ending, Op, Step, calm, rough};
use world::World;

/// Half of all cases.
fn config() -> ProptestConfig {
    let cases = std::env::var("LIGHTNING_MODEL_CASES");
    let cases = cases
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(10_000);
    ProptestConfig {
        cases: cases / 2,
        ..ProptestConfig::default()
    }
}

fn follows_the_model(steps: &[Step]) {
    let mut world = World::new();
    for step in steps {
        world.run(step);
        world.assert_shown();
    }
    world.finish();
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_database_does_what_maps_do(steps in vec(calm(), 1..24)) {
        follows_the_model(&steps);
    }

    #[test]
    fn whatever_ends_the_process_leaves_a_state_that_was_owed(steps in vec(rough(), 1..20)) {
        follows_the_model(&steps);
    }
}

/// The model sees what it is there for: a commit that was acknowledged and is gone.
#[test]
#[should_panic(expected = "found state Some(0) of 2, owed 1")]
fn a_disk_that_loses_a_sync_is_found_out() {
    let mut world = World::new();
    world.run(&Step::Checkpoint);
    world.disk().start_to_lie();
    world.run(&Step::Transaction {
        isolation: Isolation::Snapshot,
        ops: vec![Op::Put(("a", vec![1], Some(vec![1])))],
        end: End::Commit(Durability::Sync),
    });
    world.run(&Step::Reopen(Ending::PowerCut(Survival::Nothing)));
}
