//! Rows, and digests of sets of rows.
//!
//! The digest of a set of rows is the sum of the digests of its rows: it does not depend on their order, and
//! one row is added or taken out without looking at the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// A table, by its place in the workload's list of tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u8);

impl TableId {
    /// A table that no workload writes: its keys are the names of the tables that there are.
    pub const CATALOG: Self = Self(u8::MAX);
}

/// The place of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Its table.
    pub table: TableId,
    /// Its key.
    pub key: Arc<[u8]>,
}

/// A value, shared between what was asked for and what is expected.
pub type RowValue = Arc<[u8]>;

/// Rows by place.
pub type RowMap = BTreeMap<RowKey, RowValue>;

/// Digest of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowDigest(u128);

/// Digest of a set of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StateDigest(pub u128);

impl RowDigest {
    /// Of the row's table, key and value.
    pub fn of(table: TableId, key: &[u8], value: &[u8]) -> Self {
        Self(xxh3_128_with_seed(
            value,
            xxh3_64_with_seed(key, u64::from(table.0)),
        ))
    }
}

impl StateDigest {
    /// Of all rows of a map.
    pub fn of(rows: &RowMap) -> Self {
        let mut digest = Self::default();
        for (row, value) in rows {
            digest.add(RowDigest::of(row.table, &row.key, value));
        }
        digest
    }

    /// Adds a row.
    pub fn add(&mut self, row: RowDigest) {
        self.0 = self.0.wrapping_add(row.0);
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: RowDigest) {
        self.0 = self.0.wrapping_sub(row.0);
    }
}

impl RowKey {
    /// The place of `key` in `table`.
    pub fn new(table: TableId, key: &[u8]) -> Self {
        Self {
            table,
            key: key.into(),
        }
    }
}
