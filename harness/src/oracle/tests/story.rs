//! Histories written down as what clients do, and states as rows with their writers.
//!
//! Changes are `x` for a put and `-x` for a delete. A state is `x@0.2 s0@0.2`: row `x` has the value that the second transaction of
//! client 0 put. `s0` is the sequence row of client 0, which each of its transactions writes last. `x@base` is a row that was
//! there in the beginning.

use std::fmt::Write as _;

use crate::oracle::{
    Change, CrashKinds, History, Judgement, Obligations, Observed, Outcome, Request, RowKey,
    RowMap, RowValue, Stamp, TableId, Through, Violation, client_and_sequence, transaction_id,
};
use crate::target::{CrashKind, Durability, Isolation, Promise, Promises};
use crate::trace::{Event, Mark, TracePosition, TransactionId};

pub(super) const TABLE: TableId = TableId(0);

/// The promises that Lightning DB makes.
pub(super) fn promises() -> Promises {
    Promises::none()
        .with(Durability::Sync, Promise::Durable, Promise::Durable)
        .with(Durability::Buffered, Promise::Durable, Promise::Prefix)
        .with(Durability::None, Promise::Prefix, Promise::Prefix)
}

pub(super) fn row(name: &str) -> RowKey {
    RowKey::new(TABLE, name.as_bytes())
}

pub(super) fn value(id: TransactionId, row: &RowKey) -> RowValue {
    let stamp = Stamp {
        transaction: id,
        operation: 0,
        payload: 0,
    };
    stamp.write(row.table, &row.key, 0).into()
}

/// The name of what a client did before the history begins.
fn past() -> TransactionId {
    transaction_id(0, 0)
}

/// Observed rows, from a map.
pub(super) fn observed(rows: &RowMap) -> Observed {
    let mut observed = Observed::default();
    for (row, value) in rows {
        observed.push(row.table, &row.key, value);
    }
    observed
}

/// What is wrong with a state; it must be decided.
pub(super) fn violations(
    obligations: &Obligations,
    history: &History,
    observed: &Observed,
) -> Vec<Violation> {
    match obligations.judge(history, observed) {
        Judgement::Legal => Vec::new(),
        Judgement::Illegal(violations) => {
            assert!(!violations.is_empty(), "illegal, and nothing is wrong");
            violations
        }
        Judgement::Undecided => panic!("undecided"),
    }
}

/// Rows by their writers.
pub(super) fn rows(state: &str) -> RowMap {
    let rows = state.split_whitespace().map(|text| {
        let (name, writer) = text.split_once('@').unwrap();
        let id = writer.split_once('.').map(|(client, sequence)| {
            transaction_id(client.parse().unwrap(), sequence.parse().unwrap())
        });
        let row = row(name);
        let value = value(id.unwrap_or(past()), &row);
        (row, value)
    });
    rows.collect()
}

/// The fingerprint of a verdict.
pub(super) fn verdict(judgement: Judgement) -> String {
    match judgement {
        Judgement::Legal => "legal".to_owned(),
        Judgement::Illegal(violations) => violations[0].fingerprint(),
        Judgement::Undecided => "undecided".to_owned(),
    }
}

/// A history in the making.
pub(super) struct Story {
    pub(super) history: History,
    events: u64,
    sequences: [u32; 16],
    open: [bool; 16],
    promises: Promises,
    kind: CrashKind,
}

impl Story {
    pub(super) fn new() -> Self {
        Self::of(History::new())
    }

    /// After a recovery that showed these rows.
    pub(super) fn after(rows: &str) -> Self {
        let base = rows.split_whitespace().map(|name| {
            let row = row(name);
            let value = value(past(), &row);
            (row, value)
        });
        Self::of(History::continued(base.collect(), 1))
    }

    fn of(history: History) -> Self {
        Self {
            history,
            events: 0,
            sequences: [0; 16],
            open: [false; 16],
            promises: promises(),
            kind: CrashKind::Power,
        }
    }

    #[must_use]
    pub(super) fn promising(mut self, promises: Promises) -> Self {
        self.promises = promises;
        self
    }

    /// Crashes from now on are of this kind.
    pub(super) fn crashing_by(mut self, kind: CrashKind) -> Self {
        self.kind = kind;
        self
    }

    /// The process ends now, and the next one shows these rows.
    pub(super) fn reopened(self, state: &str) -> Self {
        let (first, at) = (self.history.next_sequence(), TracePosition(self.events));
        let history = History::continued(rows(state), first).in_doubt_since(&self.history, at);
        Self {
            history,
            events: 0,
            sequences: [first - 1; 16],
            ..self
        }
    }

    fn at(&mut self) -> TracePosition {
        self.events += 1;
        TracePosition(self.events)
    }

    fn name(&self, client: u16) -> TransactionId {
        transaction_id(client, self.sequences[usize::from(client)])
    }

    /// A client begins its next transaction.
    pub(super) fn begin(&mut self, client: u16) {
        let place = usize::from(client);
        self.sequences[place] += 1;
        self.open[place] = true;
        let id = self.name(client);
        self.history.begin(id);
        self.history.began(id);
    }

    /// A client's transaction reads rows, given as a state, `-x` for a row that is not there.
    pub(super) fn read(&mut self, client: u16, state: &str) {
        let id = self.name(client);
        for text in state.split_whitespace() {
            match text.strip_prefix('-') {
                Some(name) => self.history.read(id, &row(name), None),
                None => rows(text)
                    .iter()
                    .for_each(|(row, value)| self.history.read(id, row, Some(value))),
            }
        }
    }

