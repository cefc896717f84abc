//! `Option`: a byte 0 for none, which is the smallest, or 1 and what is there.

use super::codec::{KeyCodec, Position, ValueCodec, take};

impl<T: KeyCodec> KeyCodec for Option<T> {
    type Ref<'a> = Option<T::Ref<'a>>;
    type Owned = Option<T::Owned>;

    fn name() -> String {
        format!("optional {}", T::name())
    }

    fn encode_key(key: Self::Ref<'_>, position: Position, out: &mut Vec<u8>) {
        out.push(u8::from(key.is_some()));
        if let Some(key) = key {
            T::encode_key(key, position, out);
        }
    }

    fn decode_key(bytes: &mut &[u8], position: Position) -> Option<Self::Owned> {
        match take(bytes)? {
            [0] => Some(None),
            [1] => T::decode_key(bytes, position).map(Some),
            _ => None,
        }
    }

    fn lend_key(owned: &Self::Owned) -> Self::Ref<'_> {
        owned.as_ref().map(T::lend_key)
    }
}

impl<T: ValueCodec> ValueCodec for Option<T> {
    type Ref<'a> = Option<T::Ref<'a>>;
    type Owned = Option<T::Owned>;

    fn name() -> String {
        format!("optional {}", T::name())
    }

    fn encode_value(value: Self::Ref<'_>, position: Position, out: &mut Vec<u8>) {
        out.push(u8::from(value.is_some()));
        if let Some(value) = value {
            T::encode_value(value, position, out);
        }
    }

    fn decode_value<'a>(bytes: &mut &'a [u8], position: Position) -> Option<Self::Ref<'a>> {
        match take(bytes)? {
            [0] => Some(None),
            [1] => T::decode_value(bytes, position).map(Some),
            _ => None,
        }
    }

    fn own(value: Self::Ref<'_>) -> Self::Owned {
        value.map(T::own)
    }

    fn lend_value(owned: &Self::Owned) -> Self::Ref<'_> {
        owned.as_ref().map(T::lend_value)
    }
}
