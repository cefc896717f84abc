//! A correct toy survives every sampled crash state; each of its planted bugs is seen.

use std::collections::BTreeMap;

use lightning_chaos::crash::{CrashWalker, Sample, crash_points, cut};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::CrashModel;
use lightning_chaos::sim::{SimConfig, SimDisk};
use lightning_chaos::toy::{ToyChange, ToyLog, ToyOptions};
use lightning_chaos::trace::{DiskState, Event, Mark, Trace, TracePosition, TransactionId};

const MODELS: [CrashModel; 4] = [
    CrashModel::Posix,
    CrashModel::Prefix,
    CrashModel::ProcessCrash,
    CrashModel::Media,
];
const COMMITS: u64 = 8;
const SAMPLES: u32 = 40;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The changes of the n-th commit: two rows that grow to span sectors, and now and then one goes.
fn changes(n: u64) -> Vec<ToyChange> {
    let value = |len: u64| vec![u8::try_from(n).unwrap() + 1; usize::try_from(len).unwrap()];
    let key = |n: u64| format!("key {}", n % 3).into_bytes();
    let gone = if n % 4 == 3 { None } else { Some(value(30)) };
    vec![
        (key(n), Some(value(200 + 170 * n))),
        (b"other".to_vec(), gone),
    ]
}

