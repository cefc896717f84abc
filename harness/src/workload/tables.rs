//! Changes of what tables there are, inside transactions, and lists of them.

use lightning_db::sync::pause;

use super::act::{Own, TableChange, catalog_row};
use super::desk::{Desk, table_name};
use super::open::OpenTransaction;
use crate::oracle::{TableId, Violation, transaction_text};
use crate::scenario::{CheckKind, Feature};
use crate::target::TargetError;

impl Desk<'_> {
    /// Changes a table, or is refused because it is there, or is not: as it should be.
    pub(super) fn change_table(
        &mut self,
        open: &mut OpenTransaction,
        change: TableChange,
    ) -> Result<(), TargetError> {
        pause();
        let (client, name) = (open.client, |table| table_name(self.tables, table));
        let (done, expected) = match change {
            TableChange::Create(table) => (
                self.session.create_table(client, name(table))?,
                !self.has_table(open, table),
            ),
            TableChange::Drop(table) => (
                self.session.drop_table(client, name(table))?,
                self.has_table(open, table),
            ),
            TableChange::Rename { from, to } => (
                self.session.rename_table(client, name(from), name(to))?,
                self.has_table(open, from) && !self.has_table(open, to),
            ),
        };
        if done != expected {
            let asked = format!("{} asks for {change:?}", transaction_text(open.id));
            self.accuse_tables(format!("{asked}: {expected}"), done.to_string());
        }
        if done {
            open.did_to_tables(change);
            self.record.did(Feature::TableChanges);
        }
        Ok(())
    }

    /// Lists the tables.
    pub(super) fn list_tables(&mut self, open: &OpenTransaction) -> Result<(), TargetError> {
        pause();
        let listed = self.session.tables(Some(open.client))?;
        let expected: Vec<String> = (0..)
            .zip(self.tables)
            .filter(|&(place, _)| self.has_table(open, TableId(place)))
            .map(|(_, name)| name.clone())
            .collect();
        if listed != expected {
            let reader = transaction_text(open.id);
            let expected = format!("{reader} sees the tables {}", expected.join(", "));
            self.accuse_tables(expected, listed.join(", "));
        }
        Ok(())
    }

    /// Whether a transaction should see a table.
    fn has_table(&self, open: &OpenTransaction, table: TableId) -> bool {
        match open.own_table(table) {
            Own::Is(is_there) => is_there,
            Own::Below(table) => {
                let row = catalog_row(table_name(self.tables, table));
                let history = self.record.history();
                let seen = history.may_read(open.id, &row);
                seen.first().is_some_and(Option::is_some)
            }
        }
    }

    fn accuse_tables(&self, expected: String, actual: String) {
        let check = CheckKind::Durability;
        let wrong = Violation::new(check, "wrong-tables", expected, actual);
        self.record.accuse(wrong);
    }
}
