//! The oracle against one that enumerates: every legal set of transactions of small random histories is
//! applied, and a state must be judged legal exactly if it is one of the results.

use std::collections::BTreeSet;

use super::*;
use crate::rng::Rng;
use crate::scenario::CheckKind;
use crate::target::{CrashKind, Durability, Promise, Promises};
use crate::trace::{TracePosition, TransactionId};

const KEYS: usize = 4;
const TABLE: TableId = TableId(0);

fn promises() -> Promises {
    Promises::none()
        .with(Durability::Sync, Promise::Durable, Promise::Durable)
        .with(Durability::Buffered, Promise::Durable, Promise::Prefix)
        .with(Durability::None, Promise::Prefix, Promise::Prefix)
}

fn row(number: usize) -> RowKey {
    RowKey::new(TABLE, format!("k{number}").as_bytes())
}

fn value(id: TransactionId, row: &RowKey, operation: u32) -> RowValue {
    Stamp {
        transaction: id,
        operation,
        payload: 0,
    }
    .write(row.table, &row.key, 0)
    .into()
}

fn put(id: TransactionId, number: usize, operation: u32) -> Change {
    let row = row(number);
    Change {
        value: Some(value(id, &row, operation)),
        row,
    }
}

/// A history of up to five transactions of two clients, each ending with its client's sequence row.
fn history(rng: &mut Rng, base: RowMap) -> History {
    let mut history = if base.is_empty() {
        History::new()
    } else {
        History::continued(base, 10)
    };
    let mut unknown = false;
    for number in 0..rng.below(6) {
        let client = u16::try_from(rng.below(2)).unwrap();
        let id = transaction_id(client, 10 + u32::try_from(number).unwrap());
        let mut operations = Vec::new();
        for operation in 0..u32::try_from(rng.below(4)).unwrap() {
            let key = rng.index(KEYS);
            let put = put(id, key, operation);
            operations.push(if rng.chance(0.4) {
                Change { value: None, ..put }
            } else {
                put
            });
        }
        operations.push(put(id, KEYS + usize::from(client), 9));
        let levels = [Durability::Sync, Durability::Buffered, Durability::None];
        let durability = *rng.pick(&levels).unwrap();
        history.request(Request {
            id,
            durability,
            operations,
            at: TracePosition(number * 4 + 1),
        });
        let outcome = match rng.below(8) {
            0 => Outcome::Refused,
            1 if !unknown => Outcome::Unknown,
            _ => Outcome::Acknowledged,
        };
        unknown |= outcome == Outcome::Unknown;
        history.answer(id, outcome, TracePosition(number * 4 + 3));
    }
    history
}

fn put_at(history: &History, index: usize) -> &Transaction {
    &history.transactions()[index]
}

/// What the rules say about one transaction, written down a second time, from the promises alone.
fn may_hold(history: &History, set: u32, at: TracePosition, kind: CrashKind) -> bool {
    let there = |index: usize| set >> index & 1 == 1;
    let count = history.transactions().len();
    (0..count).all(|index| {
        let transaction = put_at(history, index);
        let later_there = (index + 1..count).any(there);
        let answered = transaction.answered <= at;
        match transaction.outcome {
            _ if !answered && transaction.visible_from > at => !there(index),
            _ if !answered => true,
            Outcome::Refused => !there(index),
            Outcome::Acknowledged => match promises().promise(transaction.durability, kind) {
                Promise::Durable => there(index),
                Promise::Prefix => there(index) || !later_there,
                _ => true,
            },
            Outcome::Unknown | Outcome::InFlight => true,
        }
    })
}

