//! Keys and values that are hard on a tree.

use proptest::collection::vec;
use proptest::prelude::*;

/// A key of one of several families; small parameters, so that keys meet again.
pub(super) fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => vec(prop_oneof![Just(0_u8), Just(1), Just(0xFF)], 0..7),
        3 => (0_u16..400).prop_map(|n| n.to_be_bytes().to_vec()),
        2 => (0_u16..300).prop_map(|n| format!("users/alpha/{n:05}").into_bytes()),
        2 => (0_usize..6, 0_u8..40).prop_map(|(len, last)| long_key(&[0, 3, 500, 511, 512, 4990], len, last)),
        1 => (0_usize..5000).prop_map(|len| vec![b'k'; len]),
        1 => (0_usize..5000).prop_map(|len| vec![0; len]),
        1 => vec(any::<u8>(), 0..40),
    ]
}

/// Keys that differ only after a long shared beginning.
fn long_key(lens: &[usize], len: usize, last: u8) -> Vec<u8> {
    let mut key = vec![b's'; lens[len]];
    key.push(last);
    key
}

/// A value, often short, sometimes around the inline limit, seldom large.
pub(super) fn value() -> impl Strategy<Value = Vec<u8>> {
    let filled = |len: usize, byte: u8| vec![byte; len];
    prop_oneof![
        8 => (0_usize..40, any::<u8>()).prop_map(move |(len, byte)| filled(len, byte)),
        4 => (0_usize..1100, any::<u8>()).prop_map(move |(len, byte)| filled(len, byte)),
        1 => (1020_usize..1030, any::<u8>()).prop_map(move |(len, byte)| filled(len, byte)),
        1 => (0_usize..100 * 1024, any::<u8>()).prop_map(move |(len, byte)| filled(len, byte)),
    ]
}

/// Deterministic numbers for tests that need many.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}
