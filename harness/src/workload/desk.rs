//! Where a client meets a target: every call is noted in the history and marked in the trace.
//!
//! Other threads may run before each call and between a commit and its answer. A request is noted before the target hears of it, an
//! acknowledgement perhaps long after it was given: early and late, never the reverse.

use std::collections::BTreeMap;

use lightning_db::sync::pause;

use super::act::{Act, Own, changes};
use super::open::OpenTransaction;
use super::plan::RowRange;
use super::record::Record;
use super::taken::Taken;
use crate::oracle::{
    Change, History, Outcome, Request, RowKey, TableId, Through, Violation, row_text,
    transaction_text, value_text,
};
use crate::scenario::{CheckKind, Chore, Feature};
use crate::target::{Applied, ClientId, Durability, KeyRange, Session, TargetError};
use crate::trace::{Mark, TracePosition, TransactionId};

/// Where marks go.
pub trait Marks {
    /// Notes a mark and returns the moment after it.
    fn mark(&self, mark: Mark) -> TracePosition;
    /// A commit is about to be asked for: all that it is to change.
    fn requested(&self, _request: &Request) {}
}

/// A session with the history of all that is asked of it.
pub struct Desk<'a> {
    /// The target.
    pub session: &'a mut dyn Session,
    /// The trace.
    pub marks: &'a dyn Marks,
    /// What was asked and answered.
    pub record: &'a Record,
    /// Table names, by the place that a row's table has.
    pub tables: &'a [String],
    /// Whether transactions change which tables there are.
    pub changes_tables: bool,
}

