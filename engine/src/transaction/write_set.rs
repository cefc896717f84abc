//! What a transaction has done and not yet committed.
//!
//! Invariants:
//! 1. A name without an entry stands for the snapshot's table of that name, untouched.
//! 2. Creations, drops and renames (`changes`) take effect first, in their order; then, table by table under their last
//!    names, ranges are deleted; then keys are written. That leaves what the calls in their own order would have left.
//! 3. An entry that lies upon the snapshot's table of its own name may stand for a table that does not exist.

use std::collections::BTreeSet;

use crate::disk_format::commit_group::{Action, Operation};

use super::key_ranges::{Bounds, KeyRanges};
use super::names::Names;
use super::table_writes::{Below, TableWrites};
use super::undo::{Mark, Step, UndoLog};
use super::writes::{Write, WritesRange, size};

/// What a transaction made of a table's name.
#[derive(Debug)]
pub enum Named {
    /// It stands for no table any more.
    Gone,
    /// The table that it stands for.
    Table(TableWrites),
}

/// A change of which tables there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A table came to be.
    Create(String),
    /// A table went, and what was in it.
    Drop(String),
    /// A table got another name.
    Rename {
        /// The name it had.
        from: String,
        /// The name it got.
        to: String,
    },
}

/// A table as reads see it. `'n` is the life of its name.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'n, 't> {
    /// The table of the snapshot below the writes.
    pub base: Option<&'n str>,
    /// The writes, if there are any.
    pub writes: Option<&'t TableWrites>,
}

/// All changes of one transaction.
#[derive(Debug, Default)]
pub struct WriteSet {
    tables: Names<Named>,
    changes: Vec<Change>,
    /// Tables of the snapshot, by the names they have there, that are dropped.
    dropped: Vec<String>,
    /// What changes and ranges count for.
    change_bytes: u64,
    /// What the tables' writes count for; at most, until their order is known.
    write_bytes: u64,
    undo: UndoLog,
}

/// What a name, a range or a change counts for beside its bytes.
const CHANGE_BYTES: u64 = 16;

impl WriteSet {
    /// Notes a write of one key.
    pub fn insert(&mut self, table: &str, key: &[u8], value: Option<&[u8]>) {
        let is_put = value.is_some();
        let is_undoable = self.undo.is_on();
        let Some(writes) = self.table_mut(table, is_put) else {
            return;
        };
        let is_first_put = is_put && !std::mem::replace(&mut writes.was_put, true);
        if is_undoable {
            writes.writes.settle();
        } else {
            writes.writes.compact();
        }
        let (id, previous) = writes.writes.insert(key, value);
        let kept = previous.map_or(0, |previous| writes.writes.bytes_of(&[previous]));
        let grown = grown(writes);
        self.count(grown);
        if is_first_put {
            self.undo.record(|| Step::FirstPut {
                table: table.to_owned(),
            });
        }
        self.undo.record(|| Step::Write {
            table: table.to_owned(),
            id,
            previous,
            bytes: kept.max(key.len() as u64),
        });
    }

    fn count(&mut self, (counted, now): (u64, u64)) {
        self.write_bytes = self.write_bytes.saturating_sub(counted).saturating_add(now);
    }

    /// Notes that all keys within `bounds` go.
    pub fn delete_range(&mut self, table: &str, bounds: Bounds<'_>) {
        let is_undoable = self.undo.is_on();
        let Some(writes) = self.table_mut(table, false) else {
            return;
        };
        let swept = if is_undoable {
            writes.swept.clone()
        } else {
            KeyRanges::default()
        };
        if writes.below != Below::Nothing {
            writes.swept.insert(bounds);
        }
        let removed = writes.writes.take_range(bounds);
        let bytes = writes.writes.bytes_of(&removed);
        let grown = grown(writes);
        self.count(grown);
        self.change_bytes = self.change_bytes.saturating_add(range_bytes(bounds));
        self.undo.record(|| Step::Sweep {
            table: table.to_owned(),
            swept,
            removed,
            bytes,
        });
    }

    /// The writes to `table`, which is created if it is gone and something is to be put there.
    fn table_mut(&mut self, table: &str, is_put: bool) -> Option<&mut TableWrites> {
        match self.tables.get(table) {
            Some(Named::Table(_)) => {}
            Some(Named::Gone) if !is_put => return None,
            Some(Named::Gone) => self.create(table),
            None => {
                let writes = TableWrites::on(Below::Own);
                self.tables.insert(table.to_owned(), Named::Table(writes));
            }
        }
        match self.tables.get_mut(table) {
            Some(Named::Table(writes)) => Some(writes),
            Some(Named::Gone) | None => None,
        }
    }

