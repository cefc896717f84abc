//! A transaction in work: which of its steps come next, and what it keeps between them.

use super::bank;
use super::desk::Desk;
use super::open::OpenTransaction;
use super::plan::{Plan, Step, sequence_row};
use crate::oracle::{Change, RowKey, Stamp, client_and_sequence};
use crate::target::TargetError;

/// A transaction in work.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) open: OpenTransaction,
    pub(super) plan: Plan,
    /// The step that comes next.
    pub(super) next: usize,
    /// How often it was begun.
    pub(super) tries: u32,
    looked_at: Vec<(RowKey, i64)>,
}

impl Work {
    /// A transaction that has begun.
    pub(super) fn new(open: OpenTransaction, plan: Plan, tries: u32) -> Self {
        Self {
            open,
            plan,
            next: 0,
            tries,
            looked_at: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, desk: &mut Desk<'_>, step: Step) -> Result<(), TargetError> {
        match step {
            Step::Get(row) => desk.get(&self.open, &row).map(|_| ()),
            Step::GetMany(rows) => desk.get_many(&self.open, &rows),
            Step::ReadRange(range) => desk.read_range(&self.open, &range),
            Step::Delete(row) => desk.change(&mut self.open, Change { row, value: None }),
            Step::DeleteRange(range) => desk.delete_range(&mut self.open, &range),
            Step::Put { row, len, payload } => self.put(desk, row, len, payload),
            Step::ChangeTable(change) => desk.change_table(&mut self.open, change),
            Step::ListTables => desk.list_tables(&self.open),
            Step::Savepoint => desk.savepoint(&mut self.open),
            Step::RollbackTo(savepoint) => desk.rollback_to(&mut self.open, savepoint),
            Step::Release(savepoint) => desk.release(&mut self.open, savepoint),
            Step::Append(row) => self.append(desk, row),
            Step::Overwrite(row) => {
                desk.get(&self.open, &row)?;
                self.put(desk, row, 0, 0)
            }
            Step::Look { from, to } => self.look(desk, [from, to]),
            Step::Move { amount } => self.transfer(desk, amount),
        }
    }

    /// The last write of every transaction.
    pub(super) fn write_sequence(&mut self, desk: &mut Desk<'_>) -> Result<(), TargetError> {
        let (_, sequence) = client_and_sequence(self.open.id);
        let row = sequence_row(self.open.client.0);
        self.put(desk, row, 0, i64::from(sequence))
    }

    fn look(&mut self, desk: &mut Desk<'_>, rows: [RowKey; 2]) -> Result<(), TargetError> {
        self.looked_at.clear();
        for row in rows {
            let value = desk.get(&self.open, &row)?;
            let balance = bank::balance(&row, value.as_deref());
            self.looked_at.push((row, balance));
        }
        Ok(())
    }

    fn transfer(&mut self, desk: &mut Desk<'_>, amount: i64) -> Result<(), TargetError> {
        let accounts = self.looked_at.clone();
        for ((row, balance), change) in accounts.into_iter().zip([-amount, amount]) {
            self.put(desk, row, 0, balance.wrapping_add(change))?;
        }
        Ok(())
    }

    /// Adds what this one is to a list. What was there goes with it, whoever put it there.
    fn append(&mut self, desk: &mut Desk<'_>, row: RowKey) -> Result<(), TargetError> {
        let there = desk.get(&self.open, &row)?;
        let mut elements = there
            .as_deref()
            .and_then(Stamp::elements)
            .unwrap_or_default();
        let stamp = Stamp {
            transaction: self.open.id,
            operation: self.open.next_operation(),
            payload: 0,
        };
        elements.push(stamp.element());
        let value = stamp.write_list(row.table, &row.key, &elements);
        let value = Some(value.into());
        desk.change(&mut self.open, Change { row, value })
    }

    fn put(
        &mut self,
        desk: &mut Desk<'_>,
        row: RowKey,
        len: usize,
        payload: i64,
    ) -> Result<(), TargetError> {
        let stamp = Stamp {
            transaction: self.open.id,
            operation: self.open.next_operation(),
            payload,
        };
        let value = if desk.changes_tables {
            stamp.write_anywhere(&row.key, len)
        } else {
            stamp.write(row.table, &row.key, len)
        };
        let value = Some(value.into());
        desk.change(&mut self.open, Change { row, value })
    }
}
