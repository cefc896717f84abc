//! What a target showed: all rows of all tables, kept flat so that observing allocates nothing once warm.

use super::rows::{RowDigest, RowKey, RowMap, StateDigest, TableId};

/// The rows of all tables as scans returned them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    bytes: Vec<u8>,
    rows: Vec<Span>,
    digest: StateDigest,
    disorder: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    table: TableId,
    start: usize,
    key_len: usize,
    end: usize,
}

/// One row as observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedRow<'a> {
    /// Its table.
    pub table: TableId,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl Observed {
    /// Forgets all rows, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        self.digest = StateDigest::default();
        self.disorder = None;
    }

    /// Adds the next row; rows come by table, then by key.
    pub fn push(&mut self, table: TableId, key: &[u8], value: &[u8]) {
        if self
            .last()
            .is_some_and(|last| (last.table, last.key) >= (table, key))
        {
            self.disorder.get_or_insert(self.rows.len());
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.rows.push(Span {
            table,
            start,
            key_len: key.len(),
            end: self.bytes.len(),
        });
        self.digest.add(RowDigest::of(table, key, value));
    }

    /// Digest of all rows.
    pub fn digest(&self) -> StateDigest {
        self.digest
    }

    /// The first row that is not greater than the one before it.
    pub fn disorder(&self) -> Option<ObservedRow<'_>> {
        self.disorder
            .and_then(|index| self.rows.get(index))
            .map(|span| self.row(*span))
    }

    /// The rows in the order in which they came.
    pub fn rows(&self) -> impl Iterator<Item = ObservedRow<'_>> {
        self.rows.iter().map(|span| self.row(*span))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows as a map of their own.
    pub fn to_map(&self) -> RowMap {
        self.rows()
            .map(|row| (RowKey::new(row.table, row.key), row.value.into()))
            .collect()
    }

    fn last(&self) -> Option<ObservedRow<'_>> {
        self.rows.last().map(|span| self.row(*span))
    }

    fn row(&self, span: Span) -> ObservedRow<'_> {
        let (key, value) = self.bytes[span.start..span.end].split_at(span.key_len);
        ObservedRow {
            table: span.table,
            key,
            value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_their_digest_is_that_of_the_map() {
        let mut observed = Observed::default();
        observed.push(TableId(0), b"b", b"");
        observed.push(TableId(1), b"a", b"value");
        assert_eq!(observed.len(), 2);
        assert_eq!(observed.digest(), StateDigest::of(&observed.to_map()));
        assert_eq!(observed.disorder(), None);
        observed.clear();
        assert!(observed.is_empty());
        assert_eq!(observed.digest(), StateDigest::default());
    }

    #[test]
    fn a_row_that_comes_twice_is_disorder() {
        let mut observed = Observed::default();
        observed.push(TableId(0), b"a", b"1");
        observed.push(TableId(0), b"a", b"2");
        assert_eq!(
            observed.disorder().map(|row| row.value),
            Some(b"2".as_slice())
        );
    }
}
