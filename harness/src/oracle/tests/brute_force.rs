//! The oracle against one that enumerates: small random histories of clients whose commits overlap, and of each all legal
//! states and many others. A state must be judged legal exactly if it is one of the results.

use std::collections::{BTreeMap, BTreeSet};

use super::reference::{Crash, legal_states};
use super::story::{history_text, mark, observed, row, state_text, value};
use crate::oracle::{
    Change, CrashKinds, History, Judgement, Obligations, Outcome, Request, RowKey, RowMap,
    transaction_id,
};
use crate::rng::Rng;
use crate::target::{CrashKind, Durability, Promise, Promises};
use crate::trace::{Effect, Event, Operation, TracePosition, TransactionId};

const CLIENTS: u64 = 3;
const ROWS: [&str; 3] = ["x", "y", "z"];
const TRANSACTIONS: usize = 5;
const LEVELS: [Durability; 3] = [Durability::Sync, Durability::Buffered, Durability::None];

/// How random histories are drawn.
#[derive(Clone, Copy)]
struct Shape {
    /// Whether several commits may wait for their answers.
    overlapping: bool,
    /// Whether each transaction writes its client's sequence row.
    sequences: bool,
    deletes: f64,
    /// Whether transactions write nearly all rows.
    dense: bool,
}

fn shape(rng: &mut Rng) -> Shape {
    Shape {
        overlapping: rng.chance(0.8),
        sequences: rng.chance(0.6),
        deletes: *rng.pick(&[0.2, 0.5, 0.8]).unwrap(),
        dense: rng.chance(0.4),
    }
}

fn random_promises(rng: &mut Rng) -> Promises {
    let all = [
        Promise::Durable,
        Promise::Prefix,
        Promise::Atomic,
        Promise::Nothing,
    ];
    // Mostly what targets promise: at one level all survive, at the others prefixes do.
    let weak = if rng.chance(0.6) { 2 } else { all.len() };
    let mut draw = || all[rng.index(weak)];
    let all = LEVELS.map(|level| (level, draw(), draw()));
    let none = Promises::none();
    all.into_iter()
        .fold(none, |promises, (level, process, power)| {
            promises.with(level, process, power)
        })
}

fn operation() -> Event {
    let name = "d".into();
    Event::Operation {
        operation: Operation::CreateDir { name },
        effect: Effect::Applied,
    }
}

/// A history in which clients take turns at random, and its number of events.
fn history(rng: &mut Rng, shape: Shape, base: RowMap) -> (History, u64) {
    let mut history = if base.is_empty() {
        History::new()
    } else {
        History::continued(base, 10)
    };
    let mut waiting: BTreeMap<u64, TransactionId> = BTreeMap::new();
    let mut events = Vec::new();
    let mut left = rng.index(TRANSACTIONS + 1);
    while left > 0 || rng.chance(0.7) && !waiting.is_empty() {
        if rng.chance(0.4) {
            events.push(operation());
        }
        events.push(mark());
        let at = TracePosition(events.len() as u64);
        let client = rng.below(CLIENTS);
        let alone = shape.overlapping || waiting.is_empty();
        match waiting.get(&client).copied() {
            Some(id) => {
                history.answer(id, random_outcome(rng), at);
                waiting.remove(&client);
            }
            None if left > 0 && alone => {
                let id = transaction_id(
                    u16::try_from(client).unwrap(),
                    10 + u32::try_from(left).unwrap(),
                );
                left -= 1;
                let durability = *rng.pick(&LEVELS).unwrap();
                let operations = changes(rng, shape, id, client);
                history.request(Request {
                    id,
                    durability,
                    operations,
                    at,
                });
                waiting.insert(client, id);
            }
            None => {}
        }
    }
    events.extend(rng.chance(0.5).then(operation));
    history.sharpen(&events);
    (history, events.len() as u64)
}

fn random_outcome(rng: &mut Rng) -> Outcome {
    match rng.below(10) {
        0 => Outcome::Refused,
        1 | 2 => Outcome::Unknown,
        _ => Outcome::Acknowledged,
    }
}

fn changes(rng: &mut Rng, shape: Shape, id: TransactionId, client: u64) -> Vec<Change> {
    let sequence = format!("s{client}");
    let names: Vec<_> = if shape.dense {
        ROWS.into_iter().filter(|_| rng.chance(0.85)).collect()
    } else {
        let count = rng.index(4);
        std::iter::repeat_with(|| *rng.pick(&ROWS).unwrap())
            .take(count)
            .collect()
    };
    let mut changes: Vec<_> = names
        .into_iter()
        .map(|name| change(id, row(name), rng.chance(shape.deletes)))
        .collect();
    if shape.sequences || changes.is_empty() {
        changes.push(change(id, row(&sequence), false));
    }
    changes
}

fn change(id: TransactionId, row: RowKey, is_delete: bool) -> Change {
    let value = (!is_delete).then(|| value(id, &row));
    Change { row, value }
}

/// Rows that an earlier life may have left.
fn random_base(rng: &mut Rng) -> RowMap {
    let names = ROWS.into_iter().chain(["s0", "s1", "other"]);
    let there = names.filter(|_| rng.chance(0.5)).collect::<Vec<_>>();
    if rng.chance(0.5) {
        return RowMap::new();
    }
    let past = transaction_id(0, 3);
    there
        .into_iter()
        .map(|name| (row(name), value(past, &row(name))))
        .collect()
}