    /// The same as one range.
    pub(super) fn read_range(&mut self, client: u16, state: &str) {
        let id = self.name(client);
        for text in state.split_whitespace() {
            let name = text.strip_prefix('-').unwrap_or(text);
            let row = row(name.split('@').next().unwrap());
            let seen = rows(if text.starts_with('-') { "" } else { text });
            let value = seen.get(&row).map(|value| &**value);
            self.history.read_through(Through::Range, id, &row, value);
        }
    }

    /// The fingerprint of what is wrong with what was read, the last rows among it.
    pub(super) fn isolation(&self, promised: Isolation, end: &str) -> String {
        let end = observed(&rows(end));
        verdict(self.history.isolation(promised, Some(&end)))
    }

    /// The fingerprint of what the dependencies among all that were read and written say.
    pub(super) fn anomaly(&self, promised: Isolation, end: &str) -> String {
        let end = observed(&rows(end));
        verdict(self.history.anomalies(promised, Some(&end)))
    }

    /// The same after a crash now that left these rows.
    pub(super) fn anomaly_after(&self, promised: Isolation, end: &str) -> String {
        let (at, kinds) = (TracePosition(self.events), CrashKinds::one(self.kind));
        let obligations = Obligations::new(&self.history, &self.promises, at, kinds);
        let end = observed(&rows(end));
        verdict(self.history.anomalies_after(promised, &obligations, &end))
    }

    /// A client asks for the commit of its next transaction.
    pub(super) fn ask_for(&mut self, client: u16, durability: Durability, changes: &str) {
        let place = usize::from(client);
        if !std::mem::take(&mut self.open[place]) {
            self.sequences[place] += 1;
        }
        let id = self.name(client);
        let sequence = format!("s{client}");
        let names = changes.split_whitespace().chain([sequence.as_str()]);
        let operations = names.map(|name| match name.strip_prefix('-') {
            Some(name) => Change {
                row: row(name),
                value: None,
            },
            None => Change {
                row: row(name),
                value: Some(value(id, &row(name))),
            },
        });
        let at = self.at();
        self.history.request(Request {
            id,
            durability,
            operations: operations.collect(),
            at,
        });
    }

    pub(super) fn ask(&mut self, client: u16, changes: &str) {
        self.ask_for(client, Durability::Sync, changes);
    }

    /// The client's transaction is answered.
    pub(super) fn answer(&mut self, client: u16, outcome: Outcome) {
        let (id, at) = (self.name(client), self.at());
        self.history.answer(id, outcome, at);
    }

    pub(super) fn acknowledge(&mut self, client: u16) {
        self.answer(client, Outcome::Acknowledged);
    }

    /// A client's next transaction is asked for and acknowledged.
    pub(super) fn commit(&mut self, client: u16, changes: &str) {
        self.commit_with(client, Durability::Sync, changes);
    }

    pub(super) fn commit_with(&mut self, client: u16, durability: Durability, changes: &str) {
        self.ask_for(client, durability, changes);
        self.acknowledge(client);
    }

    /// What is wrong with a state after a crash now.
    pub(super) fn judge(&self, state: &str) -> Vec<Violation> {
        self.judge_rows(&rows(state))
    }

    pub(super) fn judge_rows(&self, rows: &RowMap) -> Vec<Violation> {
        let (at, kinds) = (TracePosition(self.events), CrashKinds::one(self.kind));
        let obligations = Obligations::new(&self.history, &self.promises, at, kinds);
        violations(&obligations, &self.history, &observed(rows))
    }

    #[track_caller]
    pub(super) fn legal(&self, state: &str) {
        let violations = self.judge(state);
        assert!(violations.is_empty(), "{state}: {violations:#?}");
    }

    /// The state breaks exactly these checks, in any order.
    #[track_caller]
    pub(super) fn illegal(&self, state: &str, fingerprints: &[&str]) {
        let violations = self.judge(state);
        let mut found: Vec<_> = violations.iter().map(Violation::fingerprint).collect();
        found.sort();
        let mut expected = fingerprints.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{state}: {violations:#?}");
    }
}

/// A history for readers, in the words of the module's header.
pub(super) fn history_text(history: &History) -> String {
    let mut text = format!("begins with {}\n", state_text(history.base()));
    for transaction in history.transactions() {
        let (client, sequence) = client_and_sequence(transaction.id);
        let changes = transaction.changes.iter().map(|change| {
            let sign = if change.value.is_some() { " " } else { " -" };
            format!("{sign}{}", change.row.key.escape_ascii())
        });
        let _ = writeln!(
            text,
            "{client}.{sequence}:{} {} requested {} visible from {} {:?} {}",
            changes.collect::<String>(),
            transaction.durability,
            transaction.requested.0,
            transaction.visible_from.0,
            transaction.outcome,
            transaction.answered.0,
        );
    }
    text
}

/// A state for readers.
pub(super) fn state_text(rows: &RowMap) -> String {
    let row = |(row, value): (&RowKey, &RowValue)| {
        let writer = Stamp::read(row.table, &row.key, value).unwrap().transaction;
        let (client, sequence) = client_and_sequence(writer);
        format!("{}@{client}.{sequence} ", row.key.escape_ascii())
    };
    rows.iter().map(row).collect()
}

/// An event that is no operation.
pub(super) fn mark() -> Event {
    Event::Mark(Mark::Note(String::new()))
}
