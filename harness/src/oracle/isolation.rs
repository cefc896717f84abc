//! Whether what transactions read while nothing was broken can come from states of the database, one for each.
//!
//! 1. A transaction has two points: it sees the state at the one, and changes it at the other. The first is between the two moments of its
//!    begin, the second between its request and its answer. Where transactions are promised to be serializable the two are one,
//!    between begin and answer.
//! 2. What a transaction read from another says that this one's commit comes before its view, and that no other commit that writes
//!    the row is between them. Of two that put the same row one was committed before the other's view, or the first is lost.
//! 3. A legal history has an order of all points. No claim is made where several deletes may be what a reader saw, or where a delete
//!    may have come between two puts: a delete of what is not there is no write.

use std::collections::{BTreeMap, BTreeSet};

use super::history::History;
use super::judge::Judgement;
use super::observed::Observed;
use super::reads::{Read, Source, Through};
use super::rows::RowKey;
use super::sequence::{Choice, Edge, Found, Link, Search, Span};
use super::transaction::{Outcome, Transaction};
use super::violation::{Violation, row_text, transaction_text};
use crate::scenario::CheckKind;
use crate::target::Isolation;
use crate::trace::TransactionId;

impl History {
    /// Whether what was read agrees with the promise, and with the rows at the end, if they were observed.
    pub fn isolation(&self, promised: Isolation, end: Option<&Observed>) -> Judgement {
        let mut reads = self.reads().to_vec();
        reads.extend(end.into_iter().flat_map(|end| self.last_reads(end)));
        let dirty: Vec<_> = reads.iter().filter_map(|read| self.dirty(read)).collect();
        if !dirty.is_empty() {
            return Judgement::Illegal(dirty);
        }
        let mut graph = Graph::new(self, promised, &reads);
        for read in &reads {
            graph.read(read);
        }
        graph.lost_updates();
        graph.judge()
    }

    /// How many transactions began while another one was open.
    pub fn concurrent(&self) -> usize {
        let span = |one: &Transaction| (self.view(one.id).from, one.answered_moment.0);
        let mut spans: Vec<_> = self.transactions().iter().map(span).collect();
        spans.sort_unstable();
        let mut end = 0;
        let mut began_within = |&(from, to): &(u64, u64)| {
            let within = from < end;
            end = end.max(to);
            within
        };
        spans.iter().filter(|span| began_within(span)).count()
    }

    /// What an observer of the last rows reads.
    pub(super) fn last_reads(&self, end: &Observed) -> Vec<Read> {
        let rows = end.to_map();
        let read = |row: &RowKey| {
            let value = rows.get(row);
            let source = self.source(row, value.map(|value| &**value))?;
            Some(Read {
                reader: None,
                row: row.clone(),
                source,
                value: value.cloned(),
                through: Through::Key,
            })
        };
        let all: BTreeSet<_> = self.known_rows().chain(rows.keys()).collect();
        all.into_iter().filter_map(read).collect()
    }

    /// Someone read what was refused, or never to be committed.
    fn dirty(&self, read: &Read) -> Option<Violation> {
        let Source::Transaction(writer) = read.source else {
            return None;
        };
        let puts = |writer: &Transaction| {
            let mut changes = writer.changes.iter();
            changes.any(|change| change.row == read.row && change.value.is_some())
        };
        let why = match self.find(writer) {
            None => "its commit was never requested",
            Some(_) if read.reader == Some(writer) => "it is not the reader's to see yet",
            Some(writer) if writer.outcome == Outcome::Refused => "its commit was refused",
            Some(writer) if !puts(writer) => "it left none there",
            Some(_) => return None,
        };
        let (reader, writer) = (reader_text(read.reader), transaction_text(writer));
        Some(Violation::new(
            CheckKind::Isolation,
            "dirty-read",
            format!("nobody sees a value of {writer}: {why}"),
            format!(
                "{reader} sees it in {}",
                row_text(read.row.table, &read.row.key)
            ),
        ))
    }
}

fn reader_text(reader: Option<TransactionId>) -> String {
    reader.map_or_else(|| "whoever looked last".to_owned(), transaction_text)
}

/// One of the two points of a transaction, or the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    View(Option<TransactionId>),
    Commit(TransactionId),
}

/// Why a point comes before another.
#[derive(Clone, Copy, Debug)]
enum Why<'h> {
    /// A reader saw the row as the source left it.
    Read(&'h Read),
    /// Two wrote the same row.
    BothWrote(&'h RowKey),
}

/// The points of a history.
struct Graph<'h> {
    history: &'h History,
    points: Vec<Point>,
    spans: Vec<Span>,
    commits: BTreeMap<TransactionId, usize>,
    views: BTreeMap<Option<TransactionId>, usize>,
    /// Who wrote a row and was committed, and whether they deleted it.
    writers: BTreeMap<&'h RowKey, Vec<(TransactionId, bool)>>,
    /// Rows that a transaction deleted of which nobody knows whether it was committed.
    perhaps_deleted: BTreeSet<&'h RowKey>,
    whys: Vec<Why<'h>>,
    edges: Vec<Edge>,
    choices: Vec<Choice>,
    promised: Isolation,
}

