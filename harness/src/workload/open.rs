//! A transaction that a client has open, as the client knows it.

use crate::oracle::{Change, RowKey};
use crate::target::ClientId;
use crate::trace::TransactionId;

/// A transaction that a client has open.
#[derive(Clone, Debug)]
pub(super) struct OpenTransaction {
    pub(super) id: TransactionId,
    pub(super) client: ClientId,
    /// Its writes so far that are not undone, in order.
    operations: Vec<Change>,
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
        self.operations.push(change);
        self.operations_ever += 1;
    }

    /// Its writes that are not undone.
    pub(super) fn into_operations(self) -> Vec<Change> {
        self.operations
    }

    /// Its own newest write to a row.
    pub(super) fn own(&self, row: &RowKey) -> Option<&Change> {
        let mut newest_first = self.operations.iter().rev();
        newest_first.find(|change| change.row == *row)
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
    use crate::oracle::{TableId, transaction_id};

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
