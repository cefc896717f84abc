//! What a transaction may read, when commits overlap.
//!
//! 1. It sees a state of some moment between the two at which its begin was noted: all that was answered before, nothing that was
//!    requested after, and of what was then waiting for an answer, anything.
//! 2. A transaction covers those that were answered before it was requested, if it is known to have been committed. Of what is not
//!    covered any may be the newest.

use super::history::History;
use super::rows::{RowKey, RowValue};
use super::sequence::Span;
use super::transaction::{Outcome, Transaction};
use crate::trace::{TracePosition, TransactionId};

/// A place in the order in which a history was told what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Moment(pub(super) u64);

/// The two moments between which a transaction began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) from: Moment,
    pub(super) to: Moment,
}

impl Moment {
    /// After all others.
    pub(super) const NEVER: Self = Self(u64::MAX);

    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Sight {
    /// Begun at `from` or later.
    pub(super) fn since(from: Moment) -> Self {
        let to = Moment::NEVER;
        Self { from, to }
    }

    /// Whether a transaction's changes are certainly seen, unless a newer one covers them.
    fn must_see(self, transaction: &Transaction) -> bool {
        transaction.outcome == Outcome::Acknowledged && transaction.answered_moment < self.from
    }

    /// Whether a transaction's changes can be seen.
    fn may_see(self, transaction: &Transaction) -> bool {
        transaction.requested_moment < self.to
    }
}

impl History {
    /// The moments between which a transaction's view was taken, at the latest when it asked for its commit.
    pub(super) fn view(&self, id: TransactionId) -> Span {
        let sight = self.sight_of(id).unwrap_or(Sight::since(Moment::default()));
        let requested = self
            .find(id)
            .map(|transaction| transaction.requested_moment);
        let to = requested.map_or(sight.to, |requested| requested.min(sight.to));
        Span {
            from: sight.from.0,
            to: to.0,
        }
    }

    /// The values that a transaction may read in a row which it did not write, the newest first. One if nothing overlaps.
    pub fn may_read(&self, id: TransactionId, row: &RowKey) -> Vec<Option<&RowValue>> {
        let sight = self.sight_of(id).unwrap_or(Sight::since(Moment::default()));
        let mut values = Vec::new();
        let mut covered: Option<TracePosition> = None;
        for version in self.versions_of(row).iter().rev() {
            let value = version.value.as_ref().map(|(value, _)| value);
            let Some(index) = version.after.checked_sub(1) else {
                break;
            };
            let writer = &self.transactions()[index];
            if covered.is_some_and(|covered| writer.answered <= covered) {
                return values;
            }
            if sight.may_see(writer) {
                values.push(value);
            }
            if sight.must_see(writer) {
                covered = covered.max(Some(writer.requested));
            }
        }
        if covered.is_none() {
            values.push(self.base().get(row));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use crate::oracle::{Change, History, Outcome, Request, RowKey, TableId, transaction_id};
    use crate::target::Durability;
    use crate::trace::TracePosition;

    fn row() -> RowKey {
        RowKey::new(TableId(0), b"row")
    }

    fn request(history: &mut History, client: u16, value: &str, at: u64) {
        let id = transaction_id(client, 1);
        history.begin(id);
        history.began(id);
        let value = Some(value.as_bytes().into());
        let operations = vec![Change { row: row(), value }];
        let (durability, at) = (Durability::Sync, TracePosition(at));
        history.request(Request {
            id,
            durability,
            operations,
            at,
        });
    }

    fn answer(history: &mut History, client: u16, outcome: Outcome, at: u64) {
        history.answer(transaction_id(client, 1), outcome, TracePosition(at));
    }

    /// What a transaction of client 9 that begins now may read.
    fn readable(history: &mut History) -> Vec<String> {
        let id = transaction_id(9, 1);
        history.begin(id);
        history.began(id);
        let text = |value: Option<&std::sync::Arc<[u8]>>| match value {
            Some(value) => String::from_utf8_lossy(value).into_owned(),
            None => "none".to_owned(),
        };
        let values = history.may_read(id, &row()).into_iter();
        values.map(text).collect()
    }

    #[test]
    fn what_waits_for_an_answer_may_be_seen_or_not() {
        let mut history = History::new();
        assert_eq!(readable(&mut history), ["none"]);
        request(&mut history, 0, "a", 1);
        assert_eq!(readable(&mut history), ["a", "none"]);
        answer(&mut history, 0, Outcome::Acknowledged, 2);
        assert_eq!(readable(&mut history), ["a"]);
        request(&mut history, 1, "b", 3);
        answer(&mut history, 1, Outcome::Unknown, 4);
        assert_eq!(readable(&mut history), ["b", "a"]);
    }

    #[test]
    fn of_two_that_overlapped_either_may_be_the_newer() {
        let mut history = History::new();
        request(&mut history, 0, "a", 1);
        request(&mut history, 1, "b", 2);
        request(&mut history, 2, "c", 3);
        answer(&mut history, 1, Outcome::Acknowledged, 4);
        answer(&mut history, 0, Outcome::Acknowledged, 5);
        answer(&mut history, 2, Outcome::Refused, 6);
        assert_eq!(readable(&mut history), ["a", "b"]);
        request(&mut history, 3, "d", 7);
        answer(&mut history, 3, Outcome::Acknowledged, 8);
        assert_eq!(readable(&mut history), ["d"]);
    }

    #[test]
    fn what_was_requested_after_the_begin_is_not_seen() {
        let mut history = History::new();
        let reader = transaction_id(9, 1);
        history.begin(reader);
        request(&mut history, 0, "a", 1);
        assert_eq!(history.may_read(reader, &row()).len(), 2);
        history.began(reader);
        request(&mut history, 1, "b", 2);
        answer(&mut history, 1, Outcome::Acknowledged, 3);
        assert_eq!(history.may_read(reader, &row()).len(), 2);
    }
}