impl<'h> Graph<'h> {
    fn new(history: &'h History, promised: Isolation, reads: &[Read]) -> Self {
        let mut graph = Self {
            history,
            points: Vec::new(),
            spans: Vec::new(),
            commits: BTreeMap::new(),
            views: BTreeMap::new(),
            writers: BTreeMap::new(),
            perhaps_deleted: BTreeSet::new(),
            whys: Vec::new(),
            edges: Vec::new(),
            choices: Vec::new(),
            promised,
        };
        let seen: BTreeSet<_> = reads.iter().filter_map(Read::writer).collect();
        for transaction in history.transactions() {
            let is_committed = transaction.outcome == Outcome::Acknowledged;
            if is_committed || seen.contains(&transaction.id) {
                graph.add_committed(transaction);
            } else if transaction.outcome != Outcome::Refused {
                let deletes = transaction
                    .changes
                    .iter()
                    .filter(|change| change.value.is_none());
                graph
                    .perhaps_deleted
                    .extend(deletes.map(|change| &change.row));
            }
        }
        for read in reads {
            if !graph.views.contains_key(&read.reader) {
                let span = read.reader.map_or(Span::END, |reader| history.view(reader));
                let point = graph.add(Point::View(read.reader), span);
                graph.views.insert(read.reader, point);
            }
        }
        graph
    }

    fn add(&mut self, point: Point, span: Span) -> usize {
        self.points.push(point);
        self.spans.push(span);
        self.points.len() - 1
    }

    fn add_committed(&mut self, transaction: &'h Transaction) {
        let id = transaction.id;
        let view = self.history.view(id);
        let (from, to) = (
            transaction.requested_moment.0,
            transaction.answered_moment.0,
        );
        let commit = match self.promised {
            Isolation::Serializable => {
                let from = view.from;
                self.add(Point::Commit(id), Span { from, to })
            }
            Isolation::Snapshot => self.add(Point::Commit(id), Span { from, to }),
        };
        let view = match self.promised {
            Isolation::Serializable => commit,
            Isolation::Snapshot => self.add(Point::View(Some(id)), view),
        };
        self.commits.insert(id, commit);
        self.views.insert(Some(id), view);
        for change in &transaction.changes {
            let writers = self.writers.entry(&change.row).or_default();
            writers.push((id, change.value.is_none()));
        }
    }

    /// All committed writers of a row but one, with their commits.
    fn others(&self, row: &RowKey, but: Option<TransactionId>) -> Vec<(usize, bool)> {
        let writers = self.writers.get(row).map_or(&[][..], Vec::as_slice);
        let others = writers.iter().filter(|&&(id, _)| Some(id) != but);
        others
            .map(|&(id, deletes)| (self.commits[&id], deletes))
            .collect()
    }

    /// What a read says.
    fn read(&mut self, read: &'h Read) {
        let view = self.views[&read.reader];
        let others = self.others(&read.row, read.reader);
        self.whys.push(Why::Read(read));
        match read.source {
            Source::Transaction(writer) => {
                let source = self.commits.get(&writer).copied();
                self.read_from(view, source, &others);
            }
            Source::Base => self.read_from(view, None, &others),
            Source::Nothing if self.perhaps_deleted.contains(&read.row) => {}
            Source::Nothing => match self.nothing_from(view, &others, read).as_slice() {
                [] => self.read_from(view, None, &others),
                [one] => self.read_from(view, *one, &others),
                _ => {}
            },
        }
    }

    /// What may have left no row before a view: deletes, or nothing since the beginning.
    fn nothing_from(
        &self,
        view: usize,
        others: &[(usize, bool)],
        read: &Read,
    ) -> Vec<Option<usize>> {
        let before = |a: usize, b: usize| self.spans[a].precedes(self.spans[b]);
        let is_covered = |commit: usize| {
            let mut others = others.iter();
            others.any(|&(other, _)| before(commit, other) && before(other, view))
        };
        let deletes = others
            .iter()
            .filter(|&&(commit, deletes)| deletes && !before(view, commit) && !is_covered(commit));
        let mut sources: Vec<_> = deletes.map(|&(commit, _)| Some(commit)).collect();
        let never_there = !self.history.base().contains_key(&read.row)
            && !others.iter().any(|&(other, _)| before(other, view));
        sources.extend(never_there.then_some(None));
        sources
    }

    /// A view comes after the commit that it shows, and no other one comes between them.
    fn read_from(&mut self, view: usize, source: Option<usize>, others: &[(usize, bool)]) {
        if let Some(source) = source {
            self.one_of(&[(source, view)]);
        }
        for &(other, _) in others.iter().filter(|&&(other, _)| Some(other) != source) {
            match source {
                Some(source) => self.one_of(&[(view, other), (other, source)]),
                None => self.one_of(&[(view, other)]),
            }
        }
    }

