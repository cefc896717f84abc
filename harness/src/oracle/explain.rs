//! Which transactions an observed state holds, and what that breaks.
//!
//! From the newest transaction to the oldest: each is judged by the rows that no newer one covers. Values name
//! their transaction, so an uncovered put decides; where only deletes are uncovered and they hold, taking the
//! transaction as there allows everything that taking it as absent does. What no transaction explains must
//! be as it was in the beginning.

use std::collections::BTreeSet;

use super::history::History;
use super::obligations::{Obligations, Owed};
use super::rows::{RowKey, RowMap};
use super::transaction::{Change, Transaction};
use super::value::Stamp;
use super::violation::{Violation, row_text, transaction_text, value_text};
use crate::scenario::CheckKind;

/// Whether a state holds a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// Its values are there.
    There,
    /// They are not.
    Absent,
    /// Nothing of it would be visible, or nothing tells.
    Hidden,
}

struct Explanation<'a> {
    obligations: &'a Obligations,
    observed: &'a RowMap,
    covered: BTreeSet<&'a RowKey>,
    /// From the newest to the oldest.
    presences: Vec<(&'a Transaction, Owed, Presence)>,
    violations: Vec<Violation>,
}

/// What is wrong with a state; nothing if some legal set of transactions explains it.
pub(super) fn explain(
    obligations: &Obligations,
    history: &History,
    observed: &RowMap,
) -> Vec<Violation> {
    let mut explanation = Explanation {
        obligations,
        observed,
        covered: BTreeSet::new(),
        presences: Vec::new(),
        violations: Vec::new(),
    };
    for transaction in history.transactions().iter().rev() {
        explanation.place(transaction);
    }
    explanation.judge_rest(history);
    explanation.judge_presences();
    explanation.violations
}

impl<'a> Explanation<'a> {
    /// Finds out whether the state holds the next older transaction.
    fn place(&mut self, transaction: &'a Transaction) {
        let owed = self.obligations.owed(transaction);
        let open = |change: &&Change| !self.covered.contains(&change.row);
        let uncovered: Vec<_> = transaction.changes.iter().filter(open).collect();
        let (held, broken): (Vec<_>, Vec<_>) =
            uncovered.into_iter().partition(|change| self.holds(change));
        let puts_held = held.iter().any(|change| change.value.is_some());
        let puts_broken = broken.iter().any(|change| change.value.is_some());
        let presence = match (puts_held, puts_broken, broken.is_empty()) {
            (true, _, _) => Presence::There,
            (false, true, _) | (false, false, false) => Presence::Absent,
            (false, false, true) => Presence::Hidden,
        };
        let may_be_there = !matches!(owed, Owed::NeverRefused | Owed::NeverRequested);
        if owed != Owed::Anything && presence == Presence::There && !broken.is_empty() {
            self.half_applied(transaction, held[0], broken[0]);
            self.covered.extend(broken.iter().map(|change| &change.row));
        }
        let hidden = presence == Presence::Hidden && may_be_there;
        if presence == Presence::There || hidden || owed == Owed::Anything {
            self.covered.extend(held.iter().map(|change| &change.row));
        }
        self.presences.push((transaction, owed, presence));
    }

    fn holds(&self, change: &Change) -> bool {
        self.observed.get(&change.row) == change.value.as_ref()
    }

    fn half_applied(&mut self, transaction: &Transaction, held: &Change, broken: &Change) {
        let (row, wanted) = (&broken.row, broken.value.as_deref());
        let there = row_text(held.row.table, &held.row.key);
        self.violations.push(Violation::new(
            CheckKind::Atomicity,
            "half-applied",
            format!(
                "{} whole or not at all: {} in {}, as its change of {there} is there",
                transaction_text(transaction.id),
                value_text(row.table, &row.key, wanted),
                row_text(row.table, &row.key),
            ),
            value_text(
                row.table,
                &row.key,
                self.observed.get(row).map(|value| &**value),
            ),
        ));
    }

    /// Rows that no transaction explains must be as they were in the beginning.
    fn judge_rest(&mut self, history: &History) {
        for (row, value) in self.observed {
            if !self.covered.contains(row) && history.base().get(row) != Some(value) {
                self.violations.push(unexplained(history, row, value));
            }
        }
        for (row, value) in history.base() {
            if !self.covered.contains(row) && !self.observed.contains_key(row) {
                self.violations.push(Violation::new(
                    CheckKind::Durability,
                    "recovered-row-lost",
                    format!(
                        "{} in {}, as it was after the recovery before",
                        value_text(row.table, &row.key, Some(value)),
                        row_text(row.table, &row.key),
                    ),
                    "no row",
                ));
            }
        }
    }

    fn judge_presences(&mut self) {
        let mut newest_there = None;
        for (transaction, owed, presence) in std::mem::take(&mut self.presences) {
            match (presence, owed) {
                (Presence::There, Owed::NeverRefused | Owed::NeverRequested) => {
                    self.violations.push(forbidden(transaction, owed));
                }
                (Presence::There, _) => {
                    newest_there.get_or_insert(transaction);
                }
                (Presence::Absent, Owed::Must) => {
                    self.violations.push(self.lost(transaction));
                    self.out_of_order(transaction, newest_there);
                }
                (Presence::Absent, Owed::MayInOrder) => {
                    self.out_of_order(transaction, newest_there);
                }
                (Presence::Absent | Presence::Hidden, _) => {}
            }
        }
    }

    fn lost(&self, transaction: &Transaction) -> Violation {
        let broken = transaction
            .changes
            .iter()
            .find(|change| !self.holds(change));
        let actual = broken.map_or_else(String::new, |change| {
            let row = &change.row;
            let value = self.observed.get(row).map(|value| &**value);
            let value = value_text(row.table, &row.key, value);
            format!("{}: {value}", row_text(row.table, &row.key))
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

    fn out_of_order(&mut self, absent: &Transaction, newest_there: Option<&Transaction>) {
        let Some(later) = newest_there else { return };
        self.violations.push(Violation::new(
            CheckKind::PrefixOrder,
            "earlier-lost-later-there",
            format!(
                "{}, as {}, committed after it, is there",
                transaction_text(absent.id),
                transaction_text(later.id),
            ),
            "it is absent",
        ));
    }
}

fn forbidden(transaction: &Transaction, owed: Owed) -> Violation {
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
fn unexplained(history: &History, row: &RowKey, value: &[u8]) -> Violation {
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
