//! What a serializable transaction has read of its snapshot, own writes apart.
//!
//! Invariants:
//! 1. Every key and range of which the caller learned something is in the set, absent keys among them. It may hold more.
//! 2. Of a range that is not read to its end only what lies before the last entry returned, from either side, counts.
//! 3. Its memory is bounded: many keys of one table become one range.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::btree::Key;
use crate::sync::{Mutex, lock};

use super::key_ranges::{Bounds, KeyRanges, OwnedBounds, as_slices, to_owned};

/// Keys, or ranges, of one table that are told apart.
const APART_MAX: usize = 1 << 16;

/// What was read, by the names that tables have in the snapshot.
#[derive(Debug, Default)]
pub struct ReadSet {
    /// Reads by table.
    pub tables: BTreeMap<String, TableReads>,
    /// Whether the list of tables was read.
    pub listing: bool,
    /// Names of which the caller learned whether there is such a table.
    pub names: BTreeSet<String>,
    /// Ranges that are still being read.
    open: BTreeMap<u64, (String, OwnedBounds)>,
    next: u64,
}

/// What was read of one table.
#[derive(Debug, Default)]
pub struct TableReads {
    /// Keys looked up.
    pub keys: BTreeSet<Vec<u8>>,
    /// Ranges scanned.
    pub ranges: KeyRanges,
}

/// A read set that ranges being read report to.
pub type Reads = Arc<Mutex<ReadSet>>;

impl ReadSet {
    /// Notes that `key` was looked up.
    pub fn key(&mut self, table: &str, key: &[u8]) {
        let reads = self.table(table);
        reads.keys.insert(key.to_owned());
        if reads.keys.len() > APART_MAX {
            let keys = std::mem::take(&mut reads.keys);
            if let (Some(first), Some(last)) = (keys.first(), keys.last()) {
                let bounds = (Bound::Included(&**first), Bound::Included(&**last));
                reads.ranges.insert(bounds);
            }
        }
    }

    fn range(&mut self, table: &str, bounds: Bounds<'_>) {
        let reads = self.table(table);
        reads.ranges.insert(bounds);
        if reads.ranges.len() > APART_MAX {
            reads.ranges.join();
        }
    }

    fn table(&mut self, table: &str) -> &mut TableReads {
        self.tables.entry(table.to_owned()).or_default()
    }

    /// Takes out what was read. A range that is still held counts whole.
    pub fn take(&mut self) -> Self {
        for (table, bounds) in std::mem::take(&mut self.open).into_values() {
            self.range(&table, as_slices(&bounds));
        }
        std::mem::take(self)
    }
}

/// How far a range is read. It reports when it is dropped.
#[derive(Debug)]
pub struct Watch {
    reads: Reads,
    id: u64,
    front: Option<Key>,
    back: Option<Key>,
    is_whole: bool,
}

impl Watch {
    /// Watches a range of `table`.
    pub fn new(reads: &Reads, table: &str, bounds: Bounds<'_>) -> Self {
        let id = {
            let mut set = lock(reads);
            set.next = set.next.saturating_add(1);
            let id = set.next;
            set.open.insert(id, (table.to_owned(), to_owned(bounds)));
            id
        };
        Self {
            reads: Arc::clone(reads),
            id,
            front: None,
            back: None,
            is_whole: false,
        }
    }

    /// The caller knows all that lies before `key`, and it.
    pub fn front(&mut self, key: &[u8]) {
        self.front = Some(Key::from(key));
    }

    /// The caller knows all that lies behind `key`, and it.
    pub fn back(&mut self, key: &[u8]) {
        self.back = Some(Key::from(key));
    }

    /// The caller knows the whole range.
    pub fn whole(&mut self) {
        self.is_whole = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut set = lock(&self.reads);
        let Some((table, bounds)) = set.open.remove(&self.id) else {
            return;
        };
        let (low, high) = as_slices(&bounds);
        if self.is_whole {
            set.range(&table, (low, high));
            return;
        }
        if let Some(front) = &self.front {
            set.range(&table, (low, Bound::Included(front)));
        }
        if let Some(back) = &self.back {
            set.range(&table, (Bound::Included(back), high));
        }
    }
}
