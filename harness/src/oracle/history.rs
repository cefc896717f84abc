//! What was asked of a target and what it answered, in one order.
//!
//! 1. One thread drives all clients, so commits don't overlap: the order in which they were requested is
//!    the order in which they were answered, and the commit order.
//! 2. A transaction that was refused changes nothing. One whose outcome is unknown is taken as done in
//!    `state_after`, and as perhaps not done where states are judged.
//! 3. A history begins with a known set of rows: none, or what a recovery showed.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{RowDigest, RowKey, RowMap, RowValue, StateDigest};
use super::value::client_and_sequence;
use crate::target::Durability;
use crate::trace::{Event, TracePosition, TransactionId};

/// All that happened to one database since it was created or recovered.
#[derive(Clone, Debug, Default)]
pub struct History {
    base: RowMap,
    transactions: Vec<Transaction>,
    states: Vec<StateDigest>,
    versions: BTreeMap<RowKey, Vec<Version>>,
    begun: BTreeSet<TransactionId>,
    first_sequence: u32,
    opened: TracePosition,
}

/// One transaction whose commit was requested.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its name.
    pub id: TransactionId,
    /// How durable it was asked to be.
    pub durability: Durability,
    /// Its effect: one change a row.
    pub changes: Vec<Change>,
    /// The first moment at which the disk may hold some of it.
    pub visible_from: TracePosition,
    /// What the target answered.
    pub outcome: Outcome,
    /// The moment after the answer.
    pub answered: TracePosition,
}

/// What a transaction does to one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub row: RowKey,
    /// Its new value, or none if it is deleted.
    pub value: Option<RowValue>,
}

/// What a target answered to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    InFlight,
    /// Success.
    Acknowledged,
    /// It did not happen and never will.
    Refused,
    /// An error that leaves it open.
    Unknown,
}

/// The request of a commit.
#[derive(Clone, Debug)]
pub struct Request {
    /// The transaction.
    pub id: TransactionId,
    /// How durable it is asked to be.
    pub durability: Durability,
    /// Its operations in order; the last one on a row counts.
    pub operations: Vec<Change>,
    /// The moment after its request.
    pub at: TracePosition,
}

#[derive(Clone, Debug)]
struct Version {
    after: usize,
    value: Option<(RowValue, RowDigest)>,
}

impl History {
    /// Of a database that does not exist yet.
    pub fn new() -> Self {
        Self {
            states: vec![StateDigest::default()],
            ..Self::default()
        }
    }

    /// Of a database that was recovered and showed `base`. Transactions with smaller sequence numbers
    /// belong to its past.
    pub fn continued(base: RowMap, first_sequence: u32) -> Self {
        let mut digest = StateDigest::default();
        let mut versions = BTreeMap::new();
        for (row, value) in &base {
            let row_digest = RowDigest::of(row.table, &row.key, value);
            digest.add(row_digest);
            let value = Some((RowValue::clone(value), row_digest));
            versions.insert(row.clone(), vec![Version { after: 0, value }]);
        }
        Self {
            base,
            states: vec![digest],
            versions,
            first_sequence,
            ..Self::default()
        }
    }

    /// Notes the moment after the target's open returned.
    pub fn opened(&mut self, at: TracePosition) {
        self.opened = at;
    }

    /// The moment after the target's open returned.
    pub fn opened_at(&self) -> TracePosition {
        self.opened
    }

    /// Notes that a transaction was begun.
    pub fn begin(&mut self, id: TransactionId) {
        self.begun.insert(id);
    }

    /// Notes that a commit is being asked for.
    pub fn request(&mut self, request: Request) {
        let mut last = BTreeMap::new();
        for change in request.operations {
            last.insert(change.row, change.value);
        }
        self.begun.insert(request.id);
        self.transactions.push(Transaction {
            id: request.id,
            durability: request.durability,
            changes: last
                .into_iter()
                .map(|(row, value)| Change { row, value })
                .collect(),
            visible_from: request.at,
            outcome: Outcome::InFlight,
            answered: TracePosition(u64::MAX),
        });
        self.apply_last();
    }

    /// Notes the answer to the last request.
    pub fn answer(&mut self, outcome: Outcome, at: TracePosition) {
        let Some(last) = self.transactions.last_mut() else {
            return;
        };
        last.outcome = outcome;
        last.answered = at;
        if outcome == Outcome::Refused {
            self.take_back_last();
        }
    }

    /// Sharpens `visible_from` with the trace: until an operation follows the request, the disk holds nothing.
    pub fn sharpen(&mut self, events: &[Event]) {
        for transaction in &mut self.transactions {
            let from = transaction.visible_from.index().min(events.len());
            let first = events[from..]
                .iter()
                .position(|event| matches!(event, Event::Operation { .. }));
            transaction.visible_from =
                TracePosition::after(from + first.unwrap_or(events.len()) + 1);
        }
    }