fn apply(history: &History, set: u32) -> RowMap {
    let mut rows = history.base().clone();
    for (index, transaction) in history.transactions().iter().enumerate() {
        if set >> index & 1 == 1 {
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

fn observed(rows: &RowMap) -> Observed {
    let mut observed = Observed::default();
    for (row, value) in rows {
        observed.push(row.table, &row.key, value);
    }
    observed
}

/// Some state: the result of any set of transactions, legal or not, perhaps with a row changed.
fn some_state(rng: &mut Rng, history: &History) -> RowMap {
    let sets = 1_u64 << history.transactions().len();
    let mut rows = apply(history, u32::try_from(rng.below(sets)).unwrap());
    if rng.chance(0.5) {
        let other = apply(history, u32::try_from(rng.below(sets)).unwrap());
        let row = row(rng.index(KEYS + 2));
        match other.get(&row) {
            Some(value) => rows.insert(row, value.clone()),
            None => rows.remove(&row),
        };
    }
    rows
}

#[test]
fn a_state_is_legal_exactly_if_a_legal_set_of_transactions_makes_it() {
    let (mut legal_seen, mut illegal_seen) = (0, 0);
    for seed in 0..3_000 {
        let mut rng = Rng::from_seed(seed);
        let first = history(&mut rng, RowMap::new());
        let base = if rng.chance(0.5) {
            RowMap::new()
        } else {
            older(&first)
        };
        let history = history(&mut rng, base);
        let at = TracePosition(rng.below(26));
        let kind = if rng.chance(0.5) {
            CrashKind::Power
        } else {
            CrashKind::Process
        };
        let obligations = Obligations::new(&history, &promises(), at, CrashKinds::one(kind));
        let sets = 0..1_u32 << history.transactions().len();
        let legal: BTreeSet<RowMap> = sets
            .filter(|&set| may_hold(&history, set, at, kind))
            .map(|set| apply(&history, set))
            .collect();
        let some = std::iter::repeat_with(|| some_state(&mut rng, &history)).take(8);
        for state in some.collect::<Vec<_>>().into_iter().chain(legal.clone()) {
            let violations = obligations.judge(&history, &observed(&state));
            let is_legal = legal.contains(&state);
            assert_eq!(
                violations.is_empty(),
                is_legal,
                "seed {seed}: {violations:#?}"
            );
            if is_legal {
                legal_seen += 1;
            } else {
                illegal_seen += 1;
            }
        }
    }
    assert!(
        legal_seen > 3_000 && illegal_seen > 3_000,
        "{legal_seen} {illegal_seen}"
    );
}

/// The rows of a history, as if its transactions were older than those of the next.
fn older(history: &History) -> RowMap {
    let renamed = |row: &RowKey| value(transaction_id(0, 3), row, 0);
    let rows = history.rows_after(history.transactions().len());
    rows.into_keys()
        .map(|row| (row.clone(), renamed(&row)))
        .collect()
}

/// Three acknowledged `Sync` transactions of client 0 on keys 0, 1 and 0 again, then one refused.
fn three() -> History {
    let mut history = History::new();
    for (number, key) in [(1, 0), (2, 1), (3, 0), (4, 2)] {
        let id = transaction_id(0, number);
        let operations = vec![put(id, key, 0), put(id, KEYS, 9)];
        let at = TracePosition(u64::from(number) * 4);
        history.request(Request {
            id,
            durability: Durability::Sync,
            operations,
            at,
        });
        let outcome = if number == 4 {
            Outcome::Refused
        } else {
            Outcome::Acknowledged
        };
        history.answer(id, outcome, TracePosition(at.0 + 2));
    }
    history
}

fn checks_of(history: &History, at: u64, rows: &RowMap) -> Vec<(CheckKind, String)> {
    let kinds = CrashKinds::one(CrashKind::Power);
    let obligations = Obligations::new(history, &promises(), TracePosition(at), kinds);
    let violations = obligations.judge(history, &observed(rows));
    violations
        .into_iter()
        .map(|violation| (violation.check, violation.shape))
        .collect()
}

#[test]
fn a_lost_acknowledged_transaction_is_a_matter_of_durability() {
    let history = three();
    let found = checks_of(&history, 20, &history.rows_after(2));
    assert_eq!(
        found,
        [(CheckKind::Durability, "acknowledged-lost/sync".to_owned())]
    );
    // Before its acknowledgement it may be missing.
    assert_eq!(checks_of(&history, 13, &history.rows_after(2)), []);
}

#[test]
fn half_a_transaction_is_a_matter_of_atomicity() {
    let history = three();
    let mut rows = history.rows_after(3);
    rows.insert(row(0), history.rows_after(1)[&row(0)].clone());
    let found = checks_of(&history, 20, &rows);
    assert_eq!(found, [(CheckKind::Atomicity, "half-applied".to_owned())]);
}

#[test]
fn a_refused_transaction_that_is_there_is_a_matter_of_atomicity() {
    let history = three();
    let mut rows = history.rows_after(4);
    for change in &put_at(&history, 3).changes {
        rows.insert(change.row.clone(), change.value.clone().unwrap());
    }
    let found = checks_of(&history, 20, &rows);
    assert_eq!(found, [(CheckKind::Atomicity, "refused-there".to_owned())]);
}

#[test]
fn a_transaction_that_was_never_requested_is_a_matter_of_atomicity() {
    let mut history = three();
    let id = transaction_id(1, 9);
    history.begin(id);
    let mut rows = history.rows_after(4);
    rows.insert(row(3), put(id, 3, 0).value.unwrap());
    let found = checks_of(&history, 20, &rows);
    assert_eq!(
        found,
        [(CheckKind::Atomicity, "uncommitted-there".to_owned())]
    );
}

#[test]
fn a_later_transaction_without_an_earlier_one_is_a_matter_of_order() {
    let mut history = History::new();
    for number in 1..=2 {
        let id = transaction_id(u16::try_from(number).unwrap(), number);
        let operations = vec![put(id, KEYS + number as usize, 0)];
        let at = TracePosition(u64::from(number) * 4);
        history.request(Request {
            id,
            durability: Durability::None,
            operations,
            at,
        });
        history.answer(id, Outcome::Acknowledged, TracePosition(at.0 + 2));
    }
    let mut rows = history.rows_after(2);
    assert_eq!(checks_of(&history, 20, &RowMap::new()), []);
    rows.remove(&row(KEYS + 1));
    let found = checks_of(&history, 20, &rows);
    assert_eq!(
        found,
        [(
            CheckKind::PrefixOrder,
            "earlier-lost-later-there".to_owned()
        )]
    );
}

#[test]
fn what_nobody_wrote_is_garbage() {
    let history = three();
    for (bytes, shape) in [
        (b"nonsense".to_vec(), "not-a-value"),
        (
            value(transaction_id(5, 500), &row(3), 0).to_vec(),
            "unknown-transaction",
        ),
        (
            value(transaction_id(0, 1), &row(0), 0).to_vec(),
            "not-a-value",
        ),
    ] {
        let mut rows = history.rows_after(4);
        rows.insert(row(3), bytes.into());
        let found = checks_of(&history, 20, &rows);
        assert_eq!(found, [(CheckKind::NoGarbage, shape.to_owned())]);
    }
}

#[test]
fn what_a_recovery_showed_must_stay() {
    let before = three();
    let history = History::continued(before.rows_after(2), before.next_sequence());
    let mut lost = history.base().clone();
    lost.remove(&row(1));
    let found = checks_of(&history, 0, &lost);
    assert_eq!(
        found,
        [(CheckKind::Durability, "recovered-row-lost".to_owned())]
    );
    let risen = before.rows_after(3);
    let found = checks_of(&history, 0, &risen);
    let changed = (CheckKind::Durability, "recovered-state-changed".to_owned());
    assert_eq!(found, [changed.clone(), changed]);
}

#[test]
fn a_row_that_comes_twice_is_garbage() {
    let history = three();
    let mut twice = observed(&history.rows_after(4));
    let last = twice
        .rows()
        .last()
        .map(|row| (row.table, row.key.to_vec(), row.value.to_vec()));
    let (table, key, value) = last.unwrap();
    twice.push(table, &key, &value);
    let kinds = CrashKinds::one(CrashKind::Power);
    let obligations = Obligations::new(&history, &promises(), TracePosition(20), kinds);
    let violations = obligations.judge(&history, &twice);
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].shape, "rows-out-of-order");
}
