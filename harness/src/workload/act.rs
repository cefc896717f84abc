//! What transactions do to rows and tables, and what that comes to.
//!
//! A row that a transaction asks for may have had another table name before: what it sees is looked for backward through what it did, renames
//! followed, down to the snapshot. What it leaves is found forward, on the rows that are there when it asks for its commit: nobody
//! else may have touched what it depends on, or the commit is refused.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::oracle::{Change, RowKey, RowMap, RowValue, TableId};

/// Something that a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Row(Change),
    Table(TableChange),
}

/// A change of what tables there are, which succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TableChange {
    Create(TableId),
    Drop(TableId),
    Rename { from: TableId, to: TableId },
}

/// What a transaction's own acts say of a row or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Own<T, B> {
    /// It is so by an act of its own.
    Is(T),
    /// It is as in the snapshot, where it is this.
    Below(B),
}

/// The row that says that a table is there.
pub(super) fn catalog_row(name: &str) -> RowKey {
    RowKey::new(TableId::CATALOG, name.as_bytes())
}

/// What that row holds.
pub fn catalog_value() -> RowValue {
    Arc::from(&b"table"[..])
}

/// What a row is after these acts.
pub(super) fn row_after<'a>(acts: &'a [Act], row: &RowKey) -> Own<Option<&'a RowValue>, RowKey> {
    let mut row = row.clone();
    for act in acts.iter().rev() {
        match act {
            Act::Row(change) if change.row == row => return Own::Is(change.value.as_ref()),
            Act::Row(_) => {}
            Act::Table(change) => match change.comes_from(row.table) {
                Some(table) => row.table = table,
                None => return Own::Is(None),
            },
        }
    }
    Own::Below(row)
}

/// Whether a table is there after these acts.
pub(super) fn is_table_after(acts: &[Act], table: TableId) -> Own<bool, TableId> {
    for act in acts.iter().rev() {
        match *act {
            Act::Row(ref change) => {
                if change.row.table == table && change.value.is_some() {
                    return Own::Is(true);
                }
            }
            Act::Table(TableChange::Create(created)) if created == table => return Own::Is(true),
            Act::Table(TableChange::Drop(dropped)) if dropped == table => return Own::Is(false),
            Act::Table(TableChange::Rename { from, .. }) if from == table => return Own::Is(false),
            Act::Table(TableChange::Rename { to, .. }) if to == table => return Own::Is(true),
            Act::Table(_) => {}
        }
    }
    Own::Below(table)
}

/// What acts change of the rows that are there, tables among them.
pub(super) fn changes(acts: &[Act], before: &RowMap, names: &[String]) -> Vec<Change> {
    let name = |table: TableId| {
        let name = names.get(usize::from(table.0));
        catalog_row(name.map_or("", String::as_str))
    };
    let mut after = before.clone();
    for act in acts {
        match act {
            Act::Row(Change {
                row,
                value: Some(value),
            }) => {
                after.insert(row.clone(), Arc::clone(value));
                after.insert(name(row.table), catalog_value());
            }
            Act::Row(Change { row, value: None }) => {
                after.remove(row);
            }
            Act::Table(TableChange::Create(table)) => {
                after.insert(name(*table), catalog_value());
            }
            Act::Table(TableChange::Drop(table)) => {
                after.retain(|row, _| row.table != *table);
                after.remove(&name(*table));
            }
            Act::Table(TableChange::Rename { from, to }) => {
                after = moved(after, *from, *to);
                after.remove(&name(*from));
                after.insert(name(*to), catalog_value());
            }
        }
    }
    difference(before, &after)
}

fn moved(rows: RowMap, from: TableId, to: TableId) -> RowMap {
    let of = |row: RowKey| match row.table {
        table if table == from => RowKey { table: to, ..row },
        _ => row,
    };
    rows.into_iter()
        .map(|(row, value)| (of(row), value))
        .collect()
}

