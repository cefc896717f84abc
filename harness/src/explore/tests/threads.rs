//! Clients on threads, on Lightning DB, and on a toy with races planted in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::racy::{Race, Racy};
use crate::batch::{Batch, CaseId, ExploreError, PlantSwitch};
use crate::explore::batch::{Explorer, run_with};
use crate::explore::life::Life;
use crate::explore::run_batch;
use crate::explore::setup::Setup;
use crate::scenario::{CheckKind, Scenario};
use crate::trace::{Event, Mark, Operation};

const KV: &str = r#"kind = "kv"
transactions = 32
clients = 4
threads = true
keys = 12
durability = ["sync", "sync", "buffered"]
checkpoints = 2"#;

const BANK: &str = r#"kind = "bank"
accounts = 48
transactions = 32
clients = 4
threads = true"#;

const BANK_OF_FEW: &str = r#"kind = "bank"
accounts = 6
transactions = 32
clients = 4
threads = true"#;

fn batch(workload: &str, run: u32) -> Batch {
    batch_at("at = \"sampled\"\npoints = 4", workload, run)
}

fn batch_at(points: &str, workload: &str, run: u32) -> Batch {
    let checks = [
        "durability",
        "atomicity",
        "no-garbage",
        "integrity",
        "prefix-order",
        "isolation",
    ];
    let checks = checks.map(|check| format!("[[check]]\nkind = \"{check}\"\n"));
    let text = format!(
        "format = 1\nid = \"threads\"\ntitle = \"Threads\"\n[workload]\n{workload}\n[options.lightning]\n\
         page_size = \"4 KiB\"\nlog_segment = \"16 KiB\"\ncheckpoint_after = \"8 KiB\"\ncheckpoint_mode = \"background\"\n\
         [[fault]]\nkind = \"power-loss\"\nmodel = \"posix\"\n{points}\nsamples = 4\n{}\
         [budget]\ncases = 100000\n",
        checks.concat(),
    );
    let scenario = Scenario::parse("threads.toml", &text);
    Batch {
        scenario: Arc::new(scenario.unwrap_or_else(|error| panic!("{error:?}"))),
        target: "lightning".to_owned(),
        options: BTreeMap::new(),
        seed: 11,
        run,
        plants: PlantSwitch::Healthy,
        states_max: 1_000,
        skip: Vec::new(),
    }
}

fn live(batch: &Batch) -> Life {
    let setup = Setup::new(batch).unwrap();
    let mut announce = |_: &CaseId| ();
    let mut explorer = Explorer::new(&setup, &mut announce);
    explorer.live().unwrap()
}

/// Syncs of the log since the database was there, and commits that were acknowledged.
fn syncs_and_acknowledgements(life: &Life) -> (usize, usize) {
    let opened = life.history.opened_at().index();
    let events = life.trace.events[opened..].iter();
    let syncs = events.clone().filter(|event| {
        matches!(event.applied(), Some(Operation::Sync(file)) if file.name.starts_with("wal/"))
    });
    let acknowledged = events.filter(|event| matches!(event, Event::Mark(Mark::Acknowledged(_))));
    (syncs.count(), acknowledged.count())
}

#[test]
fn a_seed_is_a_trace_to_the_byte() {
    for run in 0..10 {
        for workload in [KV, BANK] {
            let batch = batch(workload, run);
            let first = live(&batch);
            let busy = std::thread::spawn(|| (0..5_000_000u64).fold(0, |sum, n| sum ^ (n * sum)));
            let again = live(&batch);
            assert_eq!(first.trace.events, again.trace.events, "run {run}");
            drop(busy.join());
        }
    }
}

#[test]
fn commits_of_several_threads_share_a_group() {
    let mut shared = 0;
    // Neither new segments nor checkpoints sync the log.
    let roomy = [("log_segment", "1 MiB"), ("checkpoint_mode", "manual")];
    for run in 0..20 {
        let options = roomy.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let batch = Batch {
            options: options.into(),
            ..batch(BANK, run)
        };
        let (syncs, acknowledged) = syncs_and_acknowledgements(&live(&batch));
        assert!(acknowledged > 20, "{acknowledged}");
        shared += usize::from(syncs < acknowledged);
    }
    assert!(shared > 10, "in {shared} of 20 runs");
}

#[test]
fn a_checkpoint_in_the_background_overlaps_commits() {
    let mut overlapped = 0;
    for run in 0..20 {
        let life = live(&batch(BANK, run));
        let mut open = 0;
        for event in &life.trace.events {
            match event {
                Event::Mark(Mark::Request(_)) => open += 1,
                Event::Mark(Mark::Acknowledged(_) | Mark::Failed(_)) => open -= 1,
                event => {
                    let data = |name: &str| name == "doublewrite";
                    let write =
                        matches!(event.applied(), Some(Operation::Sync(file)) if data(&file.name));
                    overlapped += usize::from(write && open > 0);
                }
            }
        }
    }
    assert!(overlapped > 5, "{overlapped}");
}

#[test]
fn two_hundred_seeds_find_nothing() {
    for run in 0..200 {
        let workload = if run % 2 == 0 { KV } else { BANK };
        let result = run_batch(&batch(workload, run), &mut |_| ()).unwrap();
        assert_eq!(result.findings, [], "run {run}");
        assert!(result.checked > 4, "run {run}: {}", result.checked);
    }
}

#[test]
fn a_target_without_threads_is_refused() {
    let toy = Batch {
        target: "toy".to_owned(),
        ..batch(BANK, 0)
    };
    let refused = run_batch(&toy, &mut |_| ());
    assert!(matches!(refused, Err(ExploreError::NoThreads { .. })));
}

/// The checks that break in some runs of a toy with a race.
fn broken(race: Race, workload: &str) -> BTreeSet<CheckKind> {
    let mut broken = BTreeSet::new();
    for run in 0..12 {
        let batch = Batch {
            target: "racy".to_owned(),
            ..batch_at("at = \"every-operation\"", workload, run)
        };
        let setup = Setup::on(&batch, Box::new(Racy(race))).unwrap();
        let result = run_with(&setup, &mut |_| ()).unwrap();
        assert_eq!(result.inconclusive, [], "run {run}");
        broken.extend(result.findings.iter().map(|finding| finding.check));
    }
    broken
}

#[test]
fn races_that_only_threads_show_are_caught_each_by_the_check_that_names_it() {
    let one = |workload: &str| workload.replace("threads = true", "threads = false");
    for (race, check) in [
        (Race::EndReadAfterSync, CheckKind::Durability),
        (Race::NobodyIsWoken, CheckKind::NoHang),
        (Race::CheckBeforeLock, CheckKind::Atomicity),
        (Race::PanicWhereTwoMeet, CheckKind::NoPanic),
    ] {
        let found = broken(race, BANK_OF_FEW);
        assert!(found.contains(&check), "{race:?}: {found:?}");
        let alone = broken(race, &one(BANK_OF_FEW));
        assert_eq!(alone, BTreeSet::new(), "{race:?} on one thread");
    }
}

#[test]
fn a_toy_without_a_race_passes_on_threads() {
    for workload in [KV, BANK, BANK_OF_FEW] {
        assert_eq!(broken(Race::Nothing, workload), BTreeSet::new());
    }
}
