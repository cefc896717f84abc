//! Strings and byte strings.
//!
//! A key that is not the last part has each zero byte written as `00 FF` and ends with `00 00`: of two of them the
//! one that ends where the other goes on is smaller, as it should be, because `00 00` is below any other byte and
//! below `00 FF`. A value that is not the last part is preceded by its length (LEB128), and so stays in one piece.

use std::borrow::Borrow;

use super::codec::{KeyCodec, Position, StartsWith, ValueCodec, take};

const ZERO: u8 = 0;
/// After a zero byte: the zero is a byte of the string.
const ESCAPED: u8 = 0xff;

fn encode_key(key: &[u8], position: Position, out: &mut Vec<u8>) {
    if position == Position::Last {
        out.extend_from_slice(key);
        return;
    }
    for byte in key {
        out.push(*byte);
        if *byte == ZERO {
            out.push(ESCAPED);
        }
    }
    out.extend_from_slice(&[ZERO, ZERO]);
}

fn decode_key(bytes: &mut &[u8], position: Position) -> Option<Vec<u8>> {
    if position == Position::Last {
        return Some(std::mem::take(bytes).to_vec());
    }
    let mut key = Vec::new();
    loop {
        let zero = bytes.iter().position(|byte| *byte == ZERO)?;
        let (piece, rest) = bytes.split_at_checked(zero)?;
        key.extend_from_slice(piece);
        *bytes = rest;
        match take::<2>(bytes)? {
            [_, ZERO] => return Some(key),
            [_, ESCAPED] => key.push(ZERO),
            _ => return None,
        }
    }
}

fn encode_value(value: &[u8], position: Position, out: &mut Vec<u8>) {
    if position == Position::Inner {
        push_len(value.len() as u64, out);
    }
    out.extend_from_slice(value);
}

fn decode_value<'a>(bytes: &mut &'a [u8], position: Position) -> Option<&'a [u8]> {
    let len = match position {
        Position::Inner => usize::try_from(take_len(bytes)?).ok()?,
        Position::Last => bytes.len(),
    };
    let (value, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(value)
}

fn push_len(mut len: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = (len & 0x7f).to_le_bytes();
        len >>= 7;
        if len == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take_len(bytes: &mut &[u8]) -> Option<u64> {
    let mut len = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = take(bytes)?;
        let bits = u64::from(byte & 0x7f);
        let placed = bits << shift;
        if placed >> shift != bits {
            return None;
        }
        len |= placed;
        if byte & 0x80 == 0 {
            return Some(len);
        }
    }
    None
}

/// Gives `$type` both codecs, over the bytes of `$borrowed`.
macro_rules! variable {
    ($($type:ty, $borrowed:ty, $owned:ty, $name:literal, $checked:expr, $checked_owned:expr;)+) => {$(
        impl KeyCodec for $type {
            type Ref<'a> = &'a $borrowed;
            type Owned = $owned;

            fn name() -> String {
                $name.to_owned()
            }

            fn encode_key(key: &$borrowed, position: Position, out: &mut Vec<u8>) {
                encode_key(key.as_ref(), position, out);
            }

            fn decode_key(bytes: &mut &[u8], position: Position) -> Option<$owned> {
                decode_key(bytes, position).and_then($checked_owned)
            }

            fn lend_key(owned: &$owned) -> &$borrowed {
                owned.borrow()
            }
        }

        impl ValueCodec for $type {
            type Ref<'a> = &'a $borrowed;
            type Owned = $owned;

            fn name() -> String {
                $name.to_owned()
            }

            fn encode_value(value: &$borrowed, position: Position, out: &mut Vec<u8>) {
                encode_value(value.as_ref(), position, out);
            }

            fn decode_value<'a>(bytes: &mut &'a [u8], position: Position) -> Option<&'a $borrowed> {
                decode_value(bytes, position).and_then($checked)
            }

            fn own(value: &$borrowed) -> $owned {
                value.to_owned()
            }

            fn lend_value(owned: &$owned) -> &$borrowed {
                owned.borrow()
            }
        }

        impl<'p> StartsWith<&'p $borrowed> for $type {
            fn encode_prefix(prefix: &'p $borrowed, out: &mut Vec<u8>) {
                out.extend_from_slice(prefix.as_ref());
            }
        }
    )+};
}

variable! {
    &str, str, String, "string", |b| std::str::from_utf8(b).ok(), |b| String::from_utf8(b).ok();
    String, str, String, "string", |b| std::str::from_utf8(b).ok(), |b| String::from_utf8(b).ok();
    &[u8], [u8], Vec<u8>, "byte string", Some, Some;
    Vec<u8>, [u8], Vec<u8>, "byte string", Some, Some;
}

impl<const N: usize> KeyCodec for [u8; N] {
    type Ref<'a> = &'a [u8; N];
    type Owned = [u8; N];

    fn name() -> String {
        format!("array of {N} bytes")
    }

    fn encode_key(key: &[u8; N], _: Position, out: &mut Vec<u8>) {
        out.extend_from_slice(key);
    }

    fn decode_key(bytes: &mut &[u8], _: Position) -> Option<[u8; N]> {
        take(bytes)
    }

    fn lend_key(owned: &[u8; N]) -> &[u8; N] {
        owned
    }
}

impl<const N: usize> ValueCodec for [u8; N] {
    type Ref<'a> = &'a [u8; N];
    type Owned = [u8; N];

    fn name() -> String {
        format!("array of {N} bytes")
    }

    fn encode_value(value: &[u8; N], _: Position, out: &mut Vec<u8>) {
        out.extend_from_slice(value);
    }

    fn decode_value<'a>(bytes: &mut &'a [u8], _: Position) -> Option<&'a [u8; N]> {
        let (value, rest) = bytes.split_first_chunk::<N>()?;
        *bytes = rest;
        Some(value)
    }

    fn own(value: &[u8; N]) -> [u8; N] {
        *value
    }

    fn lend_value(owned: &[u8; N]) -> &[u8; N] {
        owned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_back_and_too_long_ones_are_refused() {
        for len in [
            0,
            1,
            127,
            128,
            16_383,
            16_384,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let mut bytes = Vec::new();
            push_len(len, &mut bytes);
            assert_eq!(take_len(&mut &bytes[..]), Some(len));
            assert_eq!(take_len(&mut &bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(take_len(&mut &[0xff; 11][..]), None);
        let too_large = [&[0x80; 9][..], &[2]].concat();
        assert_eq!(take_len(&mut &too_large[..]), None);
    }
}