    /// The transactions whose commit was requested, in commit order.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// The rows it began with.
    pub fn base(&self) -> &RowMap {
        &self.base
    }

    /// Digest of all rows after the first `count` transactions.
    pub fn state_after(&self, count: usize) -> Option<StateDigest> {
        self.states.get(count).copied()
    }

    /// A row's value after the first `count` transactions.
    pub fn value_after(&self, count: usize, row: &RowKey) -> Option<&RowValue> {
        let versions = self.versions.get(row)?;
        let version = versions
            .iter()
            .rev()
            .find(|version| version.after <= count)?;
        version.value.as_ref().map(|(value, _)| value)
    }

    /// All rows after the first `count` transactions.
    pub fn rows_after(&self, count: usize) -> RowMap {
        let value = |row| self.value_after(count, row).map(RowValue::clone);
        self.versions
            .keys()
            .filter_map(|row| Some((row.clone(), value(row)?)))
            .collect()
    }

    /// Whether a transaction was ever begun in this history.
    pub fn was_begun(&self, id: TransactionId) -> bool {
        self.begun.contains(&id)
    }

    /// Whether a transaction belongs to the past before this history.
    pub fn is_past(&self, id: TransactionId) -> bool {
        client_and_sequence(id).1 < self.first_sequence
    }

    /// A sequence number greater than all that were used.
    pub fn next_sequence(&self) -> u32 {
        let used = self
            .begun
            .iter()
            .map(|&id| client_and_sequence(id).1.saturating_add(1));
        used.max().unwrap_or(0).max(self.first_sequence)
    }

    fn apply_last(&mut self) {
        let count = self.transactions.len();
        let mut digest = self.states.last().copied().unwrap_or_default();
        for change in self
            .transactions
            .last()
            .map_or(&[][..], |last| &last.changes)
        {
            let versions = self.versions.entry(change.row.clone()).or_default();
            if let Some((_, old)) = versions.last().and_then(|version| version.value.as_ref()) {
                digest.remove(*old);
            }
            let value = change.value.as_ref().map(|value| {
                let row_digest = RowDigest::of(change.row.table, &change.row.key, value);
                digest.add(row_digest);
                (RowValue::clone(value), row_digest)
            });
            versions.push(Version {
                after: count,
                value,
            });
        }
        self.states.push(digest);
    }

    fn take_back_last(&mut self) {
        let count = self.transactions.len();
        for change in self
            .transactions
            .last()
            .map_or(&[][..], |last| &last.changes)
        {
            if let Some(versions) = self.versions.get_mut(&change.row) {
                versions.retain(|version| version.after < count);
            }
        }
        self.states.pop();
        self.states
            .push(self.states.last().copied().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{TableId, transaction_id};

    fn put(key: &str, value: &str) -> Change {
        let value = Some(value.as_bytes().into());
        Change {
            row: RowKey::new(TableId(0), key.as_bytes()),
            value,
        }
    }

    fn commit(history: &mut History, sequence: u32, operations: Vec<Change>, outcome: Outcome) {
        let id = transaction_id(0, sequence);
        let at = TracePosition(u64::from(sequence) * 10);
        history.request(Request {
            id,
            durability: Durability::Sync,
            operations,
            at,
        });
        history.answer(outcome, TracePosition(at.0 + 5));
    }

    #[test]
    fn digests_follow_the_rows_through_every_outcome() {
        let mut history = History::new();
        commit(
            &mut history,
            1,
            vec![put("a", "1"), put("b", "1")],
            Outcome::Acknowledged,
        );
        commit(
            &mut history,
            2,
            vec![put("a", "2"), put("a", "3")],
            Outcome::Refused,
        );
        let gone = Change {
            value: None,
            ..put("b", "")
        };
        commit(&mut history, 3, vec![put("c", "4"), gone], Outcome::Unknown);
        for count in 0..=3 {
            let rows = history.rows_after(count);
            assert_eq!(
                history.state_after(count),
                Some(StateDigest::of(&rows)),
                "{count}"
            );
        }
        assert_eq!(history.rows_after(2), history.rows_after(1));
        assert_eq!(history.rows_after(3).len(), 2);
        assert_eq!(history.next_sequence(), 4);
    }

    #[test]
    fn a_continued_history_starts_with_what_was_seen() {
        let mut first = History::new();
        commit(&mut first, 1, vec![put("a", "1")], Outcome::Acknowledged);
        let mut next = History::continued(first.rows_after(1), first.next_sequence());
        assert_eq!(next.state_after(0), first.state_after(1));
        assert!(next.is_past(transaction_id(0, 1)));
        commit(&mut next, 2, vec![put("a", "2")], Outcome::Acknowledged);
        assert_eq!(
            next.state_after(1),
            Some(StateDigest::of(&next.rows_after(1)))
        );
        assert!(!next.is_past(transaction_id(0, 2)));
    }
}
