//! Fixed fields of structures whose length is known: integers at known offsets, and a checksum that skips its
//! own field. Reading past the end gives zeroes, which every decoder here refuses by checksum.

use super::codec::{checksum, get_u8, get_u32, get_u64, put_bytes};

/// The byte at `at`; 0 past the end.
pub(super) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    get_u8(bytes, at).unwrap_or(0)
}

/// The integer at `at`; 0 past the end.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    get_u32(bytes, at).unwrap_or(0)
}

/// The integer at `at`; 0 past the end.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    get_u64(bytes, at).unwrap_or(0)
}

/// Puts `field` at `at`, which must lie inside `bytes`.
pub(super) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    let fits = put_bytes(bytes, at, field);
    debug_assert!(
        fits.is_some(),
        "a field of {} bytes at {at} is outside",
        field.len()
    );
}

/// CRC32C of `bytes` with the four bytes at `at` taken as zeroes.
pub(super) fn crc_without(bytes: &[u8], at: usize) -> u32 {
    let (before, rest) = bytes.split_at(at.min(bytes.len()));
    let (field, after) = rest.split_at(rest.len().min(4));
    let (zeroes, _) = [0; 4].split_at(field.len());
    checksum(&[before, zeroes, after])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_skips_its_own_field() {
        let mut bytes = [7_u8; 20];
        let sum = crc_without(&bytes, 8);
        put(&mut bytes, 8, &sum.to_le_bytes());
        assert_eq!(crc_without(&bytes, 8), sum);
        bytes[12] ^= 1;
        assert_ne!(crc_without(&bytes, 8), sum);
    }

    #[test]
    fn fields_past_the_end_read_as_zero() {
        assert_eq!(u32_at(&[255; 6], 4), 0);
        assert_eq!(u64_at(&[], usize::MAX), 0);
        assert_eq!(crc_without(&[1, 2], 9), crc32c::crc32c(&[1, 2]));
    }
}
