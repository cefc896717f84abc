//! Histories of lists that are added to. `x 0.1 1.1` is row `x` with what transaction 1 of client 0 added, and then that of client 1;
//! `0.1:1` is the second thing that the first one added.

use std::collections::BTreeMap;

use super::story::{observed, promises, row, verdict};
use crate::oracle::{
    Change, CrashKinds, Element, History, Judgement, Obligations, Outcome, Request, RowKey, RowMap,
    RowValue, Stamp, Through, transaction_id,
};
use crate::target::{CrashKind, Durability, Isolation};
use crate::trace::{TracePosition, TransactionId};

/// A history in the making.
#[derive(Clone, Default)]
pub(super) struct Lists {
    pub(super) history: History,
    moment: u64,
    sequences: BTreeMap<u16, u32>,
    changes: BTreeMap<u16, Vec<Change>>,
}

pub(super) fn list(row: &RowKey, elements: &[Element]) -> Option<RowValue> {
    let newest = elements.last()?;
    let stamp = Stamp {
        transaction: newest.transaction,
        operation: newest.operation,
        payload: 0,
    };
    Some(stamp.write_list(row.table, &row.key, elements).into())
}

fn parsed(text: &str) -> (RowKey, Vec<Element>) {
    let mut words = text.split_whitespace();
    let row = row(words.next().unwrap());
    let element = |word: &str| {
        let (name, operation) = word.split_once(':').unwrap_or((word, "0"));
        let (client, sequence) = name.split_once('.').unwrap();
        Element {
            transaction: transaction_id(client.parse().unwrap(), sequence.parse().unwrap()),
            operation: operation.parse().unwrap(),
        }
    };
    (row, words.map(element).collect())
}

fn rows(end: &str) -> RowMap {
    let texts = end.split('|').filter(|text| !text.trim().is_empty());
    let rows = texts.map(parsed);
    rows.filter_map(|(row, elements)| {
        let value = list(&row, &elements)?;
        Some((row, value))
    })
    .collect()
}

impl Lists {
    pub(super) fn new() -> Self {
        Self {
            history: History::new(),
            ..Self::default()
        }
    }

    pub(super) fn id(&self, client: u16) -> TransactionId {
        transaction_id(client, self.sequences.get(&client).copied().unwrap_or(0))
    }

    fn at(&mut self) -> TracePosition {
        self.moment += 1;
        TracePosition(self.moment)
    }

    pub(super) fn begin(&mut self, client: u16) {
        *self.sequences.entry(client).or_default() += 1;
        self.changes.insert(client, Vec::new());
        let id = self.id(client);
        self.history.begin(id);
        self.history.began(id);
    }

    pub(super) fn sees(&mut self, client: u16, text: &str) {
        let (row, elements) = parsed(text);
        self.sees_list(client, &row, &elements);
    }

    pub(super) fn sees_list(&mut self, client: u16, row: &RowKey, elements: &[Element]) {
        let (id, value) = (self.id(client), list(row, elements));
        self.history
            .read_through(Through::Key, id, row, value.as_deref());
    }

    /// Sees a list without its last element, which it adds.
    pub(super) fn appends(&mut self, client: u16, text: &str) {
        let (row, elements) = parsed(text);
        self.appends_list(client, &row, &elements);
    }

    pub(super) fn appends_list(&mut self, client: u16, row: &RowKey, elements: &[Element]) {
        let changes = &self.changes[&client];
        if !changes.iter().any(|change| change.row == *row) {
            self.sees_list(client, row, &elements[..elements.len() - 1]);
        }
        let (row, value) = (row.clone(), list(row, elements));
        let changes = self.changes.entry(client).or_default();
        changes.push(Change { row, value });
    }

    pub(super) fn ask(&mut self, client: u16) {
        let (id, at) = (self.id(client), self.at());
        let operations = self.changes.remove(&client).unwrap_or_default();
        self.history.request(Request {
            id,
            durability: Durability::Sync,
            operations,
            at,
        });
    }

    pub(super) fn answer(&mut self, client: u16, outcome: Outcome) {
        let (id, at) = (self.id(client), self.at());
        self.history.answer(id, outcome, at);
    }

    pub(super) fn acknowledge(&mut self, client: u16) {
        self.answer(client, Outcome::Acknowledged);
    }

    pub(super) fn commit(&mut self, client: u16) {
        self.ask(client);
        self.acknowledge(client);
    }

    fn judge(&self, promised: Isolation, end: &str) -> Judgement {
        self.history
            .anomalies(promised, Some(&observed(&rows(end))))
    }

    pub(super) fn anomaly(&self, promised: Isolation, end: &str) -> String {
        verdict(self.judge(promised, end))
    }

    pub(super) fn anomaly_after(&self, promised: Isolation, end: &RowMap) -> String {
        let (at, kinds) = (
            TracePosition(self.moment),
            CrashKinds::one(CrashKind::Power),
        );
        let obligations = Obligations::new(&self.history, &promises(), at, kinds);
        let end = observed(end);
        verdict(self.history.anomalies_after(promised, &obligations, &end))
    }

    pub(super) fn evidence(&self, promised: Isolation, end: &str) -> String {
        match self.judge(promised, end) {
            Judgement::Illegal(violations) => violations[0].actual.clone(),
            Judgement::Legal | Judgement::Undecided => String::new(),
        }
    }
}
