//! A transaction that a client has open, as the client knows it.

use super::act::{Act, Own, TableChange, is_table_after, row_after};
use crate::oracle::{Change, RowKey, RowValue, TableId};
use crate::target::ClientId;
use crate::trace::TransactionId;

/// A transaction that a client has open.
#[derive(Clone, Debug)]
pub(super) struct OpenTransaction {
    pub(super) id: TransactionId,
    pub(super) client: ClientId,
    /// Its writes so far that are not undone, in order.
    operations: Vec<Act>,
    /// How many of them there were when each savepoint was set, the outermost first.
    savepoints: Vec<usize>,
    operations_ever: u32,
}

impl OpenTransaction {
    pub(super) fn new(id: TransactionId, client: ClientId) -> Self {
        Self {
            id,
            client,
            operations: Vec::new(),
            savepoints: Vec::new(),
            operations_ever: 0,
        }
    }

    /// A number that none of its writes had, so that a write that was undone is told from one that was not.
    pub(super) fn next_operation(&self) -> u32 {
        self.operations_ever
    }

    /// Notes a write.
    pub(super) fn did(&mut self, change: Change) {
        self.operations.push(Act::Row(change));
        self.operations_ever += 1;
    }

    /// Notes a change of tables.
    pub(super) fn did_to_tables(&mut self, change: TableChange) {
        self.operations.push(Act::Table(change));
    }

    /// What it did that is not undone.
    pub(super) fn into_operations(self) -> Vec<Act> {
        self.operations
    }

    /// What its own acts say of a row.
    pub(super) fn own(&self, row: &RowKey) -> Own<Option<&RowValue>, RowKey> {
        row_after(&self.operations, row)
    }

    /// What its own acts say of a table.
    pub(super) fn own_table(&self, table: TableId) -> Own<bool, TableId> {
        is_table_after(&self.operations, table)
    }

    /// Notes a savepoint.
    pub(super) fn mark(&mut self) {
        self.savepoints.push(self.operations.len());
    }

    /// Forgets what was done since a savepoint, which stays. Returns how many writes that were.
    pub(super) fn return_to(&mut self, savepoint: usize) -> usize {
        let count = self.operations.len();
        if let Some(&kept) = self.savepoints.get(savepoint) {
            self.operations.truncate(kept);
            self.savepoints.truncate(savepoint + 1);
        }
        count - self.operations.len()
    }

    /// Forgets a savepoint and those inside it.
    pub(super) fn release(&mut self, savepoint: usize) {
        self.savepoints.truncate(savepoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::transaction_id;

    fn delete(open: &mut OpenTransaction, key: &str) {
        let row = RowKey::new(TableId(0), key.as_bytes());
        open.did(Change { row, value: None });
    }

    #[test]
    fn going_back_undoes_what_was_done_since_and_can_be_done_again() {
        let mut open = OpenTransaction::new(transaction_id(0, 1), ClientId(0));
        delete(&mut open, "a");
        open.mark();
        delete(&mut open, "b");
        open.mark();
        delete(&mut open, "c");
        assert_eq!(open.return_to(0), 2);
        delete(&mut open, "d");
        assert_eq!(
            open.return_to(1),
            0,
            "the inner savepoint went with what was undone"
        );
        assert_eq!(open.return_to(0), 1);
        open.release(0);
        assert_eq!(open.return_to(0), 0);
        assert_eq!(open.next_operation(), 4, "no number is given twice");
        assert_eq!(open.into_operations().len(), 1);
    }
}