    /// Creates `table`, which does not exist.
    pub fn create(&mut self, table: &str) {
        self.change(Change::Create(table.to_owned()));
        self.set(table, Named::Table(TableWrites::on(Below::Nothing)));
    }

    /// Drops `table`, which exists; `is_stored` says whether the snapshot has a table of this name.
    pub fn drop_table(&mut self, table: &str, is_stored: bool) {
        self.settle(table, is_stored);
        self.change(Change::Drop(table.to_owned()));
        if let Some(base) = self.seen(table).base.map(str::to_owned) {
            self.dropped.push(base);
        }
        self.set(table, Named::Gone);
    }

    /// Renames `from`, which exists, to `to`, which does not; `is_stored` says whether the snapshot has a table named
    /// `from`.
    pub fn rename(&mut self, from: &str, to: &str, is_stored: bool) {
        self.settle(from, is_stored);
        self.change(Change::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        });
        let moved = self.tables.insert(from.to_owned(), Named::Gone);
        let mut moved = moved.unwrap_or_else(|| Named::Table(TableWrites::on(Below::Own)));
        if let Named::Table(writes) = &mut moved
            && writes.below == Below::Own
        {
            writes.below = Below::Table(from.to_owned());
        }
        let replaced = self.tables.insert(to.to_owned(), moved);
        self.undo.record(|| Step::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            replaced,
        });
    }

    /// Makes a table that exists by a put alone one that was created, so that what comes after finds it.
    fn settle(&mut self, table: &str, is_stored: bool) {
        let Some(Named::Table(writes)) = self.tables.get_mut(table) else {
            return;
        };
        if !writes.below.is_own(table) || is_stored {
            return;
        }
        let previous = std::mem::replace(&mut writes.below, Below::Nothing);
        self.undo.record(|| Step::Below {
            table: table.to_owned(),
            previous,
        });
        self.change(Change::Create(table.to_owned()));
    }

    fn change(&mut self, change: Change) {
        let names = change.names().map(|name| name.len() as u64);
        let bytes = names.fold(CHANGE_BYTES, u64::saturating_add);
        self.change_bytes = self.change_bytes.saturating_add(bytes);
        self.changes.push(change);
    }

    /// Makes `name` stand for something else.
    fn set(&mut self, name: &str, named: Named) {
        let previous = self.tables.insert(name.to_owned(), named);
        if let Some(Named::Table(table)) = &previous {
            self.write_bytes = self.write_bytes.saturating_sub(table.counted);
        }
        self.undo.record(|| Step::Name {
            name: name.to_owned(),
            previous,
        });
    }

    /// What `table` is for reads.
    pub fn seen<'n, 't: 'n>(&'t self, table: &'n str) -> Seen<'n, 't> {
        match self.tables.get(table) {
            None => Seen::stored(table),
            Some(Named::Gone) => Seen {
                base: None,
                writes: None,
            },
            Some(Named::Table(writes)) => Seen {
                base: writes.base(table),
                writes: Some(writes),
            },
        }
    }

    /// Whether `table` exists, as far as that depends on the writes; none if on the snapshot.
    pub fn exists(&self, table: &str) -> Option<bool> {
        match self.tables.get(table) {
            None => None,
            Some(Named::Gone) => Some(false),
            Some(Named::Table(writes)) if writes.below.is_own(table) => {
                writes.was_put.then_some(true)
            }
            Some(Named::Table(_)) => Some(true),
        }
    }

    /// The names of all tables, where the snapshot has `stored`.
    pub fn names(&self, stored: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut names: BTreeSet<String> = stored.into_iter().collect();
        for (name, _) in self.tables.iter() {
            match self.exists(name) {
                Some(true) => names.insert(name.to_owned()),
                Some(false) => names.remove(name),
                None => false,
            };
        }
        names.into_iter().collect()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        let is_empty = |writes: &TableWrites| !writes.was_put && writes.is_untouched();
        self.changes.is_empty() && self.tables().all(|(_, writes)| is_empty(writes))
    }

    /// The size of all keys, values and names, in bytes. More than that where keys were written more than once and nobody has
    /// looked yet.
    pub fn bytes(&self) -> u64 {
        self.change_bytes.saturating_add(self.write_bytes)
    }

    /// What the memory would be with one more write, which replaces an earlier one of the same key. Where it may be less than it
    /// seems, that is found out if it seems to be more than `allowed`.
    pub fn bytes_with(
        &mut self,
        table: &str,
        key: &[u8],
        value: Option<&[u8]>,
        allowed: u64,
    ) -> u64 {
        let seeming = self.bytes().saturating_add(size(key, value));
        if !self.undo.is_on() && seeming <= allowed {
            return seeming;
        }
        self.weigh();
        let writes = self.seen(table).writes;
        let old = writes.and_then(|writes| writes.writes.get(key));
        // What is replaced is kept while there is a savepoint.
        let replaced = old.map_or(0, |old| size(key, old));
        self.bytes()
            .saturating_add(size(key, value))
            .saturating_sub(replaced)
            .saturating_add(self.undo.bytes())
            .saturating_add(if self.undo.is_on() { replaced } else { 0 })
    }

    /// Finds out what the tables' writes count for.
    fn weigh(&mut self) {
        let mut bytes: u64 = 0;
        for named in self.tables.values_mut() {
            if let Named::Table(table) = named {
                table.writes.settle();
                bytes = bytes.saturating_add(grown(table).1);
            }
        }
        self.write_bytes = bytes;
    }

    /// What the memory would be with one more change or range.
    pub fn bytes_with_change(&mut self, bytes: u64) -> u64 {
        self.weigh();
        self.bytes()
            .saturating_add(self.undo.bytes())
            .saturating_add(bytes)
            .saturating_add(CHANGE_BYTES)
    }

    /// How many results there are, at most.
    pub fn len_bound(&self) -> usize {
        let tables = self.tables();
        let writes =
            tables.map(|(_, table)| table.swept.len().saturating_add(table.writes.len_bound()));
        writes.fold(self.changes.len(), usize::saturating_add)
    }

    /// The one write that is all that was done, if so, and to which table.
    pub fn sole(&self) -> Option<(&str, Write<'_>)> {
        let (table, Named::Table(writes)) = self.tables.only()? else {
            return None;
        };
        if !self.changes.is_empty() {
            return None;
        }
        writes.sole().map(|write| (table, write))
    }

    /// The creations, drops and renames: what takes effect first.
    pub fn changes(&self) -> impl Iterator<Item = Operation<'_>> {
        self.changes.iter().map(Change::operation)
    }

    /// All results, in the order in which they take effect.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let changes = self.changes();
        let tables = self.tables().flat_map(|(table, writes)| {
            writes
                .actions()
                .map(move |action| Operation { table, action })
        });
        changes.chain(tables)
    }

    /// The tables written to, by their last names.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &TableWrites)> {
        self.tables.iter().filter_map(|(name, named)| match named {
            Named::Table(writes) => Some((name, writes)),
            Named::Gone => None,
        })
    }

    /// What it does to the table that is called `name` in the end.
    pub fn table(&self, name: &str) -> Option<&TableWrites> {
        match self.tables.get(name)? {
            Named::Table(writes) => Some(writes),
            Named::Gone => None,
        }
    }

    /// The names that creations, drops and renames touched.
    pub fn names_changed(&self) -> BTreeSet<&str> {
        self.changes.iter().flat_map(Change::names).collect()
    }

    /// The snapshot's tables that are dropped, by the names they have there.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// Sets the savepoint `id`.
    pub fn mark(&mut self, id: u64) {
        self.undo.mark(Mark {
            id,
            steps: self.undo.len(),
            changes: self.changes.len(),
            dropped: self.dropped.len(),
            change_bytes: self.change_bytes,
            undo_bytes: self.undo.bytes(),
        });
    }

    /// Undoes everything since the savepoint `id`, and forgets later ones. False if there is no such savepoint.
    pub fn return_to(&mut self, id: u64) -> bool {
        let Some(mark) = self.undo.return_to(id) else {
            return false;
        };
        while let Some(step) = self.undo.pop(&mark) {
            self.undo_step(step);
        }
        self.changes.truncate(mark.changes);
        self.dropped.truncate(mark.dropped);
        self.change_bytes = mark.change_bytes;
        self.weigh();
        true
    }

    /// Forgets the savepoint `id` and later ones; what was done stays. False if there is no such savepoint.
    pub fn release(&mut self, id: u64) -> bool {
        self.undo.release(id)
    }

    fn undo_step(&mut self, step: Step) {
        match step {
            Step::Name { name, previous } => self.restore(name, previous),
            Step::Rename { from, to, replaced } => {
                if let Some(moved) = self.tables.remove(&to) {
                    self.tables.insert(from, moved);
                }
                self.restore(to, replaced);
            }
            Step::Write {
                table,
                id,
                previous,
                ..
            } => self.with_table(&table, |writes| writes.writes.undo(id, previous)),
            Step::FirstPut { table } => self.with_table(&table, |writes| writes.was_put = false),
            Step::Below { table, previous } => {
                self.with_table(&table, |writes| writes.below = previous);
            }
            Step::Sweep {
                table,
                swept,
                removed,
                ..
            } => self.with_table(&table, |writes| {
                writes.swept = swept;
                writes.writes.put_back(removed);
            }),
        }
    }

    fn restore(&mut self, name: String, previous: Option<Named>) {
        match previous {
            Some(named) => self.tables.insert(name, named),
            None => self.tables.remove(&name),
        };
    }

    fn with_table(&mut self, table: &str, change: impl FnOnce(&mut TableWrites)) {
        if let Some(Named::Table(writes)) = self.tables.get_mut(table) {
            change(writes);
        }
    }
}

