//! What is stored and asked for: everything from a seed, the same for every engine.

/// Length of a key in bytes.
pub const KEY_LEN: usize = 24;
/// Length of a value in bytes, where a row does not say otherwise.
pub const VALUE_LEN: usize = 150;

/// A generator of pseudo-random numbers: splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator for one purpose of one run.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A number from 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The key of record `number`: 24 bytes that look random.
pub fn key(number: u64) -> [u8; KEY_LEN] {
    let mut random = Random::new(number ^ 0x1234_5678_9abc_def0);
    let mut key = [0; KEY_LEN];
    for chunk in key.chunks_mut(8) {
        chunk.copy_from_slice(&random.next_u64().to_be_bytes());
    }
    key
}

/// The shortest value that tells what it is.
const SIGNED_LEN: usize = 16;

/// Fills `buffer`, of 16 bytes or more, with the value of `key` as written for the `generation`-th time: bytes that
/// do not compress, and that only this key has.
pub fn value(key: &[u8], generation: u64, buffer: &mut [u8]) {
    let tag = tag(key);
    let mut random = Random::new(tag ^ generation);
    for (index, chunk) in buffer.chunks_mut(8).enumerate() {
        let word = match index {
            0 => tag,
            1 => generation ^ mix(tag),
            _ => random.next_u64(),
        };
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
}

/// Whether `value` is one of `key`, by its first bytes: cheap enough to be asked of every read.
pub fn is_of(key: &[u8], value: &[u8]) -> bool {
    value.first_chunk() == Some(&tag(key).to_le_bytes())
}

/// The generation of `value` if all of its bytes are as they were written for `key`.
pub fn generation(key: &[u8], stored: &[u8]) -> Option<u64> {
    let (_, word) = stored.get(..SIGNED_LEN)?.split_last_chunk()?;
    let generation = u64::from_le_bytes(*word) ^ mix(tag(key));
    let mut expected = vec![0; stored.len()];
    value(key, generation, &mut expected);
    (expected == stored).then_some(generation)
}

fn tag(key: &[u8]) -> u64 {
    let head = key.first_chunk().copied().unwrap_or_default();
    mix(u64::from_be_bytes(head) ^ 0x5851_f42d_4c95_7f2d)
}

/// Record numbers of a skewed popularity: the generator of Gray et al., "Quickly generating billion-record
/// synthetic databases" (1994), which YCSB uses, with its constant 0.99.
#[derive(Clone, Copy, Debug)]
pub struct Zipf {
    count: u64,
    theta: f64,
    alpha: f64,
    zeta_n: f64,
    eta: f64,
}

impl Zipf {
    /// Over `count` records.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub fn new(count: u64) -> Self {
        let theta = 0.99;
        let zeta = |n: u64| (1..=n).map(|i| (i as f64).powf(-theta)).sum::<f64>();
        let (zeta_n, zeta_2) = (zeta(count), zeta(2));
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - theta)) / (1.0 - zeta_2 / zeta_n);
        Self {
            count,
            theta,
            alpha: 1.0 / (1.0 - theta),
            zeta_n,
            eta,
        }
    }

    /// A rank: 0 is the most popular.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and count"
    )]
    pub fn rank(&self, random: &mut Random) -> u64 {
        let u = random.unit();
        let uz = u * self.zeta_n;
        if uz < 1.0 {
            return 0;
        }
        if uz < 1.0 + 0.5_f64.powf(self.theta) {
            return 1;
        }
        let rank = self.count as f64 * (self.eta * u - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.count - 1)
    }

    /// A record: popular ones lie anywhere among the others.
    pub fn record(&self, random: &mut Random) -> u64 {
        mix(self.rank(random).wrapping_add(1)) % self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_depend_on_their_numbers_only() {
        assert_eq!(key(7), key(7));
        assert_ne!(key(7), key(8));
        let (mut a, mut b) = ([0; VALUE_LEN], [0; VALUE_LEN]);
        value(&key(7), 0, &mut a);
        value(&key(7), 1, &mut b);
        assert_ne!(a, b);
    }

    #[test]
    fn a_value_tells_its_key_its_generation_and_every_changed_byte() {
        for len in [16, 17, VALUE_LEN, 4096] {
            let mut bytes = vec![0; len];
            value(&key(7), 3, &mut bytes);
            assert!(is_of(&key(7), &bytes) && !is_of(&key(8), &bytes));
            assert_eq!(generation(&key(7), &bytes), Some(3));
            for place in 0..len.min(100) {
                bytes[place] ^= 1;
                assert_ne!(
                    generation(&key(7), &bytes),
                    Some(3),
                    "byte {place} of {len}"
                );
                bytes[place] ^= 1;
            }
        }
    }

    #[test]
    fn a_few_records_get_most_of_the_requests() {
        let zipf = Zipf::new(10_000);
        let mut random = Random::new(1);
        let popular = (0..10_000).filter(|_| zipf.rank(&mut random) < 100).count();
        assert!((4_000..8_000).contains(&popular), "{popular}");
    }
}