/// The rows after each number of commits, starting from `rows`.
fn histories(rows: &Rows, from: u64, to: u64) -> Vec<Rows> {
    let mut all = vec![rows.clone()];
    for n in from..to {
        let mut rows = all.last().unwrap().clone();
        for (key, value) in changes(n) {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        all.push(rows);
    }
    all
}

fn run(disk: &SimDisk, options: ToyOptions, from: u64, to: u64) {
    let Ok(mut toy) = ToyLog::open(disk, options) else {
        return;
    };
    disk.mark(Mark::Opened);
    for n in from..to {
        disk.mark(Mark::Request(TransactionId(n)));
        match toy.commit(&changes(n)) {
            Ok(()) => disk.mark(Mark::Acknowledged(TransactionId(n))),
            Err(_) => disk.mark(Mark::Unknown(TransactionId(n))),
        }
    }
}

/// How many commits were acknowledged and asked for before a moment.
fn obligations(trace: &Trace, position: TracePosition) -> (usize, usize) {
    let marks = |wanted: fn(&Mark) -> bool| {
        let events = trace.before(position).iter();
        events
            .filter(|event| matches!(event, Event::Mark(mark) if wanted(mark)))
            .count()
    };
    (
        marks(|m| matches!(m, Mark::Acknowledged(_))),
        marks(|m| matches!(m, Mark::Request(_))),
    )
}

fn recovered(state: &DiskState, options: ToyOptions) -> Option<Rows> {
    let disk = SimDisk::boot(state.clone(), SimConfig::default());
    Some(ToyLog::open(&disk, options).ok()?.rows().clone())
}

#[derive(Default)]
struct Findings {
    checked: usize,
    wrong: usize,
}

/// Cuts a trace everywhere and compares what is recovered with what commits left behind.
fn explore(trace: &Trace, histories: &[Rows], model: CrashModel, options: ToyOptions) -> Findings {
    let mut findings = Findings::default();
    let mut walker = CrashWalker::new(trace);
    for position in crash_points(trace, model) {
        walker.advance_to(position);
        let (acknowledged, asked) = obligations(trace, position);
        for sample in 0..SAMPLES {
            let mut rng = Rng::from_seed(3)
                .split("cut", position.0)
                .split("s", sample.into());
            let state = cut(walker.state(), model, Sample(sample), &mut rng);
            let rows = recovered(&state, options);
            let legal = rows.is_some_and(|rows| histories[acknowledged..=asked].contains(&rows));
            findings.checked += 1;
            findings.wrong += usize::from(!legal);
        }
    }
    findings
}

fn first_run(options: ToyOptions) -> Trace {
    let disk = SimDisk::new(SimConfig::default());
    run(&disk, options, 0, COMMITS);
    disk.finish()
}

fn wrong(options: ToyOptions, model: CrashModel) -> usize {
    let histories = histories(&Rows::new(), 0, COMMITS);
    let findings = explore(&first_run(options), &histories, model, options);
    assert!(findings.checked > 300, "{}", findings.checked);
    findings.wrong
}

#[test]
fn a_correct_toy_survives_every_crash() {
    for model in MODELS {
        assert_eq!(wrong(ToyOptions::default(), model), 0, "{model}");
    }
}

#[test]
fn a_correct_toy_survives_a_second_crash_after_going_on() {
    let options = ToyOptions::default();
    let trace = first_run(options);
    let mut walker = CrashWalker::new(&trace);
    let mut checked = 0;
    for (at, position) in crash_points(&trace, CrashModel::Posix)
        .into_iter()
        .enumerate()
    {
        walker.advance_to(position);
        for first in MODELS {
            let mut rng = Rng::from_seed(11).split("first", at as u64);
            let state = cut(walker.state(), first, Sample(2), &mut rng);
            let rows = recovered(&state, options).expect("the toy opens");
            let disk = SimDisk::boot(state, SimConfig::default());
            run(&disk, options, 20, 23);
            let second = disk.finish();
            let legal = histories(&rows, 20, 23);
            for model in MODELS {
                // Before it is open again, the second crash may still take what only the cache held.
                let opened = second
                    .events
                    .iter()
                    .position(|e| *e == Event::Mark(Mark::Opened));
                let opened = TracePosition::after(opened.expect("the toy opens"));
                let mut walker = CrashWalker::new(&second);
                for position in crash_points(&second, model)
                    .into_iter()
                    .filter(|&p| p >= opened)
                {
                    walker.advance_to(position);
                    let (acknowledged, asked) = obligations(&second, position);
                    for sample in 0..6 {
                        let state = cut(walker.state(), model, Sample(sample), &mut rng);
                        let rows = recovered(&state, options).expect("the toy opens");
                        assert!(
                            legal[acknowledged..=asked].contains(&rows),
                            "{first} {model}"
                        );
                        checked += 1;
                    }
                }
            }
        }
    }
    assert!(checked > 1000, "{checked}");
}

#[test]
fn a_correct_toy_survives_a_crash_in_its_recovery() {
    let options = ToyOptions::default();
    let trace = first_run(options);
    let mut walker = CrashWalker::new(&trace);
    let mut rng = Rng::from_seed(4);
    let mut stopped = 0;
    for position in crash_points(&trace, CrashModel::Posix) {
        walker.advance_to(position);
        let state = cut(
            walker.state(),
            CrashModel::ProcessCrash,
            Sample(0),
            &mut rng,
        );
        let (acknowledged, asked) = obligations(&trace, position);
        let legal = histories(&Rows::new(), 0, COMMITS);
        for at in 0..4 {
            let crash_after = Some(TracePosition(at));
            let config = SimConfig {
                crash_after,
                ..SimConfig::default()
            };
            let disk = SimDisk::boot(state.clone(), config);
            stopped += usize::from(ToyLog::open(&disk, options).is_err());
            for sample in 0..10 {
                let again = cut(&disk.state(), CrashModel::Posix, Sample(sample), &mut rng);
                let rows = recovered(&again, options).expect("the toy opens");
                assert!(
                    legal[acknowledged..=asked].contains(&rows),
                    "{position:?} at {at}"
                );
            }
        }
    }
    assert!(stopped > 10, "{stopped}");
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught_by_a_power_cut_alone() {
    let options = ToyOptions {
        sync_before_ack: false,
        ..ToyOptions::default()
    };
    assert!(wrong(options, CrashModel::Posix) > 0);
    assert!(wrong(options, CrashModel::Prefix) > 0);
    assert_eq!(wrong(options, CrashModel::ProcessCrash), 0);
}

#[test]
fn a_missing_checksum_is_caught_where_writes_tear() {
    let options = ToyOptions {
        checksum: false,
        ..ToyOptions::default()
    };
    assert!(wrong(options, CrashModel::Posix) > 0);
}

#[test]
fn a_missing_sync_of_the_directory_is_caught_where_names_can_be_lost() {
    let options = ToyOptions {
        sync_directory: false,
        ..ToyOptions::default()
    };
    assert!(wrong(options, CrashModel::Posix) > 0);
    assert_eq!(wrong(options, CrashModel::ProcessCrash), 0);
}
