//! What clients did in one life, line by line, and doing it again.
//!
//! 1. A script is played in the order of its lines; nothing is drawn. Whatever lines are left out, playing it is defined: a step of a
//!    client that has no transaction open is passed over, and a transaction that ends with an error is not tried again.
//! 2. Each line is text, so a case file can hold it and a person can read it.
//! 3. From the line `threads` on each client has a thread of its own, and the order is that of each client's own lines.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::plan::Step;
use crate::oracle::row_text;
use crate::target::Durability;

/// What clients do in one life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Script {
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line {
    /// The client that does it.
    pub client: u16,
    pub(super) deed: Deed,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Begin,
    Step(Step),
    Commit(Durability),
    Rollback,
    Checkpoint,
    Compaction,
    Backup {
        is_incremental: bool,
    },
    RestorePoint,
    /// From here on each client has a thread of its own.
    Threads,
    /// The database is closed, at the end.
    Close,
}

/// A text that is no line of a script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no line of a script")]
pub struct LineError(String);

impl Script {
    /// Whether a part of it is for threads.
    pub fn has_threads(&self) -> bool {
        self.lines.iter().any(|line| line.deed == Deed::Threads)
    }

    /// Whether the database is closed at its end.
    pub fn closes(&self) -> bool {
        self.lines.iter().any(|line| line.deed == Deed::Close)
    }

    /// The lines before each client has a thread of its own, and those after.
    pub fn parts(&self) -> (Self, Self) {
        let threads = |line: &Line| line.deed == Deed::Threads;
        let at = self.lines.iter().position(threads);
        let (first, rest) = self.lines.split_at(at.unwrap_or(self.lines.len()));
        let part = |lines: &[Line]| Self {
            lines: lines.to_vec(),
        };
        (part(first), part(rest))
    }

    /// The lines of one client.
    #[must_use]
    pub fn of_client(&self, client: u16) -> Self {
        let own = self.lines.iter().filter(|line| line.client == client);
        Self {
            lines: own.cloned().collect(),
        }
    }

    /// The lines that can be left out or kept together, each by its places: a transaction with all its steps, or what stands by itself.
    pub fn units(&self) -> Vec<Vec<usize>> {
        let mut units: Vec<Vec<usize>> = Vec::new();
        let mut open: Vec<(u16, usize)> = Vec::new();
        for (place, line) in self.lines.iter().enumerate() {
            let is_open = open.iter().position(|&(client, _)| client == line.client);
            match (&line.deed, is_open) {
                (Deed::Begin, known) => {
                    if let Some(known) = known {
                        open.remove(known);
                    }
                    open.push((line.client, units.len()));
                    units.push(vec![place]);
                }
                (Deed::Step(_) | Deed::Commit(_) | Deed::Rollback, Some(known)) => {
                    units[open[known].1].push(place);
                    if !matches!(line.deed, Deed::Step(_)) {
                        open.remove(known);
                    }
                }
                _ => units.push(vec![place]),
            }
        }
        units
    }

    /// The places of single steps: what can be left out of a transaction.
    pub fn steps(&self) -> Vec<usize> {
        let is_step = |line: &Line| matches!(line.deed, Deed::Step(_));
        let places = self.lines.iter().enumerate();
        places
            .filter(|(_, line)| is_step(line))
            .map(|(place, _)| place)
            .collect()
    }

    /// The script without these lines.
    #[must_use]
    pub fn without(&self, places: &[usize]) -> Self {
        let kept = self.lines.iter().enumerate();
        let kept = kept.filter(|(place, _)| !places.contains(place));
        Self {
            lines: kept.map(|(_, line)| line.clone()).collect(),
        }
    }

    /// How much is done: each step counts, each end of a transaction, and each thing that stands by itself.
    pub fn operations(&self) -> usize {
        let counts = |line: &&Line| !matches!(line.deed, Deed::Begin | Deed::Threads);
        self.lines.iter().filter(counts).count()
    }

    /// How many clients do something.
    pub fn clients(&self) -> usize {
        let mut clients: Vec<u16> = self.lines.iter().map(|line| line.client).collect();
        clients.sort_unstable();
        clients.dedup();
        clients.len()
    }

    /// One client does it all, each transaction by itself, in the order of their ends.
    #[must_use]
    pub fn by_one_client(&self) -> Self {
        let mut units = self.units();
        units.sort_by_key(|unit| unit.last().copied());
        let lines = units.into_iter().flatten();
        let line = |place: usize| Line {
            client: 0,
            ..self.lines[place].clone()
        };
        let is_for_threads = |line: &Line| line.deed == Deed::Threads;
        Self {
            lines: lines
                .map(line)
                .filter(|line| !is_for_threads(line))
                .collect(),
        }
    }

    /// All values are as short as they can be.
    #[must_use]
    pub fn with_short_values(&self) -> Self {
        let mut short = self.clone();
        for line in &mut short.lines {
            if let Deed::Step(Step::Put { len, .. }) = &mut line.deed {
                *len = 0;
            }
        }
        short
    }

    /// For readers, a line each.
    pub fn texts(&self) -> Vec<String> {
        self.lines.iter().map(Line::text).collect()
    }
}