impl Change {
    fn names(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Create(name) | Self::Drop(name) => (name, None),
            Self::Rename { from, to } => (from, Some(to)),
        };
        [Some(first), second]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    fn operation(&self) -> Operation<'_> {
        let (table, action) = match self {
            Self::Create(table) => (table, Action::Create),
            Self::Drop(table) => (table, Action::Drop),
            Self::Rename { from, to } => (from, Action::Rename { to }),
        };
        Operation { table, action }
    }
}

impl<'n, 't> Seen<'n, 't> {
    /// A table of the snapshot, as it is there.
    pub fn stored(table: &'n str) -> Self {
        Self {
            base: Some(table),
            writes: None,
        }
    }

    /// What the transaction itself makes of `key`: a value, or that there is none; or nothing.
    #[expect(
        clippy::option_option,
        reason = "not written, deleted and put are three things"
    )]
    pub fn own(&self, key: &[u8]) -> Option<Option<&'t [u8]>> {
        let writes = self.writes?;
        let written = writes.writes.get(key);
        written.or_else(|| writes.swept.contains(key).then_some(None))
    }

    /// The writes within `bounds`, ascending.
    pub fn range(&self, bounds: Bounds<'_>) -> Option<WritesRange<'t>> {
        let writes = self.writes.filter(|writes| !writes.writes.is_empty())?;
        Some(writes.writes.range(bounds))
    }

    /// The ranges of which nothing below shows.
    pub fn swept(&self) -> Option<&'t KeyRanges> {
        let swept = self.writes.map(|writes| &writes.swept);
        swept.filter(|swept| !swept.is_empty())
    }
}

