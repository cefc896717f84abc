//! What a child says of its life, one JSON value a line, and the history that follows from it.

use serde::{Deserialize, Serialize};

use crate::oracle::{Change, History, Observed, Outcome, Request, RowKey, TableId, Violation};
use crate::scenario::{CheckKind, Feature};
use crate::target::{Applied, Durability, TargetError};
use crate::trace::{TracePosition, TransactionId};

/// A row as it travels.
pub(super) type Row = (u8, Vec<u8>, Vec<u8>);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Entry {
    /// The target is a process of its own, which has this number and leads a group.
    Started(u32),
    /// The database is open.
    Opened,
    /// All its rows.
    Rows(Vec<Row>),
    /// What its own check found.
    Verified(Vec<String>),
    /// A commit is about to be asked for.
    Request {
        id: u64,
        level: u8,
        changes: Vec<(u8, Vec<u8>, Option<Vec<u8>>)>,
    },
    /// It was answered.
    Answer { id: u64, outcome: Answer },
    /// A call failed.
    Failed { call: String, error: Failure },
    /// What the process needed is there again.
    Lifted,
    /// A fault came, so often.
    Fired(u64),
    /// Something is wrong, and the life itself saw it.
    Wrong {
        check: CheckKind,
        shape: String,
        expected: String,
        actual: String,
    },
    /// A planted bug dropped an operation: which, by its place in the file.
    Dropped(usize),
    /// With something lacking all rows were read.
    StillRead,
    /// Clients did something, so often.
    Did(Feature, u64),
    /// It came to its end.
    Done(Finish),
}

/// What a whole life took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finish {
    /// Operations on storage.
    pub(super) operations: u64,
    /// Allocations of memory, if they were counted.
    pub(super) allocations: u64,
}

/// The answer to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    Acknowledged,
    Refused,
    Unknown,
}

/// A target's failure as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) kind: String,
    pub(super) is_unknown: bool,
    pub(super) text: String,
}

impl From<Violation> for Entry {
    fn from(violation: Violation) -> Self {
        let Violation {
            check,
            shape,
            expected,
            actual,
        } = violation;
        Self::Wrong {
            check,
            shape,
            expected,
            actual,
        }
    }
}

impl From<&TargetError> for Failure {
    fn from(error: &TargetError) -> Self {
        Self {
            kind: error.kind.name().to_owned(),
            is_unknown: error.applied == Applied::Unknown,
            text: error.text.clone(),
        }
    }
}

/// Writes down what a request asks for.
pub(super) fn request(request: &Request) -> Entry {
    let change = |change: &Change| {
        let value = change.value.as_ref().map(|value| value.to_vec());
        (change.row.table.0, change.row.key.to_vec(), value)
    };
    Entry::Request {
        id: request.id.0,
        level: level_number(request.durability),
        changes: request.operations.iter().map(change).collect(),
    }
}

fn level_number(level: Durability) -> u8 {
    match level {
        Durability::Sync => 0,
        Durability::Buffered => 1,
        Durability::None => 2,
    }
}

fn level_of(number: u8) -> Durability {
    match number {
        0 => Durability::Sync,
        1 => Durability::Buffered,
        _ => Durability::None,
    }
}

/// What a life came to.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) entries: Vec<Entry>,
}

impl Life {
    /// Reads lines. A line that was cut off by the end of the process is none.
    pub(super) fn read(text: &str) -> Self {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let entries = whole
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Self {
            entries: entries.collect(),
        }
    }

    /// Whether the database was open.
    pub(super) fn is_open(&self) -> bool {
        self.entries.contains(&Entry::Opened)
    }

    /// The rows it showed when it was open.
    pub(super) fn rows(&self) -> Option<Observed> {
        let rows = self.entries.iter().find_map(|entry| match entry {
            Entry::Rows(rows) => Some(rows),
            _ => None,
        })?;
        let mut observed = Observed::default();
        for (table, key, value) in rows {
            observed.push(TableId(*table), key, value);
        }
        Some(observed)
    }

    /// The plants that dropped an operation, each as often as it did.
    pub(super) fn dropped(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Dropped(plant) => Some(*plant),
            _ => None,
        })
    }

    /// The process of the target's own, if it has one.
    pub(super) fn started(&self) -> Option<u32> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Started(number) => Some(*number),
            _ => None,
        })
    }

    /// How often the fault came.
    pub(super) fn fired(&self) -> u64 {
        let fired = self.entries.iter().map(|entry| match entry {
            Entry::Fired(count) => *count,
            _ => 0,
        });
        fired.sum()
    }

    /// What it took, if it came to its end.
    pub(super) fn finish(&self) -> Option<Finish> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Done(finish) => Some(*finish),
            _ => None,
        })
    }

    /// What clients did beside puts, gets and deletes, if it came to its end.
    pub(super) fn features(&self) -> impl Iterator<Item = (Feature, u64)> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Did(feature, count) => Some((*feature, *count)),
            _ => None,
        })
    }

    /// The failed calls, and whether what was needed had come back before.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, &Failure, bool)> {
        let mut is_lifted = false;
        self.entries.iter().filter_map(move |entry| match entry {
            Entry::Lifted => {
                is_lifted = true;
                None
            }
            Entry::Failed { call, error } => Some((call.as_str(), error, is_lifted)),
            _ => None,
        })
    }

    /// All that was asked, from what was there when it was open.
    pub(super) fn history(&self, mut history: History) -> History {
        let mut at = 0;
        for entry in &self.entries {
            at += 1;
            let at = TracePosition(at);
            match entry {
                Entry::Opened => history.opened(at),
                Entry::Request { id, level, changes } => {
                    let id = TransactionId(*id);
                    history.begin(id);
                    history.began(id);
                    let change = |(table, key, value): &(u8, Vec<u8>, Option<Vec<u8>>)| Change {
                        row: RowKey::new(TableId(*table), key),
                        value: value.as_deref().map(Into::into),
                    };
                    history.request(Request {
                        id,
                        durability: level_of(*level),
                        operations: changes.iter().map(change).collect(),
                        at,
                    });
                }
                Entry::Answer { id, outcome } => {
                    let outcome = match outcome {
                        Answer::Acknowledged => Outcome::Acknowledged,
                        Answer::Refused => Outcome::Refused,
                        Answer::Unknown => Outcome::Unknown,
                    };
                    history.answer(TransactionId(*id), outcome, at);
                }
                _ => {}
            }
        }
        history
    }

    /// The moment after all of it.
    pub(super) fn end(&self) -> TracePosition {
        TracePosition(self.entries.len() as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::transaction_id;

    fn line(entry: &Entry) -> String {
        serde_json::to_string(entry).unwrap() + "\n"
    }

    #[test]
    fn a_line_that_was_cut_off_says_nothing() {
        let id = transaction_id(0, 1).0;
        let asked = Entry::Request {
            id,
            level: 0,
            changes: vec![(0, b"k".to_vec(), Some(b"v".to_vec()))],
        };
        let answered = Entry::Answer {
            id,
            outcome: Answer::Acknowledged,
        };
        let text = line(&Entry::Opened) + &line(&asked) + &line(&answered);
        let cut = Life::read(&text[..text.len() - 1]);
        assert_eq!(cut.entries.len(), 2);
        let whole = Life::read(&text);
        assert_eq!(whole.entries.last(), Some(&answered));
        let history = whole.history(History::new());
        assert_eq!(history.transactions().len(), 1);
        assert_eq!(history.transactions()[0].outcome, Outcome::Acknowledged);
        let history = cut.history(History::new());
        assert_eq!(history.transactions()[0].outcome, Outcome::InFlight);
    }
}