impl Line {
    pub(super) fn new(client: u16, deed: Deed) -> Self {
        Self { client, deed }
    }

    /// From here on each client has a thread of its own.
    pub fn threads() -> Self {
        Self::new(0, Deed::Threads)
    }

    /// The database is closed.
    pub fn close() -> Self {
        Self::new(0, Deed::Close)
    }

    /// For readers.
    pub fn text(&self) -> String {
        let client = self.client;
        let what = match &self.deed {
            Deed::Step(Step::Put { row, len, .. }) => {
                format!("  puts {}, {len} bytes", row_text(row.table, &row.key))
            }
            Deed::Step(Step::Delete(row)) => format!("  deletes {}", row_text(row.table, &row.key)),
            Deed::Step(Step::Get(row)) => format!("  reads {}", row_text(row.table, &row.key)),
            Deed::Step(Step::Look { from, to }) => format!(
                "  reads {} and {}",
                row_text(from.table, &from.key),
                row_text(to.table, &to.key)
            ),
            Deed::Step(step) => format!("  {}", step_text(step)),
            Deed::Begin => "begins".to_owned(),
            Deed::Commit(level) => format!("commits ({level})"),
            Deed::Rollback => "rolls back".to_owned(),
            Deed::Threads => return "each client on a thread of its own".to_owned(),
            Deed::Close => return "the database is closed".to_owned(),
            Deed::Checkpoint => "asks for a checkpoint".to_owned(),
            Deed::Compaction => "asks for a compaction".to_owned(),
            Deed::Backup {
                is_incremental: false,
            } => "asks for a backup".to_owned(),
            Deed::Backup { .. } => "asks for an incremental backup".to_owned(),
            Deed::RestorePoint => "asks for a restore point".to_owned(),
        };
        format!("client {client} {what}")
    }
}

fn step_text(step: &Step) -> String {
    serde_json::to_string(step).unwrap_or_default()
}

const WORDS: [(&str, Deed); 12] = [
    ("begin", Deed::Begin),
    ("commit sync", Deed::Commit(Durability::Sync)),
    ("commit buffered", Deed::Commit(Durability::Buffered)),
    ("commit none", Deed::Commit(Durability::None)),
    ("rollback", Deed::Rollback),
    ("checkpoint", Deed::Checkpoint),
    ("compaction", Deed::Compaction),
    (
        "backup",
        Deed::Backup {
            is_incremental: false,
        },
    ),
    (
        "incremental-backup",
        Deed::Backup {
            is_incremental: true,
        },
    ),
    ("restore-point", Deed::RestorePoint),
    ("threads", Deed::Threads),
    ("close", Deed::Close),
];

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Deed::Step(step) = &self.deed {
            return write!(f, "{} {}", self.client, step_text(step));
        }
        let word = WORDS.iter().find(|(_, deed)| *deed == self.deed);
        let word = word.map_or("", |(word, _)| word);
        write!(f, "{} {word}", self.client)
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.to_string()
    }
}

impl TryFrom<String> for Line {
    type Error = LineError;

    fn try_from(text: String) -> Result<Self, LineError> {
        let read = || {
            let (client, what) = text.split_once(' ')?;
            let client = client.parse().ok()?;
            if what.starts_with(['{', '"']) {
                let step = serde_json::from_str(what).ok()?;
                return Some(Self::new(client, Deed::Step(step)));
            }
            let known = WORDS.iter().find(|(word, _)| *word == what);
            known.map(|(_, deed)| Self::new(client, deed.clone()))
        };
        read().ok_or_else(|| LineError(text.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{RowKey, TableId};

    fn put(client: u16, key: &str) -> Line {
        let row = RowKey::new(TableId(0), key.as_bytes());
        let (len, payload) = (7, 0);
        Line::new(client, Deed::Step(Step::Put { row, len, payload }))
    }

    fn overlapping() -> Script {
        let commit = Deed::Commit(Durability::Sync);
        Script {
            lines: vec![
                Line::new(0, Deed::Begin),
                Line::new(1, Deed::Begin),
                put(0, "a"),
                put(1, "b c"),
                Line::new(0, Deed::Checkpoint),
                Line::new(1, commit.clone()),
                Line::new(0, commit),
                Line::close(),
            ],
        }
    }

    #[test]
    fn lines_read_back_from_their_texts() {
        let script = overlapping();
        let text = serde_json::to_string(&script).unwrap();
        assert_eq!(serde_json::from_str::<Script>(&text).unwrap(), script);
        for wrong in ["", "0", "0 ", "x begin", "0 begins", "0 {}", "0 \"Step\""] {
            assert!(Line::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_transaction_is_one_unit_whatever_comes_between() {
        let script = overlapping();
        let units = script.units();
        assert_eq!(units, [vec![0, 2, 6], vec![1, 3, 5], vec![4], vec![7]]);
        assert_eq!(script.operations(), 6);
        let one = script.by_one_client();
        assert_eq!(one.clients(), 1);
        assert_eq!(
            one.units(),
            [vec![0], vec![1, 2, 3], vec![4, 5, 6], vec![7]]
        );
    }
}
