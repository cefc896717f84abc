//! What was asked of a target and what it answered.
//!
//! 1. Commits may overlap: several may be asked for before one is answered. They are kept in the order of their answers, those
//!    that wait for theirs behind the others, in the order of their requests. This is one of the orders in which they can have been
//!    committed. It need not be the one in which they were.
//! 2. A transaction that was refused changes nothing. One whose outcome is unknown is taken as done in `state_after`, and as perhaps
//!    not done where states are judged.
//! 3. A history begins with a known set of rows: none, or what a recovery showed.

use std::collections::BTreeMap;

use super::doubt::Past;
use super::reads::{Read, Through};
use super::rows::{RowDigest, RowKey, RowMap, RowValue, StateDigest};
use super::sight::{Moment, Sight};
use super::transaction::{Change, Outcome, Request, Transaction};
use super::value::client_and_sequence;
use crate::trace::{Event, TracePosition, TransactionId};

/// All that happened to one database since it was created or recovered.
#[derive(Clone, Debug, Default)]
pub struct History {
    base: RowMap,
    /// The first `answered` of them are answered, in the order of their answers.
    transactions: Vec<Transaction>,
    answered: usize,
    overlaps: bool,
    states: Vec<StateDigest>,
    versions: BTreeMap<RowKey, Vec<Version>>,
    begun: BTreeMap<TransactionId, Sight>,
    reads: Vec<Read>,
    now: Moment,
    first_sequence: u32,
    opened: TracePosition,
    pub(super) past: Option<Past>,
}

