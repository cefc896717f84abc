//! What is owed after a crash at one moment of a trace.
//!
//! A transaction must be there, may be there, or must not. States after `least` to `most` answers are legal as they
//! are; others (possible only where commits overlap, outcomes are unknown or promises are weak) have to be explained
//! transaction by transaction.

use xxhash_rust::xxh3::Xxh3;

use super::history::History;
use super::rows::{RowDigest, StateDigest};
use super::transaction::{Change, Outcome, Transaction};
use crate::target::{CrashKind, Durability, Promise, Promises};
use crate::trace::TracePosition;

/// The kinds of crash since the last time the target was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CrashKinds {
    first: CrashKind,
    then: Option<CrashKind>,
}

/// What is owed after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligations {
    /// The moment of the crash.
    pub at: TracePosition,
    /// What was answered by then must be there, if it was promised to be: the same moment, but for copies that take their time.
    since: TracePosition,
    /// What crashed since the target was last open.
    pub kinds: CrashKinds,
    /// What each acknowledged transaction may expect, by durability level.
    pub(super) promises: Promises,
    /// The fewest transactions that must be there.
    pub least: usize,
    /// The most that may be there.
    pub most: usize,
}

/// What is owed to one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owed {
    /// It must be there.
    Must,
    /// It may be there, and must be if any later one is.
    MayInOrder,
    /// It may be there, whole.
    May,
    /// Any part of it may be there.
    Anything,
    /// It was refused: nothing of it may be there.
    NeverRefused,
    /// Nothing of it had reached the disk.
    NeverRequested,
}

impl CrashKinds {
    /// Whether the promises come to nothing, at every level.
    pub fn void(self, promises: &Promises) -> bool {
        let void = |kind| {
            let mut levels = promises.levels();
            levels.all(|level| promises.promise(level, kind) == Promise::Nothing)
        };
        void(self.first) || self.then.is_some_and(void)
    }

    /// One crash.
    pub fn one(kind: CrashKind) -> Self {
        Self {
            first: kind,
            then: None,
        }
    }

    /// Another crash, before the target was open again.
    #[must_use]
    pub fn and(self, kind: CrashKind) -> Self {
        if kind == self.first {
            self
        } else {
            Self {
                then: Some(kind),
                ..self
            }
        }
    }

    /// Whether the power was cut at least once.
    pub fn include_power(self) -> bool {
        self.first == CrashKind::Power || self.then == Some(CrashKind::Power)
    }

    /// Whether a process ended at least once.
    pub fn include_process(self) -> bool {
        self.first == CrashKind::Process || self.then == Some(CrashKind::Process)
    }

    /// The weakest promise among those for the kinds.
    fn promise(self, promises: &Promises, transaction: &Transaction) -> Promise {
        let first = promises.promise(transaction.durability, self.first);
        let then = self
            .then
            .map(|kind| promises.promise(transaction.durability, kind));
        then.map_or(first, |then| first.max(then))
    }
}

impl Obligations {
    /// What is owed after a crash at `at`.
    pub fn new(
        history: &History,
        promises: &Promises,
        at: TracePosition,
        kinds: CrashKinds,
    ) -> Self {
        Self::between(history, promises, (at, at), kinds)
    }

    /// What is owed to a copy that was asked for at one moment and done at another: all that was answered before, nothing that was
    /// requested after.
    pub fn of_copy(history: &History, asked: TracePosition, done: TracePosition) -> Self {
        let kinds = CrashKinds::one(CrashKind::Process);
        Self::between(history, &all_durable(), (asked, done), kinds)
    }

    fn between(
        history: &History,
        promises: &Promises,
        (since, at): (TracePosition, TracePosition),
        kinds: CrashKinds,
    ) -> Self {
        let mut obligations = Self {
            at,
            since,
            kinds,
            promises: promises.clone(),
            least: 0,
            most: 0,
        };
        for (index, transaction) in history.transactions().iter().enumerate() {
            match obligations.owed(transaction) {
                Owed::Must => (obligations.least, obligations.most) = (index + 1, index + 1),
                Owed::MayInOrder | Owed::May | Owed::Anything => obligations.most = index + 1,
                Owed::NeverRefused => {}
                Owed::NeverRequested => break,
            }
        }
        obligations
    }

    /// What is owed to a target that nothing has crashed: all that was acknowledged is there, nothing that was refused is.
    pub fn live(history: &History) -> Self {
        let promises = all_durable();
        let kinds = CrashKinds::one(CrashKind::Process);
        Self::new(history, &promises, TracePosition(u64::MAX), kinds)
    }