/// Any set of transactions in any order, legal or not, perhaps with rows of another, of the beginning or of nobody.
fn some_state(rng: &mut Rng, history: &History) -> RowMap {
    let mut rows = some_order(rng, history);
    while rng.chance(0.4) {
        let names = ["x", "y", "z", "s0", "s1", "s2", "other"];
        let row = row(rng.pick(&names).unwrap());
        let other = match rng.below(3) {
            0 => history.base().clone(),
            1 => RowMap::new(),
            _ => some_order(rng, history),
        };
        match other.get(&row) {
            Some(value) => rows.insert(row, value.clone()),
            None => rows.remove(&row),
        };
    }
    rows
}

fn some_order(rng: &mut Rng, history: &History) -> RowMap {
    let mut rows = history.base().clone();
    let mut order: Vec<_> = history.transactions().iter().collect();
    if rng.chance(0.7) {
        rng.shuffle(&mut order);
    }
    // All of them in a wrong order is what only real time forbids.
    let share = if rng.chance(0.5) { 1.0 } else { 0.75 };
    for transaction in order {
        if rng.chance(share) {
            for change in &transaction.changes {
                match &change.value {
                    Some(value) => rows.insert(change.row.clone(), value.clone()),
                    None => rows.remove(&change.row),
                };
            }
        }
    }
    rows
}

#[derive(Debug, Default)]
struct Count {
    overlapping: u64,
    legal: u64,
    illegal: u64,
    /// Legal states that are not those after some number of answers.
    out_of_order: u64,
}

fn compare(seed: u64, count: &mut Count) {
    let mut rng = Rng::from_seed(seed);
    let shape = shape(&mut rng);
    let base = random_base(&mut rng);
    let (history, end) = history(&mut rng, shape, base);
    let promises = random_promises(&mut rng);
    let at = TracePosition(rng.below(end + 2));
    let kind = *rng.pick(&[CrashKind::Power, CrashKind::Process]).unwrap();
    let promises = &promises;
    let obligations = Obligations::new(&history, promises, at, CrashKinds::one(kind));
    let legal = legal_states(&history, Crash { promises, at, kind });
    let states: Vec<_> = std::iter::repeat_with(|| some_state(&mut rng, &history))
        .take(12)
        .collect();
    count.overlapping += u64::from(history.overlaps());
    for state in states.into_iter().chain(legal.clone()) {
        let is_legal = legal.contains(&state);
        let judgement = obligations.judge(&history, &observed(&state));
        let agrees = match &judgement {
            Judgement::Legal => is_legal,
            Judgement::Illegal(violations) => !is_legal && !violations.is_empty(),
            Judgement::Undecided => false,
        };
        assert!(
            agrees,
            "seed {seed} at {at:?} {kind:?} {promises:?}: legal: {is_legal}: {judgement:#?}\n{}{}",
            history_text(&history),
            state_text(&state),
        );
        count.legal += u64::from(is_legal);
        count.illegal += u64::from(!is_legal);
        let mut counts = 0..=history.transactions().len();
        let is_prefix = counts.any(|count| history.rows_after(count) == state);
        count.out_of_order += u64::from(is_legal && !is_prefix);
    }
}

#[test]
fn a_state_is_legal_exactly_if_a_legal_order_and_choice_of_transactions_makes_it() {
    let mut count = Count::default();
    for seed in 0..9_000 {
        compare(seed, &mut count);
    }
    let least = [
        count.overlapping,
        count.legal,
        count.illegal,
        count.out_of_order,
    ];
    assert!(least.into_iter().all(|least| least > 3_000), "{count:?}");
}

#[test]
fn obligations_of_one_digest_allow_the_same_states() {
    let (mut equal, mut different) = (0, 0);
    for seed in 0..600 {
        let mut rng = Rng::from_seed(seed);
        let shape = Shape {
            sequences: true,
            ..shape(&mut rng)
        };
        let base = random_base(&mut rng);
        let (history, end) = history(&mut rng, shape, base);
        let (promises, kind) = (&super::story::promises(), CrashKind::Power);
        let mut by_digest: BTreeMap<u128, BTreeSet<RowMap>> = BTreeMap::new();
        for at in (0..=end).map(TracePosition) {
            let obligations = Obligations::new(&history, promises, at, CrashKinds::one(kind));
            let legal = legal_states(&history, Crash { promises, at, kind });
            let digest = obligations.digest(&history);
            if let Some(same) = by_digest.get(&digest) {
                assert_eq!(*same, legal, "seed {seed} at {at:?}");
                equal += 1;
            } else {
                by_digest.insert(digest, legal);
                different += 1;
            }
        }
    }
    assert!(equal > 1_000 && different > 1_000, "{equal} {different}");
}

#[test]
fn what_nothing_crashed_shows_all_that_was_acknowledged() {
    for seed in 0..500 {
        let mut rng = Rng::from_seed(seed);
        let shape = shape(&mut rng);
        let (history, _) = history(&mut rng, shape, RowMap::new());
        let durable = Promise::Durable;
        let none = Promises::none();
        let promises = &LEVELS.into_iter().fold(none, |promises, level| {
            promises.with(level, durable, durable)
        });
        let (at, kind) = (TracePosition(u64::MAX), CrashKind::Process);
        let legal = legal_states(&history, Crash { promises, at, kind });
        let live = Obligations::live(&history);
        for state in legal
            .iter()
            .cloned()
            .chain([some_state(&mut rng, &history)])
        {
            let judgement = live.judge(&history, &observed(&state));
            assert_eq!(
                judgement == Judgement::Legal,
                legal.contains(&state),
                "seed {seed}: {judgement:?}"
            );
        }
    }
}