/// A row's value from one transaction on.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// How many transactions it comes after; the last of them wrote it, and none if it was there in the beginning.
    pub(super) after: usize,
    pub(super) value: Option<(RowValue, RowDigest)>,
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

    /// One that begins where an earlier one does: the given transactions of that, and those of this one, which all came later.
    pub(super) fn following(&self, earlier: &Self, transactions: Vec<Transaction>) -> Self {
        let mut whole = Self::continued(earlier.base.clone(), earlier.first_sequence);
        let is_answered = |one: &&Transaction| one.answered != TracePosition(u64::MAX);
        whole.answered = transactions.iter().filter(is_answered).count();
        whole.overlaps = earlier.overlaps || self.overlaps;
        whole.begun.clone_from(&earlier.begun);
        whole.begun.extend(&self.begun);
        whole.transactions = transactions;
        (0..whole.transactions.len()).for_each(|index| whole.apply(index));
        whole
    }

    /// Notes the moment after the target's open returned.
    pub fn opened(&mut self, at: TracePosition) {
        self.opened = at;
    }

    /// The moment after the target's open returned.
    pub fn opened_at(&self) -> TracePosition {
        self.opened
    }

    /// Notes that a transaction is about to begin: it sees all that is answered by now.
    pub fn begin(&mut self, id: TransactionId) {
        let from = self.tick();
        self.begun.insert(id, Sight::since(from));
    }

    /// Notes that a transaction has begun: it sees nothing that is asked for later.
    pub fn began(&mut self, id: TransactionId) {
        let to = self.tick();
        if let Some(sight) = self.begun.get_mut(&id) {
            sight.to = to;
        }
    }

    /// Notes what a transaction read in a row that it had not written. What nobody wrote is not noted.
    pub fn read(&mut self, id: TransactionId, row: &RowKey, value: Option<&[u8]>) {
        self.read_through(Through::Key, id, row, value);
    }

    /// The same, of a row that was seen as one of a range, perhaps.
    pub fn read_through(
        &mut self,
        through: Through,
        id: TransactionId,
        row: &RowKey,
        value: Option<&[u8]>,
    ) {
        let Some(source) = self.source(row, value) else {
            return;
        };
        self.reads.push(Read {
            reader: Some(id),
            row: row.clone(),
            source,
            value: value.map(Into::into),
            through,
        });
    }

    /// Notes that a commit is being asked for. Others may be waiting for their answers.
    pub fn request(&mut self, request: Request) {
        let mut last = BTreeMap::new();
        for change in request.operations {
            last.insert(change.row, change.value);
        }
        let now = self.tick();
        self.overlaps |= self.answered < self.transactions.len();
        self.begun.entry(request.id).or_insert(Sight::since(now));
        self.transactions.push(Transaction {
            id: request.id,
            durability: request.durability,
            changes: last
                .into_iter()
                .map(|(row, value)| Change { row, value })
                .collect(),
            requested: request.at,
            requested_moment: now,
            visible_from: request.at,
            outcome: Outcome::InFlight,
            answered: TracePosition(u64::MAX),
            answered_moment: Moment::NEVER,
        });
        self.apply(self.transactions.len() - 1);
    }

    /// Notes the answer to a request. Of a transaction that waits for none, nothing is noted.
    pub fn answer(&mut self, id: TransactionId, outcome: Outcome, at: TracePosition) {
        let waiting = &self.transactions[self.answered..];
        let Some(place) = waiting.iter().position(|waiting| waiting.id == id) else {
            return;
        };
        let from = self.answered + place;
        let earlier = self.transactions[..self.answered].iter().rev();
        let to = self.answered - earlier.take_while(|earlier| earlier.answered > at).count();
        let now = self.tick();
        let transaction = &mut self.transactions[from];
        transaction.outcome = outcome;
        transaction.answered = at;
        transaction.answered_moment = now;
        self.answered += 1;
        if from != to || outcome == Outcome::Refused {
            self.take_back(to);
            self.transactions[to..=from].rotate_right(1);
            (to..self.transactions.len()).for_each(|index| self.apply(index));
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

    /// The transactions whose commit was requested: those that were answered, in the order of their answers, then the others.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// A transaction whose commit was requested.
    pub(super) fn find(&self, id: TransactionId) -> Option<&Transaction> {
        self.transactions.iter().find(|one| one.id == id)
    }

    /// What was read.
    pub(super) fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// The rows that were there in the beginning or that a transaction wrote.
    pub(super) fn known_rows(&self) -> impl Iterator<Item = &RowKey> {
        self.versions.keys()
    }

    /// Whether a commit was ever asked for while another waited for its answer.
    pub fn overlaps(&self) -> bool {
        self.overlaps
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
        self.begun.contains_key(&id)
    }

    /// Whether a transaction belongs to the past before this history.
    pub fn is_past(&self, id: TransactionId) -> bool {
        client_and_sequence(id).1 < self.first_sequence
    }

    /// A sequence number greater than all that were used.
    pub fn next_sequence(&self) -> u32 {
        let used = self
            .begun
            .keys()
            .map(|&id| client_and_sequence(id).1.saturating_add(1));
        used.max().unwrap_or(0).max(self.first_sequence)
    }

    /// What a transaction may see, if it was begun.
    pub(super) fn sight_of(&self, id: TransactionId) -> Option<Sight> {
        self.begun.get(&id).copied()
    }

    /// A row's values, from the oldest to the newest.
    pub(super) fn versions_of(&self, row: &RowKey) -> &[Version] {
        self.versions.get(row).map_or(&[], Vec::as_slice)
    }

    fn tick(&mut self) -> Moment {
        self.now = self.now.next();
        self.now
    }

    /// Adds the state after a transaction to those after the ones before it.
    fn apply(&mut self, index: usize) {
        let mut digest = self.states.last().copied().unwrap_or_default();
        let transaction = &self.transactions[index];
        let changes = match transaction.outcome {
            Outcome::Refused => &[],
            _ => transaction.changes.as_slice(),
        };
        for change in changes {
            let versions = self.versions.entry(change.row.clone()).or_default();
            if let Some((_, old)) = versions.last().and_then(|version| version.value.as_ref()) {
                digest.remove(*old);
            }
            let value = change.value.as_ref().map(|value| {
                let row_digest = RowDigest::of(change.row.table, &change.row.key, value);
                digest.add(row_digest);
                (RowValue::clone(value), row_digest)
            });
            let after = index + 1;
            versions.push(Version { after, value });
        }
        self.states.push(digest);
    }

    /// Takes out the states after transactions from `first` on.
    fn take_back(&mut self, first: usize) {
        self.states.truncate(first + 1);
        for transaction in &self.transactions[first..] {
            for change in &transaction.changes {
                if let Some(versions) = self.versions.get_mut(&change.row) {
                    versions.retain(|version| version.after <= first);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{TableId, transaction_id};
    use crate::target::Durability;

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
        history.answer(id, outcome, TracePosition(at.0 + 5));
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

    #[test]
    fn requests_may_wait_together_and_be_answered_in_any_order() {
        let mut history = History::new();
        let ids = [1, 2, 3, 4].map(|client| transaction_id(client, 1));
        for (id, (key, value)) in
            ids.into_iter()
                .zip([("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")])
        {
            history.request(Request {
                id,
                durability: Durability::Sync,
                operations: vec![put(key, value), put("all", value)],
                at: TracePosition(id.0 >> 32),
            });
        }
        assert_eq!(history.rows_after(4)[&put("a", "").row].as_ref(), b"4");
        history.answer(ids[3], Outcome::Acknowledged, TracePosition(10));
        history.answer(ids[2], Outcome::Refused, TracePosition(11));
        history.answer(ids[0], Outcome::Acknowledged, TracePosition(12));
        let order: Vec<_> = history.transactions().iter().map(|one| one.id).collect();
        assert_eq!(order, [ids[3], ids[2], ids[0], ids[1]]);
        for (count, value) in [(1, "4"), (2, "4"), (3, "1"), (4, "2")] {
            let rows = history.rows_after(count);
            assert_eq!(rows[&put("a", "").row].as_ref(), value.as_bytes());
            assert_eq!(rows.len(), 2);
            assert_eq!(history.state_after(count), Some(StateDigest::of(&rows)));
        }
        // Told late of an early answer: positions decide.
        history.answer(ids[1], Outcome::Acknowledged, TracePosition(9));
        assert_eq!(history.transactions()[0].id, ids[1]);
        assert_eq!(history.rows_after(4)[&put("a", "").row].as_ref(), b"1");
        assert_eq!(
            history.state_after(4),
            Some(StateDigest::of(&history.rows_after(4)))
        );
    }
}
