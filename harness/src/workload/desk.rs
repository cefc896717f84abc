//! Where a client meets a target: every call is noted in the history and marked in the trace.
//!
//! Other threads may run before each call and between a commit and its answer. A request is noted before the target hears of it, an
//! acknowledgement perhaps long after it was given: early and late, never the reverse.

use lightning_db::sync::pause;

use super::record::Record;
use crate::oracle::{
    Change, History, Outcome, Request, RowKey, Violation, row_text, transaction_text, value_text,
};
use crate::scenario::CheckKind;
use crate::target::{Applied, ClientId, Durability, Session, TargetError};
use crate::trace::{Mark, TracePosition, TransactionId};

/// Where marks go.
pub trait Marks {
    /// Notes a mark and returns the moment after it.
    fn mark(&self, mark: Mark) -> TracePosition;
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
}

/// A transaction that a client has open.
#[derive(Clone, Debug)]
pub(super) struct OpenTransaction {
    pub(super) id: TransactionId,
    pub(super) client: ClientId,
    /// Its writes so far, in order.
    pub(super) operations: Vec<Change>,
}

impl OpenTransaction {
    fn wrote(&self, row: &RowKey) -> bool {
        self.operations.iter().any(|change| change.row == *row)
    }
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
        Ok(OpenTransaction {
            id,
            client,
            operations: Vec::new(),
        })
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
            .get(open.client, table_name(self.tables, row), &row.key)?;
        let wrong = {
            let history = self.record.history();
            let expected = expected(&history, open, row);
            let is_right = expected.contains(&value.as_deref());
            (!is_right).then(|| wrong_read(open, row, &expected, value.as_deref()))
        };
        if let Some(wrong) = wrong {
            self.record.accuse(wrong);
        }
        if !open.wrote(row) {
            self.record.history().read(open.id, row, value.as_deref());
        }
        Ok(value)
    }

    /// Puts or deletes a row.
    pub(super) fn change(
        &mut self,
        open: &mut OpenTransaction,
        change: Change,
    ) -> Result<(), TargetError> {
        pause();
        let table = table_name(self.tables, &change.row);
        match &change.value {
            Some(value) => self
                .session
                .put(open.client, table, &change.row.key, value)?,
            None => self.session.delete(open.client, table, &change.row.key)?,
        }
        open.operations.push(change);
        Ok(())
    }

    pub(super) fn commit(
        &mut self,
        open: OpenTransaction,
        durability: Durability,
    ) -> Result<(), TargetError> {
        let OpenTransaction {
            id,
            client,
            operations,
        } = open;
        let at = self.marks.mark(Mark::Request(id));
        self.record.history().request(Request {
            id,
            durability,
            operations,
            at,
        });
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
    let own = open.operations.iter().rev();
    match own.into_iter().find(|change| change.row == *row) {
        Some(own) => vec![own.value.as_deref()],
        None => history
            .may_read(open.id, row)
            .into_iter()
            .map(|value| value.map(|value| &**value))
            .collect(),
    }
}

fn table_name<'t>(tables: &'t [String], row: &RowKey) -> &'t str {
    tables
        .get(usize::from(row.table.0))
        .map_or("", String::as_str)
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
