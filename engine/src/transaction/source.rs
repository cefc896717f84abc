//! What tables are read from, whichever it is.

use std::ops::Bound;

use crate::btree::{Key, Value};
use crate::error::ReadError;

use super::handle::{Snapshot, Transaction};
use super::key_ranges::{Bounds, is_empty_range};
use super::reader::{self, Range};

/// A key and its value.
pub type Entry = (Key, Value);

/// Where tables are read from: a [`Snapshot`], a [`Transaction`] (its own writes on top), or a
/// [`Database`](crate::Database) (each call sees what is committed then).
///
/// For functions that read from any of these; each has methods of its own that are more convenient. It cannot
/// be implemented elsewhere.
pub trait Source: sealed::Sealed {
    /// The value of `key`.
    fn read(&self, table: &str, key: &[u8]) -> Result<Option<Value>, ReadError>;

    /// The values of `keys`, in their order.
    fn read_many(&self, table: &str, keys: &[&[u8]]) -> Result<Vec<Option<Value>>, ReadError>;

    /// Whether `key` is there.
    fn has(&self, table: &str, key: &[u8]) -> Result<bool, ReadError>;

    /// The entries within `bounds`, from both ends. Bounds that cross hold no entries.
    fn entries(
        &self,
        table: &str,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<Range<'_>, ReadError>;

    /// Shows `see` the first `count` entries within `bounds`, and returns how many there were.
    fn visit_entries(
        &self,
        table: &str,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        count: usize,
        see: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize, ReadError>;

    /// How many entries lie within `bounds`.
    fn count_entries(
        &self,
        table: &str,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<u64, ReadError>;
}

pub(crate) mod sealed {
    /// Keeps [`Source`](super::Source) to this crate, so that it can grow.
    pub trait Sealed {}
}

impl sealed::Sealed for Snapshot {}
impl sealed::Sealed for Transaction {}

impl Source for Snapshot {
    fn read(&self, table: &str, key: &[u8]) -> Result<Option<Value>, ReadError> {
        self.get(table, key)
    }

    fn read_many(&self, table: &str, keys: &[&[u8]]) -> Result<Vec<Option<Value>>, ReadError> {
        match self.table(table)? {
            Some(tree) => Ok(tree.get_many(self.view(), keys)?),
            None => Ok(vec![None; keys.len()]),
        }
    }

    fn has(&self, table: &str, key: &[u8]) -> Result<bool, ReadError> {
        match self.table(table)? {
            Some(tree) => Ok(tree.contains(self.view(), key)?),
            None => Ok(false),
        }
    }

    fn entries(&self, table: &str, bounds: Bounds<'_>) -> Result<Range<'_>, ReadError> {
        self.range::<&[u8]>(table, bounds)
    }

    fn visit_entries(
        &self,
        table: &str,
        bounds: Bounds<'_>,
        count: usize,
        see: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize, ReadError> {
        reader::visit(
            self.table(table)?,
            self.view().sight(),
            bounds,
            (count, see),
        )
    }

    fn count_entries(&self, table: &str, bounds: Bounds<'_>) -> Result<u64, ReadError> {
        let tree = self.table(table)?.filter(|_| !is_empty_range(bounds));
        match tree {
            Some(tree) => Ok(tree.range(self.view(), bounds).entries_left()?),
            None => Ok(0),
        }
    }
}

/// A transaction's reads all go through its own `get` and `range`, which note what was read.
impl Source for Transaction {
    fn read(&self, table: &str, key: &[u8]) -> Result<Option<Value>, ReadError> {
        self.get(table, key)
    }

    fn read_many(&self, table: &str, keys: &[&[u8]]) -> Result<Vec<Option<Value>>, ReadError> {
        keys.iter().map(|key| self.get(table, key)).collect()
    }

    fn has(&self, table: &str, key: &[u8]) -> Result<bool, ReadError> {
        Ok(self.get(table, key)?.is_some())
    }

    fn entries(&self, table: &str, bounds: Bounds<'_>) -> Result<Range<'_>, ReadError> {
        self.range::<&[u8]>(table, bounds)
    }

    fn visit_entries(
        &self,
        table: &str,
        bounds: Bounds<'_>,
        count: usize,
        see: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize, ReadError> {
        let mut entries = self.range::<&[u8]>(table, bounds)?;
        for seen in 0..count {
            let Some(entry) = entries.next_ref() else {
                return Ok(seen);
            };
            let (key, value) = entry?;
            see(key, value);
        }
        Ok(count)
    }

    fn count_entries(&self, table: &str, bounds: Bounds<'_>) -> Result<u64, ReadError> {
        let mut entries = self.range::<&[u8]>(table, bounds)?;
        entries.try_fold(0_u64, |count, entry| entry.map(|_| count.saturating_add(1)))
    }
}
