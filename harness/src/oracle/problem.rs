//! What there is to find out about an observed state when commits overlap: which transactions it holds, and in which order.
//!
//! 1. A piece is there whole or not at all: a transaction, or one change of a transaction that was promised nothing. What must not be
//!    there is no piece.
//! 2. A value names its writer, so a row that is there says which piece wrote it last. A row that is not there says only that a delete
//!    was last, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::findings;
use super::history::History;
use super::obligations::{Obligations, Owed};
use super::rows::{RowKey, RowMap};
use super::sequence::Span;
use super::transaction::{Change, Transaction};
use super::violation::Violation;

/// The pieces of an observed state, and its rows.
pub(super) struct Problem<'a> {
    /// In the order of their answers.
    pub(super) pieces: Vec<Piece<'a>>,
    /// Those that some piece writes.
    pub(super) rows: Vec<Row<'a>>,
}

/// What is there whole or not at all.
pub(super) struct Piece<'a> {
    pub(super) transaction: &'a Transaction,
    pub(super) changes: &'a [Change],
    pub(super) owed: Owed,
    /// The change whose value is there, if one is.
    pub(super) shown: Option<&'a Change>,
}

/// A row that some piece writes.
pub(super) struct Row<'a> {
    pub(super) key: &'a RowKey,
    pub(super) writers: Vec<Writer>,
    pub(super) shows: Shows,
}

/// A piece that writes a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) piece: usize,
    pub(super) deletes: bool,
}

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// The value that a piece put.
    Piece(usize),
    /// The value that it had in the beginning.
    Base,
    /// No row; and whether there was one in the beginning.
    Nothing { in_base: bool },
    /// A value that no piece put.
    Stranger,
    /// A value that must not be there. What it hides can't be told.
    Forbidden,
}

impl<'a> Problem<'a> {
    /// Of a state, with what is wrong with it in any order.
    pub(super) fn new(
        obligations: &Obligations,
        history: &'a History,
        observed: &'a RowMap,
    ) -> (Self, Vec<Violation>) {
        let mut forbidden = BTreeSet::new();
        let mut violations = Vec::new();
        let mut pieces = Vec::new();
        for transaction in history.transactions() {
            let owed = obligations.owed(transaction);
            if matches!(owed, Owed::NeverRefused | Owed::NeverRequested) {
                let shown = shown(&transaction.changes, observed);
                if shown.clone().next().is_some() {
                    violations.push(findings::forbidden(transaction, owed));
                    forbidden.extend(shown.map(|change| &change.row));
                }
            } else {
                pieces.extend(pieces_of(transaction, owed, observed));
            }
        }
        let mut rows = rows_of(&pieces, history, observed);
        for row in rows.iter_mut().filter(|row| forbidden.contains(row.key)) {
            row.shows = Shows::Forbidden;
        }
        let mut problem = Self { pieces, rows };
        violations.extend(problem.strangers(history, observed));
        problem.rows.retain(|row| !row.writers.is_empty());
        (problem, violations)
    }

    fn strangers(&self, history: &History, observed: &RowMap) -> Vec<Violation> {
        let mut violations = Vec::new();
        for row in &self.rows {
            let value = observed.get(row.key);
            match (row.shows, value, history.base().get(row.key)) {
                (Shows::Stranger, Some(value), _) => {
                    violations.push(findings::unexplained(history, row.key, value));
                }
                (Shows::Nothing { .. }, _, Some(base)) if row.writers.is_empty() => {
                    violations.push(findings::recovered_lost(row.key, base));
                }
                _ => {}
            }
        }
        violations
    }
}

impl Piece<'_> {
    /// Whether this one was answered before the other was requested.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        self.transaction.precedes(other.transaction)
    }

    /// From its request to its answer.
    pub(super) fn span(&self) -> Span {
        Span {
            from: self.transaction.requested.0,
            to: self.transaction.answered.0,
        }
    }

    /// Whether it must be there if any later one is.
    pub(super) fn is_in_order(&self) -> bool {
        self.owed == Owed::MayInOrder
    }
}

fn shown<'a>(changes: &'a [Change], observed: &RowMap) -> impl Iterator<Item = &'a Change> + Clone {
    changes.iter().filter(|change| {
        change.value.is_some() && observed.get(&change.row) == change.value.as_ref()
    })
}

fn pieces_of<'a>(transaction: &'a Transaction, owed: Owed, observed: &RowMap) -> Vec<Piece<'a>> {
    let piece = |changes: &'a [Change], owed| Piece {
        transaction,
        changes,
        owed,
        shown: shown(changes, observed).next(),
    };
    if owed == Owed::Anything {
        let changes = transaction.changes.iter();
        return changes
            .map(|change| piece(std::slice::from_ref(change), Owed::May))
            .collect();
    }
    vec![piece(&transaction.changes, owed)]
}

fn rows_of<'a>(pieces: &[Piece<'a>], history: &'a History, observed: &'a RowMap) -> Vec<Row<'a>> {
    let mut rows: BTreeMap<&RowKey, Row<'_>> = BTreeMap::new();
    let all = observed.keys().chain(history.base().keys());
    for key in all {
        rows.entry(key)
            .or_insert_with(|| row(key, history, observed));
    }
    for (index, piece) in pieces.iter().enumerate() {
        for change in piece.changes {
            let key = &change.row;
            let row = rows
                .entry(key)
                .or_insert_with(|| row(key, history, observed));
            row.writers.push(Writer {
                piece: index,
                deletes: change.value.is_none(),
            });
            if change.value.is_some() && observed.get(key) == change.value.as_ref() {
                row.shows = Shows::Piece(index);
            }
        }
    }
    rows.into_values().collect()
}

/// A row before its writers are known.
fn row<'a>(key: &'a RowKey, history: &History, observed: &RowMap) -> Row<'a> {
    let shows = match (observed.get(key), history.base().get(key)) {
        (None, base) => Shows::Nothing {
            in_base: base.is_some(),
        },
        (Some(value), Some(base)) if value == base => Shows::Base,
        (Some(_), _) => Shows::Stranger,
    };
    let writers = Vec::new();
    Row {
        key,
        writers,
        shows,
    }
}
