//! What a transaction has written and not yet committed.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::btree::Value;
use crate::disk_format::commit_group::{Action, Operation};
use crate::image::Image;

use super::conflicts::KeyHash;

/// The writes to one table. `None` deletes.
pub type TableWrites = BTreeMap<Vec<u8>, Option<Value>>;

/// One write: a key and its value, or `None` for a deletion.
pub type Write<'t> = (&'t Vec<u8>, &'t Option<Value>);

/// The bounds of a range of keys.
pub type Bounds<'b> = (Bound<&'b [u8]>, Bound<&'b [u8]>);

/// Writes by table and key: the last one of each key.
#[derive(Debug, Default)]
pub struct WriteSet {
    tables: BTreeMap<String, TableWrites>,
    bytes: u64,
}

impl WriteSet {
    /// Notes a write.
    pub fn insert(&mut self, table: &str, key: &[u8], value: Option<&[u8]>) {
        let value = value.map(|bytes| Value::whole(Image::from(bytes)));
        self.bytes = self.bytes.saturating_add(size(key, value.as_deref()));
        if !self.tables.contains_key(table) {
            self.tables.insert(table.to_owned(), TableWrites::new());
        }
        let Some(writes) = self.tables.get_mut(table) else {
            return;
        };
        let value_len = value.as_deref().map(<[u8]>::len);
        if let Some(old) = writes.insert(key.to_owned(), value) {
            debug_assert!(
                value_len.is_none_or(|len| len as u64 <= self.bytes),
                "sizes add up"
            );
            self.bytes = self.bytes.saturating_sub(size(key, old.as_deref()));
        }
    }

    /// What was written to `key`, if anything: `Some(&None)` for a deletion.
    pub fn get(&self, table: &str, key: &[u8]) -> Option<&Option<Value>> {
        self.tables.get(table)?.get(key)
    }

    /// The writes to `table` within `bounds`, ascending.
    pub fn range<'t, C: FromIterator<Write<'t>>>(&'t self, table: &str, bounds: Bounds<'_>) -> C {
        let writes = self.tables.get(table).filter(|_| !is_empty_range(bounds));
        writes
            .into_iter()
            .flat_map(|writes| writes.range::<[u8], _>(bounds))
            .collect()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The size of all keys and values, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the size would be with one more write, which replaces an earlier one of the same key.
    pub fn bytes_with(&self, table: &str, key: &[u8], value: Option<&[u8]>) -> u64 {
        let replaced = self
            .get(table, key)
            .map_or(0, |old| size(key, old.as_deref()));
        self.bytes
            .saturating_add(size(key, value))
            .saturating_sub(replaced)
    }

    /// The writes, by table and key.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.tables.iter().flat_map(|(table, writes)| {
            writes.iter().map(|(key, value)| Operation {
                table,
                action: match value {
                    Some(value) => Action::Put { key, value },
                    None => Action::Delete { key },
                },
            })
        })
    }

    /// The hashes of the keys written, in the order of `operations`.
    pub fn key_hashes(&self) -> impl Iterator<Item = KeyHash> + '_ {
        self.keys().map(|(table, key)| KeyHash::of(table, key))
    }

    /// The keys written, in the order of `operations`.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let tables = self.tables.iter();
        tables.flat_map(|(table, writes)| writes.keys().map(|key| (table.as_str(), key.as_slice())))
    }
}

fn size(key: &[u8], value: Option<&[u8]>) -> u64 {
    (key.len() as u64).saturating_add(value.map_or(0, <[u8]>::len) as u64)
}

/// Whether no key can lie between the bounds: `BTreeMap::range` panics on some of these.
pub fn is_empty_range(bounds: Bounds<'_>) -> bool {
    match bounds {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high))
        | (Bound::Excluded(low), Bound::Included(high)) => low >= high,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_of_a_key_counts_and_sizes_add_up() {
        let mut writes = WriteSet::default();
        writes.insert("t", b"key", Some(b"long value"));
        writes.insert("t", b"key", Some(b"v"));
        writes.insert("u", b"key", None);
        assert_eq!(writes.bytes(), 4 + 3);
        assert_eq!(writes.bytes_with("t", b"key", Some(b"other")), 4 + 3 + 4);
        assert_eq!(writes.get("t", b"key").unwrap().as_deref(), Some(&b"v"[..]));
        assert!(matches!(writes.get("u", b"key"), Some(None)));
        assert!(writes.get("t", b"other").is_none());
        assert_eq!(writes.operations().count(), 2);
    }

    #[test]
    fn empty_ranges_are_seen_before_they_can_panic() {
        let mut writes = WriteSet::default();
        writes.insert("t", b"b", None);
        let (a, b) = (&b"a"[..], &b"b"[..]);
        let count = |low, high| writes.range::<Vec<_>>("t", (low, high)).len();
        assert_eq!(count(Bound::Excluded(b), Bound::Excluded(b)), 0);
        assert_eq!(count(Bound::Included(b), Bound::Included(a)), 0);
        assert_eq!(count(Bound::Included(a), Bound::Included(b)), 1);
        assert_eq!(count(Bound::Unbounded, Bound::Excluded(b)), 0);
    }
}
