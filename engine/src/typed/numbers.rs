//! Types of one width: the same bytes as keys and as values, big-endian.

use super::codec::{KeyCodec, Position, ValueCodec, take};

/// Gives `$type` both codecs, from functions to and from an array of its bytes.
macro_rules! fixed {
    ($($type:ty: $name:literal, $to:expr, $from:expr;)+) => {$(
        impl KeyCodec for $type {
            type Ref<'a> = Self;
            type Owned = Self;

            fn name() -> String {
                $name.to_owned()
            }

            fn encode_key(key: Self, _: Position, out: &mut Vec<u8>) {
                out.extend_from_slice(&$to(key));
            }

            fn decode_key(bytes: &mut &[u8], _: Position) -> Option<Self> {
                take(bytes).and_then($from)
            }

            fn lend_key(owned: &Self) -> Self {
                *owned
            }
        }

        impl ValueCodec for $type {
            type Ref<'a> = Self;
            type Owned = Self;

            fn name() -> String {
                $name.to_owned()
            }

            fn encode_value(value: Self, position: Position, out: &mut Vec<u8>) {
                Self::encode_key(value, position, out);
            }

            fn decode_value(bytes: &mut &[u8], position: Position) -> Option<Self> {
                Self::decode_key(bytes, position)
            }

            fn own(value: Self) -> Self {
                value
            }

            fn lend_value(owned: &Self) -> Self {
                *owned
            }
        }
    )+};
}

fixed! {
    (): "()", |()| [], |[]: [u8; 0]| Some(());
    u8: "u8", u8::to_be_bytes, |bytes| Some(u8::from_be_bytes(bytes));
    u16: "u16", u16::to_be_bytes, |bytes| Some(u16::from_be_bytes(bytes));
    u32: "u32", u32::to_be_bytes, |bytes| Some(u32::from_be_bytes(bytes));
    u64: "u64", u64::to_be_bytes, |bytes| Some(u64::from_be_bytes(bytes));
    u128: "u128", u128::to_be_bytes, |bytes| Some(u128::from_be_bytes(bytes));
    i8: "i8", |n: i8| (n ^ i8::MIN).to_be_bytes(), |b| Some(i8::from_be_bytes(b) ^ i8::MIN);
    i16: "i16", |n: i16| (n ^ i16::MIN).to_be_bytes(), |b| Some(i16::from_be_bytes(b) ^ i16::MIN);
    i32: "i32", |n: i32| (n ^ i32::MIN).to_be_bytes(), |b| Some(i32::from_be_bytes(b) ^ i32::MIN);
    i64: "i64", |n: i64| (n ^ i64::MIN).to_be_bytes(), |b| Some(i64::from_be_bytes(b) ^ i64::MIN);
    i128: "i128", |n: i128| (n ^ i128::MIN).to_be_bytes(), |b| Some(i128::from_be_bytes(b) ^ i128::MIN);
    f32: "f32", f32_to_bytes, |bytes| Some(f32_from_bytes(bytes));
    f64: "f64", f64_to_bytes, |bytes| Some(f64_from_bytes(bytes));
    bool: "bool", |b| [u8::from(b)], |[byte]: [u8; 1]| match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    char: "char", |c| u32::from(c).to_be_bytes(), |bytes| char::from_u32(u32::from_be_bytes(bytes));
}

// The bits of a float, read as a number with a sign of its own, are in the order of `total_cmp` among the positive
// ones, and against it among the negative ones. So the sign bit is flipped for the former, all bits for the latter.

fn f32_to_bytes(number: f32) -> [u8; 4] {
    let bits = number.to_bits();
    let negative = bits >> 31 == 1;
    (if negative { !bits } else { bits | 1 << 31 }).to_be_bytes()
}

fn f32_from_bytes(bytes: [u8; 4]) -> f32 {
    let bits = u32::from_be_bytes(bytes);
    let positive = bits >> 31 == 1;
    f32::from_bits(if positive { bits ^ 1 << 31 } else { !bits })
}

fn f64_to_bytes(number: f64) -> [u8; 8] {
    let bits = number.to_bits();
    let negative = bits >> 63 == 1;
    (if negative { !bits } else { bits | 1 << 63 }).to_be_bytes()
}

fn f64_from_bytes(bytes: [u8; 8]) -> f64 {
    let bits = u64::from_be_bytes(bytes);
    let positive = bits >> 63 == 1;
    f64::from_bits(if positive { bits ^ 1 << 63 } else { !bits })
}
