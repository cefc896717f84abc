//! Reads that are put together from others: the same for snapshots, transactions and the database.

use std::ops::{Bound, RangeBounds};

use crate::btree::{See, Value};
use crate::error::ReadError;

use super::handle::{Snapshot, Transaction};
use super::source::{Entry, Source};

/// A place in a table's order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek<'k> {
    /// The last entry whose key is smaller.
    Before(&'k [u8]),
    /// The entry itself, or else the last one whose key is smaller.
    AtOrBefore(&'k [u8]),
    /// The entry itself, or else the first one whose key is larger.
    AtOrAfter(&'k [u8]),
    /// The first entry whose key is larger.
    After(&'k [u8]),
}

/// The first entry of `table`.
pub fn first(source: &impl Source, table: &str) -> Result<Option<Entry>, ReadError> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    source.entries(table, everything)?.next().transpose()
}

/// The last entry of `table`.
pub fn last(source: &impl Source, table: &str) -> Result<Option<Entry>, ReadError> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    source.entries(table, everything)?.next_back().transpose()
}

/// The entry at `place`.
pub fn seek(
    source: &impl Source,
    table: &str,
    place: Seek<'_>,
) -> Result<Option<Entry>, ReadError> {
    let from = |low| source.entries(table, (low, Bound::Unbounded));
    let to = |high| source.entries(table, (Bound::Unbounded, high));
    match place {
        Seek::Before(key) => to(Bound::Excluded(key))?.next_back(),
        Seek::AtOrBefore(key) => to(Bound::Included(key))?.next_back(),
        Seek::AtOrAfter(key) => from(Bound::Included(key))?.next(),
        Seek::After(key) => from(Bound::Excluded(key))?.next(),
    }
    .transpose()
}

/// The values of `keys`, in their order.
pub fn get_many<K: AsRef<[u8]>>(
    source: &impl Source,
    table: &str,
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<Option<Value>>, ReadError> {
    let keys: Vec<K> = keys.into_iter().collect();
    let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
    source.read_many(table, &keys)
}

/// How many entries of `table` have keys in `bounds`.
pub fn count<K: AsRef<[u8]>>(
    source: &impl Source,
    table: &str,
    bounds: &impl RangeBounds<K>,
) -> Result<u64, ReadError> {
    let bounds = (
        bounds.start_bound().map(K::as_ref),
        bounds.end_bound().map(K::as_ref),
    );
    source.count_entries(table, bounds)
}

/// Shows the first `count` entries of `table` within `bounds`.
pub fn visit<K: AsRef<[u8]>>(
    source: &impl Source,
    table: &str,
    bounds: &impl RangeBounds<K>,
    count: usize,
    see: &mut See<'_>,
) -> Result<usize, ReadError> {
    let bounds = (
        bounds.start_bound().map(K::as_ref),
        bounds.end_bound().map(K::as_ref),
    );
    source.visit_entries(table, bounds, count, see)
}

/// Gives a [`Source`] these reads as methods of its own.
macro_rules! queries {
    ($source:ty) => {
        impl $source {
            /// Whether `key` is in `table`.
            pub fn contains(
                &self,
                table: &str,
                key: &[u8],
            ) -> Result<bool, $crate::error::ReadError> {
                $crate::transaction::Source::has(self, table, key)
            }

            /// The values of `keys`, in their order, which is any; none for one that is absent. From a snapshot or the
            /// database many keys at a time cost less than one by one.
            pub fn get_many<K: AsRef<[u8]>>(
                &self,
                table: &str,
                keys: impl IntoIterator<Item = K>,
            ) -> Result<Vec<Option<$crate::btree::Value>>, $crate::error::ReadError> {
                $crate::transaction::get_many(self, table, keys)
            }

            /// The entry with the smallest key.
            pub fn first(
                &self,
                table: &str,
            ) -> Result<Option<$crate::transaction::Entry>, $crate::error::ReadError> {
                $crate::transaction::first(self, table)
            }

            /// The entry with the largest key.
            pub fn last(
                &self,
                table: &str,
            ) -> Result<Option<$crate::transaction::Entry>, $crate::error::ReadError> {
                $crate::transaction::last(self, table)
            }

            /// The entry at a place in the order of keys, which need not be there itself.
            pub fn seek(
                &self,
                table: &str,
                place: $crate::transaction::Seek<'_>,
            ) -> Result<Option<$crate::transaction::Entry>, $crate::error::ReadError> {
                $crate::transaction::seek(self, table, place)
            }

            /// Shows `see` the first `count` entries with keys in `bounds`, ascending, where they lie, and returns how many there
            /// were. Nothing is copied but the keys, put together one after the other, and nothing is read that is not shown, since it
            /// is known how many will be: for short ranges this costs less than a [`Range`](crate::Range). Damage is an error after the
            /// entries before it were shown.
            pub fn visit<K: AsRef<[u8]>>(
                &self,
                table: &str,
                bounds: impl std::ops::RangeBounds<K>,
                count: usize,
                mut see: impl FnMut(&[u8], &[u8]),
            ) -> Result<usize, $crate::error::ReadError> {
                $crate::transaction::visit(self, table, &bounds, count, &mut see)
            }

            /// How many entries have keys in `bounds`. Bounds that cross hold none. Walks the range; for all keys of a table give
            /// the type that `..` lacks: `count::<&[u8]>(table, ..)`.
            pub fn count<K: AsRef<[u8]>>(
                &self,
                table: &str,
                bounds: impl std::ops::RangeBounds<K>,
            ) -> Result<u64, $crate::error::ReadError> {
                $crate::transaction::count(self, table, &bounds)
            }
        }
    };
}
pub(crate) use queries;

queries!(Snapshot);
queries!(Transaction);
