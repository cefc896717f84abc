//! Survival decided where a program looks, against the same program on every legal state.

#[path = "support/lazy.rs"]
mod lazy;
#[path = "support/sim.rs"]
mod sim_common;

use std::collections::BTreeMap;
use std::sync::Arc;

use lazy::{leaves, read_all};
use lightning_chaos::crash::choices_count;
use lightning_chaos::rng::Rng;
use lightning_chaos::sim::SimDisk;
use lightning_chaos::survival::{Open, Plan, Survival, Undecided};
use lightning_chaos::toy::{ToyLog, ToyOptions};
use lightning_chaos::trace::DiskState;
use lightning_db::disk::{Disk, OpenMode};
use sim_common::{boot, create, durable, new_disk, random_call};

const NAMES: [&str; 4] = ["a", "b", "d/x", "d/y"];

/// A random program, and all that it is told. Every second one reads everything at its end.
fn program(disk: &SimDisk, seed: u64) -> Vec<String> {
    let mut rng = Rng::from_seed(seed).split("program", 1);
    let steps = 1 + rng.below(8);
    let mut told: Vec<_> = (0..steps).map(|_| step(disk, &mut rng)).collect();
    if seed.is_multiple_of(2) {
        told.push(format!("{:?}", read_all(disk)));
    }
    told
}

fn step(disk: &SimDisk, rng: &mut Rng) -> String {
    let name = NAMES[rng.index(4)];
    let (offset, len) = (rng.below(1200), rng.below(1100));
    let byte = u8::try_from(rng.below(256)).unwrap();
    let other = NAMES[rng.index(4)];
    let kind = rng.below(16);
    let file = || disk.open(name, OpenMode::Write);
    let size = usize::try_from(len).unwrap();
    let answer = match kind {
        0 => disk
            .list(["", "d"][rng.index(2)])
            .map(|names| format!("{names:?}")),
        1 => disk.rename(name, other).map(|()| String::new()),
        2 => disk.remove(name).map(|()| String::new()),
        3 => disk.create_dir("d").map(|()| String::new()),
        4 => disk.open(name, OpenMode::Create).map(|_| String::new()),
        5 => file()
            .and_then(|file| file.len())
            .map(|len| len.to_string()),
        6 => file()
            .and_then(|file| file.set_len(offset))
            .map(|()| String::new()),
        7 => file()
            .and_then(|file| file.allocate(offset, len))
            .map(|()| String::new()),
        8 => file().and_then(|file| file.sync()).map(|()| String::new()),
        9 => disk.lock(name).map(|_| String::new()),
        10 | 11 => {
            // Whole sectors, so that some are passed over.
            let bytes = vec![byte; 512 * (1 + size / 512)];
            let written = file().and_then(|file| file.write_at(offset / 512 * 512, &bytes));
            written.map(|()| String::new())
        }
        12 => {
            let written = file().and_then(|file| file.write_at(offset, &vec![byte; size]));
            written.map(|()| String::new())
        }
        _ => {
            let mut bytes = vec![0; size / 4];
            let read = file().and_then(|file| file.read_at(offset, &mut bytes));
            read.map(|()| format!("{bytes:?}"))
        }
    };
    match answer {
        Ok(answer) => format!("{kind} {answer}"),
        Err(error) => format!("{kind} {:?}", error.kind()),
    }
}

/// A disk after some random calls, of whose crash there are neither too many states nor only one.
fn random_state(seed: u64) -> Option<DiskState> {
    let mut rng = Rng::from_seed(seed).split("calls", 0);
    let disk = new_disk();
    for _ in 0..6 + rng.below(16) {
        random_call(&disk, &mut rng);
    }
    let state = disk.state();
    let states = choices_count(&state).states;
    (2..=400).contains(&states).then_some(state)
}

#[test]
fn programs_are_told_the_same_as_on_all_legal_states() {
    let (mut compared, mut runs, mut states) = (0, 0, 0);
    for seed in 0..500 {
        let Some(state) = random_state(seed) else {
            continue;
        };
        let mut expected: BTreeMap<Vec<String>, u128> = BTreeMap::new();
        for leaf in leaves(&state, read_all) {
            assert_eq!(leaf.weight, 1, "seed {seed}: all was looked at");
            let told = program(&boot(&leaf.survival.representative(Open::Lost)), seed);
            *expected.entry(told).or_default() += 1;
        }
        let mut found: BTreeMap<Vec<String>, u128> = BTreeMap::new();
        for leaf in leaves(&state, |disk| program(disk, seed)) {
            for open in [Open::Survives, Open::Lost] {
                let decided = boot(&leaf.survival.representative(open));
                assert_eq!(program(&decided, seed), leaf.outcome, "seed {seed}");
            }
            *found.entry(leaf.outcome).or_default() += leaf.weight;
            runs += 1;
        }
        assert_eq!(found, expected, "seed {seed}");
        let total: u128 = found.values().sum();
        assert_eq!(total, choices_count(&state).states, "seed {seed}");
        compared += 1;
        states += total;
    }
    assert!(compared > 150, "{compared}");
    assert!(2 * states > 3 * runs, "{runs} runs for {states} states");
}

#[test]
fn who_reads_nothing_needs_one_run_and_who_reads_all_needs_all() {
    for seed in 0..200 {
        let Some(state) = random_state(seed) else {
            continue;
        };
        let states = choices_count(&state).states;
        let blind = leaves(&state, |_| ());
        assert_eq!(blind.len(), 1);
        assert_eq!(blind[0].weight, states);
        let all = leaves(&state, read_all);
        assert_eq!(all.len() as u128, states, "seed {seed}");
    }
}

