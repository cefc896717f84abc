//! What types of keys and values promise.
//!
//! Invariants of every [`KeyCodec`]:
//! 1. Order: `a < b` exactly if `encode(a) < encode(b)`, as bytes, in either position.
//! 2. In [`Position::Inner`] no encoding is a prefix of another one, so that what follows cannot change the order.
//! 3. `decode` gives back what was encoded, and refuses bytes that `encode` does not make; it never panics.

/// Where a part stands in the whole: the last one needs no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// Another part follows.
    Inner,
    /// Nothing follows.
    Last,
}

/// A type of keys.
///
/// Implemented for integers of all widths but `usize` (whose width varies), `bool`, `char`, floats, strings, byte
/// strings, byte arrays, `Option`s (none first) and tuples (by their first part, then the second…) of these. Floats
/// are in the order of [`f64::total_cmp`]: -NaN, -∞ … -0, 0 … ∞, NaN. A type of one's own is best encoded as one of
/// these:
///
/// ```
/// use lightning_db::typed::{KeyCodec, Position};
///
/// struct UserId(u64);
///
/// impl KeyCodec for UserId {
///     type Ref<'a> = &'a UserId;
///     type Owned = UserId;
///     fn name() -> String {
///         "UserId".to_owned()
///     }
///     fn encode_key(key: &UserId, position: Position, out: &mut Vec<u8>) {
///         u64::encode_key(key.0, position, out);
///     }
///     fn decode_key(bytes: &mut &[u8], position: Position) -> Option<UserId> {
///         u64::decode_key(bytes, position).map(UserId)
///     }
///     fn lend_key(owned: &UserId) -> &UserId {
///         owned
///     }
/// }
/// ```
pub trait KeyCodec {
    /// What a key is written from.
    type Ref<'a>: Copy;
    /// What a key is read as.
    type Owned;

    /// What errors call the type.
    fn name() -> String;

    /// Appends the encoding of `key` to `out`.
    fn encode_key(key: Self::Ref<'_>, position: Position, out: &mut Vec<u8>);

    /// Takes one encoding off the front of `bytes`; in the last position all of them. None if they are no
    /// such encoding.
    fn decode_key(bytes: &mut &[u8], position: Position) -> Option<Self::Owned>;

    /// What `owned` is written from.
    fn lend_key(owned: &Self::Owned) -> Self::Ref<'_>;
}

/// A type of values.
///
/// Implemented for the types of keys, and `()`. Strings and byte strings are read where they lie in their page.
pub trait ValueCodec {
    /// What a value is written from, and read as without a copy.
    type Ref<'a>: Copy;
    /// What a value is read as when it is to stay.
    type Owned;

    /// What errors call the type.
    fn name() -> String;

    /// Appends the encoding of `value` to `out`.
    fn encode_value(value: Self::Ref<'_>, position: Position, out: &mut Vec<u8>);

    /// Takes one encoding off the front of `bytes`; in the last position all of them. None if they are no
    /// such encoding.
    fn decode_value<'a>(bytes: &mut &'a [u8], position: Position) -> Option<Self::Ref<'a>>;

    /// A value to keep.
    fn own(value: Self::Ref<'_>) -> Self::Owned;

    /// What `owned` is written from.
    fn lend_value(owned: &Self::Owned) -> Self::Ref<'_>;
}

/// Keys whose order groups them by `P`: tuples by their first parts, strings by how they begin.
pub trait StartsWith<P> {
    /// Appends what the encodings of exactly those keys begin with that start with `prefix`.
    fn encode_prefix(prefix: P, out: &mut Vec<u8>);
}

/// Takes `N` bytes off the front.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

/// The whole of `bytes` as a key.
pub(super) fn whole_key<K: KeyCodec>(mut bytes: &[u8]) -> Option<K::Owned> {
    let key = K::decode_key(&mut bytes, Position::Last)?;
    bytes.is_empty().then_some(key)
}

/// The whole of `bytes` as a value.
pub(super) fn whole_value<V: ValueCodec>(mut bytes: &[u8]) -> Option<V::Ref<'_>> {
    let value = V::decode_value(&mut bytes, Position::Last)?;
    bytes.is_empty().then_some(value)
}