impl Desk<'_> {
    pub(super) fn begin(
        &mut self,
        client: ClientId,
        id: TransactionId,
    ) -> Result<OpenTransaction, TargetError> {
        self.record.history().begin(id);
        pause();
        self.session.begin(client)?;
        pause();
        self.record.history().began(id);
        Ok(OpenTransaction::new(id, client))
    }

    /// Reads a row and notes it if the transaction should see another value.
    pub(super) fn get(
        &mut self,
        open: &OpenTransaction,
        row: &RowKey,
    ) -> Result<Option<Vec<u8>>, TargetError> {
        pause();
        let value = self
            .session
            .get(open.client, table_name(self.tables, row.table), &row.key)?;
        self.note_read(Through::Key, open, row, value.as_deref());
        Ok(value)
    }

    /// Reads several rows of one table at once.
    pub(super) fn get_many(
        &mut self,
        open: &OpenTransaction,
        rows: &[RowKey],
    ) -> Result<(), TargetError> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        pause();
        let keys: Vec<&[u8]> = rows.iter().map(|row| &*row.key).collect();
        let table = table_name(self.tables, first.table);
        let values = self.session.get_many(open.client, table, &keys)?;
        if values.len() != rows.len() {
            self.record.accuse(wrong_range(
                open,
                &format!("{} values", rows.len()),
                format!("{} values", values.len()),
            ));
        }
        for (row, value) in rows.iter().zip(&values) {
            self.note_read(Through::Key, open, row, value.as_deref());
        }
        self.record.did(Feature::RangeReads);
        Ok(())
    }

    /// Reads a range, and notes what it should not show, or not in that order.
    pub(super) fn read_range(
        &mut self,
        open: &OpenTransaction,
        range: &RowRange,
    ) -> Result<(), TargetError> {
        pause();
        let mut found: BTreeMap<RowKey, Vec<u8>> = BTreeMap::new();
        let mut out_of_order = None;
        let table = table_name(self.tables, range.table);
        let mut sink = |key: &[u8], value: &[u8]| {
            let row = RowKey::new(range.table, key);
            let is_next = found.keys().next_back().is_none_or(|last| *last < row);
            if !is_next {
                out_of_order = Some(row.clone());
            }
            found.insert(row, value.to_vec());
        };
        self.session
            .range(open.client, table, range.keys(), &mut sink)?;
        if let Some(row) = out_of_order {
            let expected = "each row once, in ascending order of keys";
            let place = row_text(row.table, &row.key);
            let actual = format!("{place} comes twice or too late");
            self.record.accuse(wrong_range(open, expected, actual));
        }
        for row in &range.rows {
            let value = found.remove(row);
            self.note_read(Through::Range, open, row, value.as_deref());
        }
        for (row, value) in found {
            let nobody_wrote = [None];
            let wrong = wrong_read(open, &row, &nobody_wrote, Some(&value));
            self.record.accuse(wrong);
        }
        self.record.did(Feature::RangeReads);
        Ok(())
    }

    /// Notes what was read in a row, and whether the transaction should see another value.
    fn note_read(
        &self,
        through: Through,
        open: &OpenTransaction,
        row: &RowKey,
        value: Option<&[u8]>,
    ) {
        let wrong = {
            let history = self.record.history();
            let expected = expected(&history, open, row);
            let is_right = expected.contains(&value);
            (!is_right).then(|| wrong_read(open, row, &expected, value))
        };
        if let Some(wrong) = wrong {
            self.record.accuse(wrong);
        }
        // A row that came with its table's name was written as another one.
        if !self.changes_tables && matches!(open.own(row), Own::Below(_)) {
            let mut history = self.record.history();
            history.read_through(through, open.id, row, value);
        }
    }

    /// Puts or deletes a row.
    pub(super) fn change(
        &mut self,
        open: &mut OpenTransaction,
        change: Change,
    ) -> Result<(), TargetError> {
        pause();
        let table = table_name(self.tables, change.row.table);
        match &change.value {
            Some(value) => self
                .session
                .put(open.client, table, &change.row.key, value)?,
            None => self.session.delete(open.client, table, &change.row.key)?,
        }
        open.did(change);
        Ok(())
    }

    /// Deletes all rows of a range.
    pub(super) fn delete_range(
        &mut self,
        open: &mut OpenTransaction,
        range: &RowRange,
    ) -> Result<(), TargetError> {
        pause();
        let table = table_name(self.tables, range.table);
        self.session
            .delete_range(open.client, table, range.keys())?;
        let gone = |row: &RowKey| Change {
            row: row.clone(),
            value: None,
        };
        range
            .rows
            .iter()
            .map(gone)
            .for_each(|change| open.did(change));
        self.record.did(Feature::RangeDeletes);
        Ok(())
    }

    /// Sets a savepoint inside those that are set.
    pub(super) fn savepoint(&mut self, open: &mut OpenTransaction) -> Result<(), TargetError> {
        pause();
        self.session.savepoint(open.client)?;
        open.mark();
        Ok(())
    }

    /// Goes back to a savepoint, counted from the outermost.
    pub(super) fn rollback_to(
        &mut self,
        open: &mut OpenTransaction,
        savepoint: usize,
    ) -> Result<(), TargetError> {
        pause();
        self.session.rollback_to(open.client, savepoint)?;
        if open.return_to(savepoint) > 0 {
            self.record.did(Feature::Savepoints);
        }
        Ok(())
    }

    /// Gives up a savepoint and those inside it.
    pub(super) fn release(
        &mut self,
        open: &mut OpenTransaction,
        savepoint: usize,
    ) -> Result<(), TargetError> {
        pause();
        self.session.release(open.client, savepoint)?;
        open.release(savepoint);
        Ok(())
    }

    pub(super) fn commit(
        &mut self,
        open: OpenTransaction,
        durability: Durability,
    ) -> Result<(), TargetError> {
        let (id, client) = (open.id, open.client);
        let operations = self.changes(open.into_operations());
        let at = self.marks.mark(Mark::Request(id));
        let request = Request {
            id,
            durability,
            operations,
            at,
        };
        self.marks.requested(&request);
        self.record.history().request(request);
        pause();
        let answer = self.session.commit(client, durability);
        pause();
        let (outcome, mark) = match &answer {
            Ok(()) => (Outcome::Acknowledged, Mark::Acknowledged(id)),
            Err(error) if error.applied == Applied::No => (Outcome::Refused, Mark::Failed(id)),
            Err(_) => (Outcome::Unknown, Mark::Unknown(id)),
        };
        let at = self.marks.mark(mark);
        self.record.history().answer(id, outcome, at);
        answer
    }

    /// What a transaction's acts come to when its commit is asked for.
    fn changes(&self, acts: Vec<Act>) -> Vec<Change> {
        if self.changes_tables {
            let history = self.record.history();
            let rows = history.rows_after(history.transactions().len());
            return changes(&acts, &rows, self.tables);
        }
        let change = |act| match act {
            Act::Row(change) => Some(change),
            Act::Table(_) => None,
        };
        acts.into_iter().filter_map(change).collect()
    }

    pub(super) fn rollback(&mut self, open: &OpenTransaction) -> Result<(), TargetError> {
        pause();
        self.session.rollback(open.client)
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), TargetError> {
        pause();
        self.marks
            .mark(Mark::Note("checkpoint requested".to_owned()));
        self.session.checkpoint()
    }

    /// Something happened that a verdict must have seen.
    pub(super) fn note(&mut self, feature: Feature) {
        self.record.did(feature);
    }

    /// Has space given back that nothing uses.
    pub(super) fn compact(&mut self) -> Result<(), TargetError> {
        pause();
        self.marks.mark(Mark::Began(Chore::Compaction.name()));
        let had_something_to_do = self.session.compact()?;
        self.marks.mark(Mark::Ended(Chore::Compaction.name()));
        if had_something_to_do {
            self.record.did(Feature::Compactions);
        }
        Ok(())
    }

    /// Takes backup number `number` of this life.
    pub(super) fn backup(&mut self, number: u32, incremental: bool) -> Result<(), TargetError> {
        pause();
        // Sequence numbers grow from life to life.
        let life = self.record.history().next_sequence();
        let name = format!("{life}-{number}");
        let mut chain = self.record.newest_backup();
        if !incremental {
            chain.clear();
        }
        let base = chain.last().cloned();
        chain.push(name.clone());
        let from = self.marks.mark(Mark::Began(Chore::Backup.name()));
        let place = self.record.take_one(Taken {
            chain,
            point: None,
            from,
            to: None,
        });
        self.session.backup(&name, base.as_deref())?;
        pause();
        let to = self.marks.mark(Mark::Ended(Chore::Backup.name()));
        self.record.was_taken(place, to);
        self.record.did(Feature::Backups);
        Ok(())
    }

    /// Has the log archived up to now. Without a backup before it there would be nothing to restore.
    pub(super) fn restore_point(&mut self) -> Result<(), TargetError> {
        let chain = self.record.newest_backup();
        if chain.is_empty() {
            return Ok(());
        }
        pause();
        let from = self.marks.mark(Mark::Began(Chore::RestorePoint.name()));
        let point = self.session.restore_point()?;
        pause();
        let to = self.marks.mark(Mark::Ended(Chore::RestorePoint.name()));
        self.record.take_one(Taken {
            chain,
            point: Some(point),
            from,
            to: Some(to),
        });
        self.record.did(Feature::RestorePoints);
        Ok(())
    }

    /// Whether a row has a value, as the history has it.
    pub(super) fn is_there(&self, row: &RowKey) -> bool {
        let history = self.record.history();
        let count = history.transactions().len();
        history.value_after(count, row).is_some()
    }
}

