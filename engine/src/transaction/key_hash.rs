//! Hashes of keys, for the conflict index.
//!
//! The hash is not a cryptographic one: who knows the seed can make keys of one hash. That costs them false conflicts, and
//! nothing else. It multiplies two words to 128 bits and folds the halves, as wyhash and its kin do.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::ids::PageNo;

/// Bits of pi, so that nothing is hidden in them.
const PI: [u64; 3] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
];

/// The hash of one key of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(u64);

/// Builds hashers that take a [`KeyHash`] for what it is.
pub type Hashed = BuildHasherDefault<AsIs>;

/// A hasher of what is hashed already.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsIs(u64);

impl KeyHash {
    /// Hashes `key` of the table under `root`. The same for the same seed and bytes, always.
    pub fn of(seed: u64, root: PageNo, key: &[u8]) -> Self {
        let [first, second, third] = PI;
        let mut state = fold(seed ^ first, u64::from(root.get()) ^ second);
        let (pairs, rest) = key.as_chunks::<16>();
        for pair in pairs {
            state = mix(state, pair);
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            state = mix(state, &last);
        }
        Self(fold(state ^ key.len() as u64, third))
    }
}

/// Takes 16 bytes in.
fn mix(state: u64, pair: &[u8; 16]) -> u64 {
    let both = u128::from_le_bytes(*pair);
    let [low, high] = halves(both);
    fold(low ^ state, high ^ state.rotate_left(32) ^ PI[1])
}

fn fold(a: u64, b: u64) -> u64 {
    let [low, high] = halves(u128::from(a) * u128::from(b));
    low ^ high
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "both halves are what is wanted"
)]
fn halves(both: u128) -> [u64; 2] {
    [both as u64, (both >> 64) as u64]
}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0);
    }
}

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = fold(self.0 ^ u64::from(*byte), PI[0]);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn seed_table_length_and_every_byte_count() {
        let mut seen = HashSet::new();
        let mut see = |seed, root, key: &[u8]| {
            assert!(
                seen.insert(KeyHash::of(seed, PageNo(root), key).0),
                "{key:?}"
            );
        };
        for len in 0..70 {
            let mut key = vec![0; len];
            see(0, 9, &key);
            see(1, 9, &key);
            see(0, 8, &key);
            for at in 0..len {
                key[at] = 1;
                see(0, 9, &key);
                key[at] = 0;
            }
        }
    }

    /// Buckets by low bits and tags by high ones are what a table of hashes needs.
    #[test]
    fn numbers_spread_over_low_and_high_bits() {
        let hashes = (0..4096_u64).map(|n| KeyHash::of(7, PageNo(2), &n.to_be_bytes()).0);
        let (mut low, mut high) = ([0_u32; 64], [0_u32; 64]);
        for hash in hashes {
            low[usize::try_from(hash % 64).unwrap()] += 1;
            high[usize::try_from(hash >> 58).unwrap()] += 1;
        }
        for count in low.into_iter().chain(high) {
            assert!((24..120).contains(&count), "{count} where 64 are even");
        }
    }
}
