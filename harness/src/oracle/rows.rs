//! Rows, and digests of sets of rows.
//!
//! The digest of a set of rows is the sum of the digests of its rows: it does not depend on their order, and
//! one row is added or taken out without looking at the others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// A table, by its place in the workload's list of tables.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TableId(pub u8);

impl TableId {
    /// A table that no workload writes: its keys are the names of the tables that there are.
    pub const CATALOG: Self = Self(u8::MAX);
}

/// The place of a row. As text its table, a colon, and its key with `%` and two digits for what is no plain character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

impl From<RowKey> for String {
    fn from(row: RowKey) -> Self {
        format!("{}:{}", row.table.0, plain_text(&row.key))
    }
}

impl TryFrom<String> for RowKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text.split_once(':');
        let row = parts.and_then(|(table, key)| {
            let table = TableId(table.parse().ok()?);
            Some(Self::new(table, &bytes_of(key)?))
        });
        row.ok_or("a row is written as its table, a colon and its key")
    }
}

/// Bytes as text: `%` and two hexadecimal digits for what is no plain character.
pub fn plain_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            // A `String` takes any text; there is no failure to report.
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

/// Reads what [`plain_text`] wrote.
pub fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first == b'%' {
            let (digits, others) = others.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = others;
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_from_its_text_whatever_its_key() {
        for key in [&b""[..], b"key/00012", b"100 %\x00\xff:", b"a:b"] {
            let row = RowKey::new(TableId(3), key);
            let text = String::from(row.clone());
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
            assert_eq!(RowKey::try_from(text), Ok(row));
        }
        for wrong in ["", "key", "x:key", "0:%", "0:%zz", "300:a"] {
            assert!(RowKey::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
