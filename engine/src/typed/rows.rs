//! The rows of a typed table, from both ends.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::error::ReadError;
use crate::transaction::{Entry, Range};

use super::codec::{KeyCodec, ValueCodec, whole_key};
use super::error::{DecodeError, Part, TypedError};
use super::stored::Stored;

/// Rows in the order of their keys, each a key and a value of one's own.
///
/// A row that is not of the table's types is an error in its place, and the next row follows. Damage is an error
/// that all further items repeat.
pub struct Rows<'s, K, V> {
    rows: RefRows<'s, K, V>,
}

/// As [`Rows`], with values that are read where they lie.
pub struct RefRows<'s, K, V> {
    table: Cow<'static, str>,
    range: Range<'s>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<'s, K: KeyCodec, V: ValueCodec> Rows<'s, K, V> {
    pub(super) fn new(table: Cow<'static, str>, range: Range<'s>) -> Self {
        Self {
            rows: RefRows {
                table,
                range,
                types: PhantomData,
            },
        }
    }

    /// The same rows, their values not copied.
    pub fn refs(self) -> RefRows<'s, K, V> {
        self.rows
    }
}

impl<K: KeyCodec, V: ValueCodec> RefRows<'_, K, V> {
    fn row(&self, entry: Result<Entry, ReadError>) -> Result<(K::Owned, Stored<V>), TypedError> {
        let (bytes, value) = entry?;
        match whole_key::<K>(&bytes) {
            Some(key) => {
                let stored = Stored {
                    table: self.table.clone(),
                    key: bytes.into_vec(),
                    value,
                    types: PhantomData,
                };
                Ok((key, stored))
            }
            None => Err(TypedError::Decode(Box::new(DecodeError {
                table: self.table.clone().into_owned(),
                key: bytes.into_vec(),
                part: Part::Key,
                expected: K::name(),
            }))),
        }
    }
}

type RefRow<K, V> = Result<(<K as KeyCodec>::Owned, Stored<V>), TypedError>;
/// A key and a value of one's own.
pub type Row<K, V> = (<K as KeyCodec>::Owned, <V as ValueCodec>::Owned);

fn owned<K: KeyCodec, V: ValueCodec>(row: RefRow<K, V>) -> Result<Row<K, V>, TypedError> {
    let (key, value) = row?;
    let value = V::own(value.get()?);
    Ok((key, value))
}

impl<K: KeyCodec, V: ValueCodec> Iterator for RefRows<'_, K, V> {
    type Item = RefRow<K, V>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.range.next()?;
        Some(self.row(entry))
    }
}

impl<K: KeyCodec, V: ValueCodec> DoubleEndedIterator for RefRows<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.range.next_back()?;
        Some(self.row(entry))
    }
}

impl<K: KeyCodec, V: ValueCodec> Iterator for Rows<'_, K, V> {
    type Item = Result<Row<K, V>, TypedError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next().map(owned::<K, V>)
    }
}

impl<K: KeyCodec, V: ValueCodec> DoubleEndedIterator for Rows<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rows.next_back().map(owned::<K, V>)
    }
}

impl<K, V> fmt::Debug for Rows<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows of {:?}", self.rows.table)
    }
}

impl<K, V> fmt::Debug for RefRows<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefRows of {:?}", self.table)
    }
}