/// A disk with a file of 4 sectors, all durable and then all overwritten.
fn four_sectors() -> SimDisk {
    let disk = new_disk();
    durable(&disk, "a", &[1; 2048])
        .write_at(0, &[2; 2048])
        .unwrap();
    disk
}

#[test]
fn a_sector_that_is_overwritten_is_never_decided_and_one_that_is_patched_is() {
    let disk = four_sectors();
    let runs = leaves(&disk.state(), |disk| {
        let file = disk.open("a", OpenMode::Write).unwrap();
        file.write_at(0, &[3; 1024]).unwrap();
        let mut bytes = [0; 1024];
        file.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, [3; 1024]);
    });
    assert_eq!((runs.len(), runs[0].weight), (1, 16));
    let runs = leaves(&disk.state(), |disk| {
        let file = disk.open("a", OpenMode::Write).unwrap();
        file.write_at(0, &[3; 700]).unwrap();
    });
    let weights: Vec<_> = runs.iter().map(|run| run.weight).collect();
    assert_eq!(weights, [8, 8]);
}

#[test]
fn a_length_is_decided_before_what_it_holds() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[]);
    file.write_at(0, &[7; 1024]).unwrap();
    // Nothing, or 2 sectors that each survive or not.
    let runs = leaves(&disk.state(), |disk| {
        disk.open("a", OpenMode::Read).unwrap().len().unwrap()
    });
    let found: Vec<_> = runs.iter().map(|run| (run.outcome, run.weight)).collect();
    assert_eq!(found, [(1024, 4), (0, 1)]);
}

#[test]
fn two_disks_after_one_power_cut_agree() {
    let disk = four_sectors();
    let read = |disk: &SimDisk| {
        let mut bytes = [0; 2048];
        let file = disk.open("a", OpenMode::Read).unwrap();
        file.read_at(0, &mut bytes).map(|()| bytes).unwrap()
    };
    let runs = leaves(&disk.state(), |first| {
        let second = first.boot_again(lightning_chaos::sim::SimConfig::default());
        let seen = read(&second);
        assert_eq!(seen, read(first));
        seen
    });
    assert_eq!(runs.len(), 16);
}

#[test]
fn a_thousand_sectors_that_nobody_reads_are_one_run() {
    let disk = new_disk();
    let file = durable(&disk, "a", &vec![1; 512 * 1024]);
    file.write_at(0, &vec![2; 512 * 1024]).unwrap();
    let undecided = Arc::new(Undecided::of(&disk.state()).unwrap());
    let survival = Survival::new(Arc::clone(&undecided), Plan::default());
    let disk = SimDisk::boot_lazily(survival.clone(), lightning_chaos::sim::SimConfig::default());
    disk.open("a", OpenMode::Read)
        .unwrap()
        .read_at(0, &mut [0; 9])
        .unwrap();
    assert_eq!(survival.log().len(), 1);
    assert_eq!(survival.weight() * 2_u8, *undecided.states());
    assert_eq!(undecided.states().bits(), 1025);
}

#[test]
fn a_log_that_ends_at_its_first_bad_record_is_covered_by_few_runs() {
    let disk = new_disk();
    let lazy = ToyOptions {
        sync_before_ack: false,
        ..ToyOptions::default()
    };
    let mut log = ToyLog::open(&disk, ToyOptions::default()).unwrap();
    drop(log);
    log = ToyLog::open(&disk, lazy).unwrap();
    for key in 0..6_u8 {
        log.commit(&[(vec![key], Some(vec![key; 500]))]).unwrap();
    }
    let state = disk.state();
    let rows = |disk: &SimDisk| {
        let log = ToyLog::open(disk, ToyOptions::default()).unwrap();
        log.rows().clone()
    };
    let mut expected: BTreeMap<_, u128> = BTreeMap::new();
    let all = leaves(&state, read_all);
    for leaf in &all {
        let decided = boot(&leaf.survival.representative(Open::Lost));
        *expected.entry(rows(&decided)).or_default() += 1;
    }
    let found = leaves(&state, rows);
    let runs = found.len();
    let mut weights: BTreeMap<_, u128> = BTreeMap::new();
    for leaf in found {
        *weights.entry(leaf.outcome).or_default() += leaf.weight;
    }
    assert_eq!(weights, expected);
    assert_eq!(expected.len(), 7);
    assert!(runs * 4 < all.len(), "{runs} runs for {} states", all.len());
}

#[test]
fn questions_other_than_those_before_are_noticed() {
    let disk = new_disk();
    for name in ["a", "b"] {
        create(&disk, name).write_at(0, &[1; 512]).unwrap();
    }
    disk.sync_dir("").unwrap();
    let undecided = Arc::new(Undecided::of(&disk.state()).unwrap());
    let run = |plan, name| {
        let survival = Survival::new(Arc::clone(&undecided), plan);
        let config = lightning_chaos::sim::SimConfig::default();
        let disk = SimDisk::boot_lazily(survival.clone(), config);
        disk.open(name, OpenMode::Read).unwrap().len().unwrap();
        survival
    };
    let mut search = lightning_chaos::survival::Search::default();
    let first = run(search.plan(), "a");
    assert_eq!(first.strayed(), None);
    assert!(search.advance(first.log()));
    assert_eq!(run(search.plan(), "a").strayed(), None);
    let other = run(search.plan(), "b").strayed().unwrap();
    assert!(other.contains("where"), "{other}");
    let unused = Survival::new(undecided, search.plan()).strayed().unwrap();
    assert!(unused.contains("never asked"), "{unused}");
}
