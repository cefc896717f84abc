//! The one source of chance.
//!
//! A run is (commit, scenario, seed): everything that is drawn comes from a generator split, by name, from
//! the run's seed. Splitting depends on the seed and the names alone, never on how many numbers were drawn, so
//! that work can be done in any order and on any number of threads.
//!
//! The generator is xoshiro256** (Blackman, Vigna 2018), seeded through splitmix64 as its authors advise.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A seeded generator of pseudo-random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    key: u64,
    state: [u64; 4],
}

impl Rng {
    /// The generator of a run's seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut mix = seed;
        let state = std::array::from_fn(|_| split_mix(&mut mix));
        Self { key: seed, state }
    }

    /// The generator of a part of the work: the same for equal (seed, names, indices), however many
    /// numbers were drawn from `self`.
    #[must_use]
    pub fn split(&self, name: &str, index: u64) -> Self {
        let mut mix = xxh3_64_with_seed(name.as_bytes(), self.key) ^ index.rotate_left(32);
        Self::from_seed(split_mix(&mut mix))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s1.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= t;
        *s3 = s3.rotate_left(45);
        result
    }

    /// A number in `0..bound`, each as likely as the next to within 2^-64; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// An index into something of `len` elements; 0 if it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let unit = (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < p
    }

    /// One of `items`, or none if there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// Puts `items` in a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next_u64().to_le_bytes()[..part.len()]);
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_does_not_depend_on_what_was_drawn() {
        let fresh = Rng::from_seed(7);
        let mut used = fresh.clone();
        used.next_u64();
        assert_eq!(fresh.split("cut", 3), used.split("cut", 3));
    }

    #[test]
    fn splits_differ_by_seed_name_and_index() {
        let rng = Rng::from_seed(7);
        let all = [
            rng.split("cut", 0),
            rng.split("cut", 1),
            rng.split("swarm", 0),
            Rng::from_seed(8).split("cut", 0),
            rng.split("cut", 0).split("cut", 0),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn the_stream_is_fixed_for_ever() {
        let mut rng = Rng::from_seed(0);
        assert_eq!(rng.next_u64(), 0x99ec_5f36_cb75_f2b4);
        assert_eq!(rng.next_u64(), 0xbf6e_1f78_4956_452a);
    }

    #[test]
    fn below_reaches_every_number_and_no_other() {
        let mut rng = Rng::from_seed(1);
        let mut seen = [0_u32; 5];
        for _ in 0..1000 {
            seen[usize::try_from(rng.below(5)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&n| n > 150), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        Rng::from_seed(1).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