    /// Of two that put the same row, the later one has seen the earlier. A delete between them may have made room for the later.
    fn lost_updates(&mut self) {
        if self.promised == Isolation::Serializable {
            return;
        }
        for (row, writers) in self.writers.clone() {
            if self.perhaps_deleted.contains(row) {
                continue;
            }
            self.whys.push(Why::BothWrote(row));
            let (deletes, puts): (Vec<_>, Vec<_>) = writers.into_iter().partition(|one| one.1);
            for (place, &(first, _)) in puts.iter().enumerate() {
                for &(second, _) in &puts[place + 1..] {
                    if !deletes
                        .iter()
                        .any(|&(delete, _)| self.is_between(delete, first, second))
                    {
                        let saw = |first, second| (self.commits[&first], self.views[&Some(second)]);
                        self.one_of(&[saw(first, second), saw(second, first)]);
                    }
                }
            }
        }
    }

    /// Whether a commit may come between two others.
    fn is_between(&self, one: TransactionId, first: TransactionId, second: TransactionId) -> bool {
        let span = |id| self.spans[self.commits[&id]];
        let (one, first, second) = (span(one), span(first), span(second));
        let before = one.precedes(first) && one.precedes(second);
        let after = first.precedes(one) && second.precedes(one);
        !before && !after
    }

    /// For the reason noted last, one of these comes before the other.
    fn one_of(&mut self, edges: &[(usize, usize)]) {
        let before = |a: usize, b: usize| self.spans[a].precedes(self.spans[b]);
        if edges.iter().any(|&(a, b)| a == b || before(a, b)) {
            return;
        }
        let why = self.whys.len() - 1;
        let edge = |&(before, after): &(usize, usize)| Edge { before, after, why };
        let possible: Vec<_> = edges
            .iter()
            .filter(|&&(a, b)| !before(b, a))
            .map(edge)
            .collect();
        match possible.as_slice() {
            // One that can't be, so that the circle is shown.
            [] => self.edges.extend(edges.first().map(edge)),
            [one] => self.edges.push(*one),
            some => self
                .choices
                .push(some.iter().map(|edge| vec![*edge]).collect()),
        }
    }

    fn judge(&self) -> Judgement {
        let mut there: Vec<_> = (0..self.points.len()).collect();
        there.sort_by_key(|&point| self.spans[point].to);
        let mut search = Search::default();
        match search.arrange(&self.spans, &there, &self.edges, &self.choices) {
            Found::Yes => Judgement::Legal,
            Found::GaveUp => Judgement::Undecided,
            Found::No => {
                let circle = search.circle.unwrap_or_default();
                Judgement::Illegal(vec![self.violation(&circle)])
            }
        }
    }

    fn violation(&self, circle: &[Link]) -> Violation {
        let both_wrote = |link: &Link| match link {
            Link::Edge(edge) => matches!(self.whys[edge.why], Why::BothWrote(_)),
            Link::RealTime { .. } => false,
        };
        let (shape, expected) = match self.promised {
            Isolation::Snapshot if circle.iter().any(both_wrote) => (
                "lost-update",
                "of two transactions that put the same row, one began after the other was committed",
            ),
            Isolation::Snapshot => (
                "not-one-snapshot",
                "each transaction sees one state of the database",
            ),
            Isolation::Serializable => (
                "not-serializable",
                "transactions that could have been done one after the other",
            ),
        };
        let steps: Vec<_> = circle.iter().map(|link| self.link(link)).collect();
        let actual = format!("a circle: {}", steps.join("; "));
        Violation::new(CheckKind::Isolation, shape, expected, actual)
    }

    fn link(&self, link: &Link) -> String {
        match *link {
            Link::RealTime { before, after } => {
                format!(
                    "{} ended before {} began",
                    self.name(before),
                    self.name(after)
                )
            }
            Link::Edge(Edge { before, after, why }) => {
                let (before, after) = (self.name(before), self.name(after));
                format!("{before} came before {after}, as {}", self.whys[why].text())
            }
        }
    }

    fn name(&self, point: usize) -> String {
        match (self.points[point], self.promised) {
            (Point::View(reader), _) => format!("the view of {}", reader_text(reader)),
            (Point::Commit(id), Isolation::Snapshot) => {
                format!("the commit of {}", transaction_text(id))
            }
            (Point::Commit(id), Isolation::Serializable) => transaction_text(id),
        }
    }
}

impl Why<'_> {
    fn text(self) -> String {
        match self {
            Self::Read(read) => {
                let place = row_text(read.row.table, &read.row.key);
                let reader = reader_text(read.reader);
                match read.source {
                    Source::Nothing => format!("{reader} saw no row in {place}"),
                    Source::Base => format!("{reader} saw {place} as it was in the beginning"),
                    Source::Transaction(writer) => {
                        format!(
                            "{reader} saw in {place} what {} put",
                            transaction_text(writer)
                        )
                    }
                }
            }
            Self::BothWrote(row) => format!("both put {}", row_text(row.table, &row.key)),
        }
    }
}

impl Read {
    fn writer(&self) -> Option<TransactionId> {
        match self.source {
            Source::Transaction(writer) => Some(writer),
            Source::Nothing | Source::Base => None,
        }
    }
}
