//! Every kind of violation by its name, on histories without overlaps.

use super::story::{TABLE, observed, promises, violations};
use crate::oracle::*;
use crate::scenario::CheckKind;
use crate::target::{CrashKind, Durability};
use crate::trace::{TracePosition, TransactionId};

const KEYS: usize = 4;

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
    let violations = violations(&obligations, history, &observed(rows));
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
    for change in &history.transactions()[3].changes {
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
    let violations = violations(&obligations, &history, &twice);
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].shape, "rows-out-of-order");
}
