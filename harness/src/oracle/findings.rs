//! What is wrong with a state, in words.

use super::history::History;
use super::obligations::Owed;
use super::rows::{RowKey, RowMap};
use super::transaction::{Change, Transaction};
use super::value::Stamp;
use super::violation::{Violation, row_text, transaction_text, value_text};
use crate::scenario::CheckKind;

/// What a row shows, for readers.
pub(super) fn observed_text(row: &RowKey, observed: &RowMap) -> String {
    let value = observed.get(row).map(|value| &**value);
    value_text(row.table, &row.key, value)
}

/// One change of a transaction is there and another is not.
pub(super) fn half_applied(
    transaction: &Transaction,
    held: &Change,
    broken: &Change,
    observed: &RowMap,
) -> Violation {
    let (row, wanted) = (&broken.row, broken.value.as_deref());
    let there = row_text(held.row.table, &held.row.key);
    Violation::new(
        CheckKind::Atomicity,
        "half-applied",
        format!(
            "{} whole or not at all: {} in {}, as its change of {there} is there",
            transaction_text(transaction.id),
            value_text(row.table, &row.key, wanted),
            row_text(row.table, &row.key),
        ),
        observed_text(row, observed),
    )
}

/// A transaction that was promised to survive did not; `broken` says so.
pub(super) fn lost(
    transaction: &Transaction,
    broken: Option<&Change>,
    observed: &RowMap,
) -> Violation {
    let actual = broken.map_or_else(String::new, |Change { row, .. }| {
        let place = row_text(row.table, &row.key);
        format!("{place}: {}", observed_text(row, observed))
    });
    Violation::new(
        CheckKind::Durability,
        format!("acknowledged-lost/{}", transaction.durability),
        format!(
            "{}, acknowledged with durability {}, is there",
            transaction_text(transaction.id),
            transaction.durability,
        ),
        actual,
    )
}

/// A transaction is absent, and one that was requested after its answer is there.
pub(super) fn earlier_lost(absent: &Transaction, later: &Transaction) -> Violation {
    let (absent, later) = (transaction_text(absent.id), transaction_text(later.id));
    Violation::new(
        CheckKind::PrefixOrder,
        "earlier-lost-later-there",
        format!("{absent}, as {later}, committed after it, is there"),
        format!(
            "{absent} was answered before {later} was requested; {later} is there, {absent} is not"
        ),
    )
}

/// A row that was there in the beginning is gone.
pub(super) fn recovered_lost(row: &RowKey, value: &[u8]) -> Violation {
    Violation::new(
        CheckKind::Durability,
        "recovered-row-lost",
        format!(
            "{} in {}, as it was after the recovery before",
            value_text(row.table, &row.key, Some(value)),
            row_text(row.table, &row.key),
        ),
        "no row",
    )
}

/// Something of a transaction is there that must not be.
pub(super) fn forbidden(transaction: &Transaction, owed: Owed) -> Violation {
    let (shape, why) = match owed {
        Owed::NeverRefused => ("refused-there", "its commit was refused"),
        _ => ("unrequested-there", "its commit had not reached the disk"),
    };
    Violation::new(
        CheckKind::Atomicity,
        shape,
        format!("nothing of {}: {why}", transaction_text(transaction.id)),
        "its values are there",
    )
}

/// A row that no requested transaction explains.
pub(super) fn unexplained(history: &History, row: &RowKey, value: &[u8]) -> Violation {
    let place = row_text(row.table, &row.key);
    let actual = format!("{place}: {}", value_text(row.table, &row.key, Some(value)));
    let Ok(stamp) = Stamp::read(row.table, &row.key, value) else {
        let expected = "a value that a transaction wrote to this row, or no row";
        return Violation::new(CheckKind::NoGarbage, "not-a-value", expected, actual);
    };
    let id = transaction_text(stamp.transaction);
    if history
        .transactions()
        .iter()
        .any(|transaction| transaction.id == stamp.transaction)
    {
        let expected = format!("the value that {id} committed, or an older one");
        Violation::new(CheckKind::Atomicity, "overwritten-there", expected, actual)
    } else if history.is_past(stamp.transaction) {
        let then = history.base().get(row).map(|value| &**value);
        let then = value_text(row.table, &row.key, then);
        let expected = format!("{then} in {place}, as it was after the recovery before");
        Violation::new(
            CheckKind::Durability,
            "recovered-state-changed",
            expected,
            actual,
        )
    } else if history.was_begun(stamp.transaction) {
        let expected = format!("nothing of {id}: its commit was never requested");
        Violation::new(CheckKind::Atomicity, "uncommitted-there", expected, actual)
    } else {
        let expected = "a value of a transaction that exists";
        Violation::new(
            CheckKind::NoGarbage,
            "unknown-transaction",
            expected,
            actual,
        )
    }
}