    /// A digest for telling obligations apart: if it is equal, the same states are legal.
    ///
    /// Without overlaps the states after each number of transactions say nearly all. With overlaps it takes what is owed to each
    /// transaction, what it changes, and which ones overlap.
    pub fn digest(&self, history: &History) -> u128 {
        let mut hasher = Xxh3::new();
        if let Some((whole, obligations)) = self.in_doubt(history) {
            hasher.update(&obligations.digest(&whole).to_le_bytes());
        }
        let transactions = history.transactions();
        if history.overlaps() {
            hasher.update(&StateDigest::of(history.base()).0.to_le_bytes());
            for transaction in transactions {
                self.add_transaction(&mut hasher, transaction);
            }
            return hasher.digest128();
        }
        for count in self.least..=self.most {
            let state = history.state_after(count).unwrap_or_default();
            hasher.update(&state.0.to_le_bytes());
        }
        for transaction in &transactions[..self.most] {
            let owed = self.owed(transaction);
            let special = transaction.outcome == Outcome::Refused && owed == Owed::May;
            if special || matches!(owed, Owed::Anything) || transaction.outcome == Outcome::Unknown
            {
                hasher.update(&transaction.id.0.to_le_bytes());
            }
        }
        hasher.digest128()
    }

    /// What of a transaction decides which states are legal. One that can't be there has no part in it, and that an answer was
    /// after the crash says as much as when it was.
    fn add_transaction(&self, hasher: &mut Xxh3, transaction: &Transaction) {
        let owed = self.owed(transaction);
        if matches!(owed, Owed::NeverRefused | Owed::NeverRequested) {
            return;
        }
        let answered = transaction.answered;
        let answered = if answered > self.at {
            u64::MAX
        } else {
            answered.0
        };
        hasher.update(&[owed as u8]);
        for number in [transaction.id.0, transaction.requested.0, answered] {
            hasher.update(&number.to_le_bytes());
        }
        for Change { row, value } in &transaction.changes {
            let value = value.as_deref();
            let digest = RowDigest::of(row.table, &row.key, value.unwrap_or_default());
            let mut change = StateDigest::default();
            change.add(digest);
            hasher.update(&change.0.to_le_bytes());
            hasher.update(&[u8::from(value.is_some())]);
        }
    }

    /// What is owed to one transaction.
    pub(super) fn owed(&self, transaction: &Transaction) -> Owed {
        if transaction.visible_from > self.at && transaction.answered > self.at {
            return Owed::NeverRequested;
        }
        if transaction.answered > self.since {
            return match transaction.outcome {
                Outcome::Refused if transaction.answered <= self.at => Owed::NeverRefused,
                _ => Owed::May,
            };
        }
        match transaction.outcome {
            Outcome::InFlight | Outcome::Unknown => Owed::May,
            Outcome::Refused => Owed::NeverRefused,
            Outcome::Acknowledged => match self.kinds.promise(&self.promises, transaction) {
                Promise::Durable => Owed::Must,
                Promise::Prefix => Owed::MayInOrder,
                Promise::Atomic => Owed::May,
                Promise::Nothing => Owed::Anything,
            },
        }
    }
}

/// Every level survives everything.
fn all_durable() -> Promises {
    let durable =
        |promises: Promises, level| promises.with(level, Promise::Durable, Promise::Durable);
    let levels = [Durability::Sync, Durability::Buffered, Durability::None];
    levels.into_iter().fold(Promises::none(), durable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Request, transaction_id};

    fn commit(history: &mut History, client: u16, (from, to): (u64, u64), outcome: Outcome) {
        let id = transaction_id(client, 1);
        history.request(Request {
            id,
            durability: Durability::None,
            operations: Vec::new(),
            at: TracePosition(from),
        });
        history.answer(id, outcome, TracePosition(to));
    }

    #[test]
    fn a_copy_has_what_was_answered_before_it_and_nothing_that_was_requested_after_it() {
        let mut history = History::new();
        commit(&mut history, 0, (1, 5), Outcome::Acknowledged);
        commit(&mut history, 1, (8, 14), Outcome::Refused);
        commit(&mut history, 2, (12, 15), Outcome::Acknowledged);
        commit(&mut history, 3, (19, 25), Outcome::Acknowledged);
        commit(&mut history, 4, (30, 35), Outcome::Acknowledged);
        let copy = Obligations::of_copy(&history, TracePosition(10), TracePosition(20));
        let owed = history.transactions().iter().map(|one| copy.owed(one));
        let expected = [
            Owed::Must,
            Owed::NeverRefused,
            Owed::May,
            Owed::May,
            Owed::NeverRequested,
        ];
        assert_eq!(owed.collect::<Vec<_>>(), expected);
        assert_eq!((copy.least, copy.most), (1, 4));
    }
}
