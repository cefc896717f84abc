//! Where a client meets a target: every call is noted in the history and marked in the trace.

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
    pub history: &'a mut History,
    /// Table names, by the place that a row's table has.
    pub tables: &'a [String],
    /// What was wrong while nothing was broken.
    pub violations: &'a mut Vec<Violation>,
}

/// A transaction that a client has open.
#[derive(Clone, Debug)]
pub(super) struct OpenTransaction {
    pub(super) id: TransactionId,
    pub(super) client: ClientId,
    /// Its writes so far, in order.
    pub(super) operations: Vec<Change>,
}

impl Desk<'_> {
    pub(super) fn begin(
        &mut self,
        client: ClientId,
        id: TransactionId,
    ) -> Result<OpenTransaction, TargetError> {
        self.history.begin(id);
        self.session.begin(client)?;
        self.history.began(id);
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
        let value = self
            .session
            .get(open.client, table_name(self.tables, row), &row.key)?;
        let expected = self.expected(open, row);
        if !expected.contains(&value.as_deref()) {
            let violation = wrong_read(open, row, &expected, value.as_deref());
            self.violations.push(violation);
        }
        Ok(value)
    }

    /// Puts or deletes a row.
    pub(super) fn change(
        &mut self,
        open: &mut OpenTransaction,
        change: Change,
    ) -> Result<(), TargetError> {
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
        self.history.request(Request {
            id,
            durability,
            operations,
            at,
        });
        let answer = self.session.commit(client, durability);
        let (outcome, mark) = match &answer {
            Ok(()) => (Outcome::Acknowledged, Mark::Acknowledged(id)),
            Err(error) if error.applied == Applied::No => (Outcome::Refused, Mark::Failed(id)),
            Err(_) => (Outcome::Unknown, Mark::Unknown(id)),
        };
        let at = self.marks.mark(mark);
        self.history.answer(id, outcome, at);
        answer
    }

    pub(super) fn rollback(&mut self, open: &OpenTransaction) -> Result<(), TargetError> {
        self.session.rollback(open.client)
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), TargetError> {
        self.marks
            .mark(Mark::Note("checkpoint requested".to_owned()));
        self.session.checkpoint()
    }

    /// A row's newest committed value, as the history has it.
    pub(super) fn committed(&self, row: &RowKey) -> Option<&[u8]> {
        self.history
            .value_after(self.history.transactions().len(), row)
            .map(|value| &**value)
    }

    /// What a transaction may read in a row: its own newest write, or a value that what it sees may have.
    fn expected<'a>(&'a self, open: &'a OpenTransaction, row: &RowKey) -> Vec<Option<&'a [u8]>> {
        let own = open.operations.iter().rev();
        match own.into_iter().find(|change| change.row == *row) {
            Some(own) => vec![own.value.as_deref()],
            None => self
                .history
                .may_read(open.id, row)
                .into_iter()
                .map(|value| value.map(|value| &**value))
                .collect(),
        }
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