fn difference(before: &RowMap, after: &RowMap) -> Vec<Change> {
    let gone = before.keys().filter(|row| !after.contains_key(row));
    let gone = gone.map(|row| Change {
        row: row.clone(),
        value: None,
    });
    let new = after
        .iter()
        .filter(|(row, value)| before.get(row) != Some(value));
    let new = new.map(|(row, value)| Change {
        row: row.clone(),
        value: Some(Arc::clone(value)),
    });
    gone.chain(new).collect()
}

impl TableChange {
    /// Which table's rows this one has after the change: none, if it is new or gone.
    fn comes_from(self, table: TableId) -> Option<TableId> {
        match self {
            Self::Create(new) | Self::Drop(new) if new == table => None,
            Self::Rename { from, to } if to == table => Some(from),
            Self::Rename { from, .. } if from == table => None,
            _ => Some(table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["t0", "t1", "t2", "t3"];

    fn row(table: u8, key: &str) -> RowKey {
        RowKey::new(TableId(table), key.as_bytes())
    }

    fn put(table: u8, key: &str, value: &str) -> Act {
        let value = Some(Arc::from(value.as_bytes()));
        let row = row(table, key);
        Act::Row(Change { row, value })
    }

    fn rename(from: u8, to: u8) -> Act {
        let (from, to) = (TableId(from), TableId(to));
        Act::Table(TableChange::Rename { from, to })
    }

    /// Tables 1 and 2 with a row each.
    fn before() -> RowMap {
        let names: Vec<_> = NAMES.map(str::to_owned).to_vec();
        let acts = [put(1, "a", "1"), put(2, "a", "2")];
        let changes = changes(&acts, &RowMap::new(), &names);
        let rows = changes.into_iter();
        rows.filter_map(|change| Some((change.row, change.value?)))
            .collect()
    }

    /// What a row is after acts upon `before`, by looking backward and by doing them.
    fn agrees(acts: &[Act]) -> RowMap {
        let (before, names) = (before(), NAMES.map(str::to_owned));
        let mut after = before.clone();
        for change in changes(acts, &before, &names) {
            match change.value {
                Some(value) => after.insert(change.row, value),
                None => after.remove(&change.row),
            };
        }
        for table in 0..4 {
            for key in ["a", "b"] {
                let row = row(table, key);
                let seen = match row_after(acts, &row) {
                    Own::Is(value) => value.cloned(),
                    Own::Below(row) => before.get(&row).cloned(),
                };
                assert_eq!(seen.as_ref(), after.get(&row), "{acts:?} {row:?}");
            }
            let catalog = |table: TableId| catalog_row(&names[usize::from(table.0)]);
            let exists = match is_table_after(acts, TableId(table)) {
                Own::Is(is_there) => is_there,
                Own::Below(table) => before.contains_key(&catalog(table)),
            };
            assert_eq!(
                exists,
                after.contains_key(&catalog(TableId(table))),
                "{acts:?}"
            );
        }
        after
    }

    #[test]
    fn rows_go_with_their_tables_name() {
        let after = agrees(&[rename(1, 3), put(3, "b", "3"), rename(2, 1)]);
        assert_eq!(after[&row(3, "a")].as_ref(), b"1");
        assert_eq!(after[&row(1, "a")].as_ref(), b"2");
        assert!(!after.contains_key(&catalog_row("t2")));
    }

    #[test]
    fn two_tables_change_places() {
        let after = agrees(&[rename(1, 3), rename(2, 1), rename(3, 2)]);
        assert_eq!(after[&row(2, "a")].as_ref(), b"1");
        assert_eq!(after[&row(1, "a")].as_ref(), b"2");
    }

    #[test]
    fn what_is_dropped_is_gone_and_what_comes_after_is_new() {
        let drop = |table| Act::Table(TableChange::Drop(TableId(table)));
        let create = |table| Act::Table(TableChange::Create(TableId(table)));
        let after = agrees(&[
            put(1, "b", "x"),
            drop(1),
            create(1),
            drop(2),
            put(2, "b", "y"),
        ]);
        assert!(!after.contains_key(&row(1, "a")) && !after.contains_key(&row(1, "b")));
        assert!(
            after.contains_key(&catalog_row("t1")),
            "created again, empty"
        );
        assert!(!after.contains_key(&row(2, "a")) && after.contains_key(&row(2, "b")));
    }
}