/// What a transaction may read in a row: its own newest write, or a value that what it sees may have.
fn expected<'a>(
    history: &'a History,
    open: &'a OpenTransaction,
    row: &RowKey,
) -> Vec<Option<&'a [u8]>> {
    match open.own(row) {
        Own::Is(value) => vec![value.map(|value| &**value)],
        Own::Below(row) => history
            .may_read(open.id, &row)
            .into_iter()
            .map(|value| value.map(|value| &**value))
            .collect(),
    }
}

pub(super) fn table_name(tables: &[String], table: TableId) -> &str {
    tables.get(usize::from(table.0)).map_or("", String::as_str)
}

fn wrong_range(open: &OpenTransaction, expected: &str, actual: String) -> Violation {
    let reader = transaction_text(open.id);
    let expected = format!("{reader} reads {expected}");
    Violation::new(CheckKind::Durability, "wrong-range", expected, actual)
}

fn wrong_read(
    open: &OpenTransaction,
    row: &RowKey,
    expected: &[Option<&[u8]>],
    actual: Option<&[u8]>,
) -> Violation {
    let place = row_text(row.table, &row.key);
    let reader = transaction_text(open.id);
    let expected: Vec<_> = expected
        .iter()
        .map(|value| value_text(row.table, &row.key, *value))
        .collect();
    let expected = expected.join(" or ");
    let actual = value_text(row.table, &row.key, actual);
    Violation::new(
        CheckKind::Durability,
        "wrong-read",
        format!("{reader} reads {expected} in {place}"),
        actual,
    )
}

impl RowRange {
    fn keys(&self) -> KeyRange<'_> {
        KeyRange {
            from: &self.from,
            to: &self.to,
        }
    }
}
