//! A table whose keys and values have types.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use crate::btree::Value;
use crate::error::{ReadError, WriteError};
use crate::transaction::{Entry, Source, Transaction, prefix_bounds};

use super::codec::{KeyCodec, Position, StartsWith, ValueCodec, whole_key};
use super::error::{DecodeError, Part, TypedError};
use super::rows::{Row, Rows};
use super::stored::Stored;

/// A table of keys `K` and values `V`: a name and two types, nothing else. What is stored is bytes, which the
/// table of that name shows too.
///
/// The types are not stored. An entry that is not of them is an error that names the table and the key, never a
/// wrong value of another length, and never a panic; but a `u64` can be read as an `i64`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lightning_db::typed::Table;
/// use lightning_db::{Database, Options};
///
/// const USERS: Table<u64, &str> = Table::new("users");
/// /// When, by whom: what.
/// const EVENTS: Table<(u64, &str), (bool, &str)> = Table::new("events");
///
/// let db = Database::in_memory(Options::new())?;
/// let mut txn = db.begin()?;
/// USERS.put(&mut txn, 2, "grace")?;
/// USERS.put(&mut txn, 1, "ada")?;
/// EVENTS.put(&mut txn, (1906, "grace"), (true, "born"))?;
/// EVENTS.put(&mut txn, (1947, "grace"), (true, "found a bug"))?;
/// txn.commit()?;
///
/// let snapshot = db.snapshot()?;
/// assert_eq!(USERS.get(&snapshot, 1)?.as_deref(), Some("ada"));
/// let users: Result<Vec<_>, _> = USERS.range(&snapshot, 1..)?.collect();
/// assert_eq!(users?, [(1, "ada".to_owned()), (2, "grace".to_owned())]);
/// for row in EVENTS.prefix(&snapshot, (1947,))?.refs() {
///     let ((year, who), what) = row?;
///     let (_, what) = what.get()?; // points into the page
///     assert_eq!((year, who.as_str(), what), (1947, "grace", "found a bug"));
/// }
/// # Ok(())
/// # }
/// ```
pub struct Table<K, V> {
    name: Cow<'static, str>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Table<K, V> {
    /// The table called `name`.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            types: PhantomData,
        }
    }

    /// The table of a name that is known only later.
    pub const fn named(name: String) -> Self {
        Self {
            name: Cow::Owned(name),
            types: PhantomData,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Encodings.
impl<K: KeyCodec, V: ValueCodec> Table<K, V> {
    /// The bytes that `key` is stored as.
    pub fn key_bytes(&self, key: K::Ref<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        K::encode_key(key, Position::Last, &mut bytes);
        bytes
    }

    /// The bytes that `value` is stored as.
    pub fn value_bytes(&self, value: V::Ref<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        V::encode_value(value, Position::Last, &mut bytes);
        bytes
    }

    /// The row that is stored as `key` and `value`.
    pub fn decode(&self, key: &[u8], value: &Value) -> Result<Row<K, V>, TypedError> {
        let typed_key = whole_key::<K>(key).ok_or_else(|| {
            Box::new(DecodeError {
                table: self.name.clone().into_owned(),
                key: key.to_vec(),
                part: Part::Key,
                expected: K::name(),
            })
        })?;
        Ok((typed_key, self.own(key.to_vec(), value.clone())?))
    }

    fn stored(&self, key: Vec<u8>, value: Value) -> Stored<V> {
        Stored {
            table: self.name.clone(),
            key,
            value,
            types: PhantomData,
        }
    }

    fn own(&self, key: Vec<u8>, value: Value) -> Result<V::Owned, TypedError> {
        self.stored(key, value).get().map(V::own)
    }

    fn row(&self, entry: Option<Entry>) -> Result<Option<Row<K, V>>, TypedError> {
        entry
            .map(|(key, value)| self.decode(&key, &value))
            .transpose()
    }

    fn bounds<'k>(
        &self,
        bounds: &impl RangeBounds<K::Ref<'k>>,
    ) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let encode = |key: &K::Ref<'k>| self.key_bytes(*key);
        (
            bounds.start_bound().map(encode),
            bounds.end_bound().map(encode),
        )
    }
}

/// Reading, from a [`Snapshot`](crate::Snapshot), a [`Transaction`] or a [`Database`](crate::Database).
impl<K: KeyCodec, V: ValueCodec> Table<K, V> {
    /// The value of `key`.
    pub fn get(
        &self,
        source: &impl Source,
        key: K::Ref<'_>,
    ) -> Result<Option<V::Owned>, TypedError> {
        let key = self.key_bytes(key);
        let value = source.read(&self.name, &key)?;
        value.map(|value| self.own(key, value)).transpose()
    }

    /// The value of `key`, where it lies.
    pub fn get_ref(
        &self,
        source: &impl Source,
        key: K::Ref<'_>,
    ) -> Result<Option<Stored<V>>, ReadError> {
        let key = self.key_bytes(key);
        let value = source.read(&self.name, &key)?;
        Ok(value.map(|value| self.stored(key, value)))
    }

