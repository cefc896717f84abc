//! Chance.

use std::hash::{BuildHasher, Hasher, RandomState};

/// 64 unpredictable bits.
pub fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}