/// What of a table's bytes was counted, and what counts from now on.
fn grown(table: &mut TableWrites) -> (u64, u64) {
    let now = table.writes.bytes();
    (std::mem::replace(&mut table.counted, now), now)
}

/// What a deleted range counts for.
pub fn range_bytes((low, high): Bounds<'_>) -> u64 {
    let len = |bound: std::ops::Bound<&[u8]>| match bound {
        std::ops::Bound::Included(key) | std::ops::Bound::Excluded(key) => key.len() as u64,
        std::ops::Bound::Unbounded => 0,
    };
    len(low)
        .saturating_add(len(high))
        .saturating_add(CHANGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(writes: &WriteSet) -> Vec<String> {
        writes.operations().map(|o| format!("{o:?}")).collect()
    }

    fn get(writes: &WriteSet, table: &str, key: &[u8]) -> &'static str {
        match writes.seen(table).own(key) {
            None => "what lies below",
            Some(None) => "nothing",
            Some(Some(value)) => match value {
                b"1" => "1",
                b"2" => "2",
                b"3" => "3",
                _ => "another value",
            },
        }
    }

    #[test]
    fn the_last_write_of_a_key_counts_and_sizes_add_up() {
        let mut writes = WriteSet::default();
        writes.insert("t", b"key", Some(b"long value"));
        writes.insert("t", b"key", Some(b"1"));
        writes.insert("u", b"key", None);
        assert!(writes.bytes() >= 4 + 3);
        let other = Some(&b"other"[..]);
        assert_eq!(writes.bytes_with("t", b"key", other, 0), 4 + 3 + 4);
        assert_eq!(writes.bytes(), 4 + 3);
        assert_eq!(get(&writes, "t", b"key"), "1");
        assert_eq!(get(&writes, "u", b"key"), "nothing");
        assert_eq!(get(&writes, "t", b"other"), "what lies below");
        assert_eq!(writes.operations().count(), 2);
    }

    #[test]
    fn a_deleted_range_hides_what_lies_below_until_it_is_written_again() {
        let mut writes = WriteSet::default();
        writes.insert("t", b"a", Some(b"1"));
        writes.insert("t", b"b", Some(b"2"));
        let bounds = (
            std::ops::Bound::Excluded(&b"a"[..]),
            std::ops::Bound::Unbounded,
        );
        writes.delete_range("t", bounds);
        writes.insert("t", b"c", Some(b"3"));
        assert_eq!(get(&writes, "t", b"a"), "1");
        assert_eq!(get(&writes, "t", b"b"), "nothing");
        assert_eq!(get(&writes, "t", b"c"), "3");
        assert_eq!(get(&writes, "t", b"A"), "what lies below");
        assert_eq!(writes.operations().count(), 3);
    }

    #[test]
    fn a_table_renamed_and_written_is_written_under_its_last_name() {
        let mut writes = WriteSet::default();
        writes.insert("a", b"k", Some(b"1"));
        writes.rename("a", "tmp", true);
        writes.rename("b", "a", true);
        writes.rename("tmp", "b", true);
        writes.insert("a", b"k", Some(b"2"));
        assert_eq!(get(&writes, "b", b"k"), "1");
        assert_eq!(writes.seen("a").base, Some("b"));
        assert_eq!(writes.seen("b").base, Some("a"));
        assert_eq!(writes.exists("tmp"), Some(false));
        let names = writes.names(["a".to_owned(), "b".to_owned()]);
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_table_made_by_a_put_is_created_before_it_is_renamed() {
        let mut writes = WriteSet::default();
        writes.insert("a", b"k", Some(b"1"));
        writes.rename("a", "b", false);
        assert_eq!(
            log(&writes)[..2],
            [
                "Operation { table: \"a\", action: Create }",
                "Operation { table: \"a\", action: Rename { to: \"b\" } }"
            ]
        );
        writes.drop_table("b", false);
        writes.insert("b", b"k", None);
        assert_eq!(writes.operations().count(), 3);
        assert!(writes.dropped().is_empty());
    }

    #[test]
    fn a_key_put_and_deleted_again_leaves_its_table() {
        let mut writes = WriteSet::default();
        writes.insert("t", b"k", Some(b"1"));
        writes.insert("t", b"k", None);
        let first = writes.operations().next().unwrap();
        assert_eq!(first.action, Action::Create);
        assert_eq!(writes.names([]), ["t"]);
    }

    #[test]
    fn nothing_is_recorded_for_undo_without_a_savepoint() {
        let mut writes = WriteSet::default();
        writes.insert("t", b"k", Some(b"1"));
        assert_eq!(writes.undo.len(), 0);
        writes.mark(1);
        writes.insert("t", b"k", Some(b"2"));
        assert!(writes.undo.len() > 0);
        assert!(writes.release(1));
        assert_eq!((writes.undo.len(), writes.undo.bytes()), (0, 0));
        assert!(!writes.return_to(1));
    }

    #[test]
    fn a_return_undoes_writes_ranges_and_tables() {
        let mut writes = WriteSet::default();
        writes.insert("t", b"a", Some(b"1"));
        writes.insert("u", b"b", None);
        writes.weigh();
        let before = (log(&writes), writes.bytes());
        writes.mark(7);
        writes.insert("t", b"a", Some(b"2"));
        writes.delete_range(
            "t",
            (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded),
        );
        writes.rename("t", "v", false);
        writes.insert("t", b"z", Some(b"3"));
        writes.mark(8);
        writes.drop_table("u", true);
        writes.create("u");
        writes.insert("u", b"y", Some(b"4"));
        writes.drop_table("v", false);
        assert!(writes.return_to(7));
        assert_eq!((log(&writes), writes.bytes()), before);
        assert!(!writes.return_to(8), "a later savepoint is gone");
        assert!(writes.return_to(7), "the savepoint itself stays");
    }
}