    /// The values of `keys`, in their order.
    pub fn get_many<'k>(
        &self,
        source: &impl Source,
        keys: impl IntoIterator<Item = K::Ref<'k>>,
    ) -> Result<Vec<Option<V::Owned>>, TypedError> {
        let keys: Vec<_> = keys.into_iter().map(|key| self.key_bytes(key)).collect();
        let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let values = source.read_many(&self.name, &slices)?;
        let own = |(key, value): (Vec<u8>, Option<Value>)| {
            value.map(|value| self.own(key, value)).transpose()
        };
        keys.into_iter().zip(values).map(own).collect()
    }

    /// Whether `key` is there.
    pub fn contains(&self, source: &impl Source, key: K::Ref<'_>) -> Result<bool, ReadError> {
        source.has(&self.name, &self.key_bytes(key))
    }

    /// The rows with keys in `bounds`, from both ends.
    pub fn range<'s, 'k>(
        &self,
        source: &'s impl Source,
        bounds: impl RangeBounds<K::Ref<'k>>,
    ) -> Result<Rows<'s, K, V>, ReadError> {
        let (low, high) = self.bounds(&bounds);
        let bounds = (
            low.as_ref().map(Vec::as_slice),
            high.as_ref().map(Vec::as_slice),
        );
        let range = source.entries(&self.name, bounds)?;
        Ok(Rows::new(self.name.clone(), range))
    }

    /// The rows whose keys start with `prefix`: some of a tuple's first parts, `(a,)` or `(a, b)`, or how a
    /// string begins.
    pub fn prefix<'s, P>(
        &self,
        source: &'s impl Source,
        prefix: P,
    ) -> Result<Rows<'s, K, V>, ReadError>
    where
        K: StartsWith<P>,
    {
        let (mut start, mut end) = (Vec::new(), Vec::new());
        K::encode_prefix(prefix, &mut start);
        let range = source.entries(&self.name, prefix_bounds(&start, &mut end))?;
        Ok(Rows::new(self.name.clone(), range))
    }

    /// How many rows have keys in `bounds`.
    pub fn count<'k>(
        &self,
        source: &impl Source,
        bounds: impl RangeBounds<K::Ref<'k>>,
    ) -> Result<u64, ReadError> {
        let (low, high) = self.bounds(&bounds);
        let bounds = (
            low.as_ref().map(Vec::as_slice),
            high.as_ref().map(Vec::as_slice),
        );
        source.count_entries(&self.name, bounds)
    }

    /// The row with the smallest key.
    pub fn first(&self, source: &impl Source) -> Result<Option<Row<K, V>>, TypedError> {
        self.row(crate::transaction::first(source, &self.name)?)
    }

    /// The row with the largest key.
    pub fn last(&self, source: &impl Source) -> Result<Option<Row<K, V>>, TypedError> {
        self.row(crate::transaction::last(source, &self.name)?)
    }
}

/// Writing, in a [`Transaction`].
impl<K: KeyCodec, V: ValueCodec> Table<K, V> {
    /// Sets `key` to `value`.
    pub fn put(
        &self,
        txn: &mut Transaction,
        key: K::Ref<'_>,
        value: V::Ref<'_>,
    ) -> Result<(), WriteError> {
        txn.put(&self.name, &self.key_bytes(key), &self.value_bytes(value))
    }

    /// Removes `key`, if it is there.
    pub fn delete(&self, txn: &mut Transaction, key: K::Ref<'_>) -> Result<(), WriteError> {
        txn.delete(&self.name, &self.key_bytes(key))
    }

    /// Removes `key`, and returns the value that it had. If that is not of the table's type nothing is removed.
    pub fn take(
        &self,
        txn: &mut Transaction,
        key: K::Ref<'_>,
    ) -> Result<Option<V::Owned>, TypedError> {
        let old = self.get(txn, key)?;
        if old.is_some() {
            self.delete(txn, key)?;
        }
        Ok(old)
    }

    /// Replaces the value of `key` by what `change` makes of it; none stands for an absent key on both sides.
    pub fn update(
        &self,
        txn: &mut Transaction,
        key: K::Ref<'_>,
        change: impl FnOnce(Option<V::Owned>) -> Option<V::Owned>,
    ) -> Result<(), TypedError> {
        match change(self.get(txn, key)?) {
            Some(new) => self.put(txn, key, V::lend_value(&new))?,
            None => self.delete(txn, key)?,
        }
        Ok(())
    }

    /// Sets `key` to `value` if it is absent; otherwise leaves it, and returns what is there.
    pub fn put_if_absent(
        &self,
        txn: &mut Transaction,
        key: K::Ref<'_>,
        value: V::Ref<'_>,
    ) -> Result<Option<V::Owned>, TypedError> {
        let present = self.get(txn, key)?;
        if present.is_none() {
            self.put(txn, key, value)?;
        }
        Ok(present)
    }

    /// Sets `key` to `new` (none removes it) if its value is `expected` (none: if it is absent), compared as
    /// they are stored; otherwise leaves it, and returns what is there.
    pub fn compare_and_swap(
        &self,
        txn: &mut Transaction,
        key: K::Ref<'_>,
        expected: Option<V::Ref<'_>>,
        new: Option<V::Ref<'_>>,
    ) -> Result<Result<(), Option<V::Owned>>, TypedError> {
        let key = self.key_bytes(key);
        let bytes = |value: Option<V::Ref<'_>>| value.map(|value| self.value_bytes(value));
        let (expected, new) = (bytes(expected), bytes(new));
        let swapped =
            txn.compare_and_swap(&self.name, &key, expected.as_deref(), new.as_deref())?;
        match swapped {
            Ok(()) => Ok(Ok(())),
            Err(mismatch) => {
                let actual = mismatch.actual.map(|value| self.own(key, value));
                Ok(Err(actual.transpose()?))
            }
        }
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            types: PhantomData,
        }
    }
}

impl<K: KeyCodec, V: ValueCodec> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({:?}: {} to {})", self.name, K::name(), V::name())
    }
}
