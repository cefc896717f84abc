//! Little-endian fields in byte slices, checksums, and the error of every decoder.
//!
//! Nothing here panics on any input: a reader of a field that isn't there answers `None`, a writer of one
//! that doesn't fit writes nothing and says so. It knows no structure of the database.

use std::fmt;

/// Bytes that are not what a decoder was asked for. Numbers only, so that refusing costs nothing: recovery
/// decodes many places in which nothing is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// The structure and field, such as `log frame checksum`.
    pub what: &'static str,
    /// What should be there.
    pub expected: u64,
    /// What is there.
    pub actual: u64,
}

impl FormatError {
    /// `what` should be `expected` and is `actual`.
    pub const fn new(what: &'static str, expected: u64, actual: u64) -> Self {
        Self {
            what,
            expected,
            actual,
        }
    }

    /// What should be there, in words: for the `expected` of a corruption.
    pub fn expected_text(&self) -> String {
        format!("{} {:#x}", self.what, self.expected)
    }

    /// What is there, in words: for the `actual` of a corruption.
    pub fn actual_text(&self) -> String {
        format!("{:#x}", self.actual)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected {} {:#x}, found {:#x}",
            self.what, self.expected, self.actual
        )
    }
}

impl std::error::Error for FormatError {}

/// `Ok` where `actual` is `expected`.
pub fn expect(what: &'static str, expected: u64, actual: u64) -> Result<(), FormatError> {
    if expected == actual {
        Ok(())
    } else {
        Err(FormatError::new(what, expected, actual))
    }
}

/// The first `N` bytes of a structure; too short a slice is an error that names the length as `what`.
pub fn head<'a, const N: usize>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<&'a [u8; N], FormatError> {
    bytes
        .first_chunk::<N>()
        .ok_or_else(|| FormatError::new(what, N as u64, bytes.len() as u64))
}

/// The `N` bytes at `offset`.
pub fn get_array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

/// The byte at `offset`.
pub fn get_u8(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// The `u16` at `offset`.
pub fn get_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    get_array(bytes, offset).map(u16::from_le_bytes)
}

/// The `u32` at `offset`.
pub fn get_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    get_array(bytes, offset).map(u32::from_le_bytes)
}

/// The `u64` at `offset`.
pub fn get_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    get_array(bytes, offset).map(u64::from_le_bytes)
}

/// Writes `value` at `offset`; `None`, and nothing written, if it doesn't fit.
#[must_use]
pub fn put_bytes(bytes: &mut [u8], offset: usize, value: &[u8]) -> Option<()> {
    bytes
        .get_mut(offset..)?
        .get_mut(..value.len())?
        .copy_from_slice(value);
    Some(())
}

/// Writes a `u16` at `offset`; `None`, and nothing written, if it doesn't fit.
#[must_use]
pub fn put_u16(bytes: &mut [u8], offset: usize, value: u16) -> Option<()> {
    put_bytes(bytes, offset, &value.to_le_bytes())
}

/// Writes a `u32` at `offset`; `None`, and nothing written, if it doesn't fit.
#[must_use]
pub fn put_u32(bytes: &mut [u8], offset: usize, value: u32) -> Option<()> {
    put_bytes(bytes, offset, &value.to_le_bytes())
}

/// Writes a `u64` at `offset`; `None`, and nothing written, if it doesn't fit.
#[must_use]
pub fn put_u64(bytes: &mut [u8], offset: usize, value: u64) -> Option<()> {
    put_bytes(bytes, offset, &value.to_le_bytes())
}

/// CRC32C of `parts` joined.
pub fn checksum(parts: &[&[u8]]) -> u32 {
    parts
        .iter()
        .fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// Builds a structure of `N` bytes field by field, from its start; what is not written stays zero.
///
/// Layouts are constants: a field past the end is a mistake in the program, which debug builds assert.
#[derive(Debug)]
pub struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Default for Writer<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            at: 0,
        }
    }
}

impl<const N: usize> Writer<N> {
    /// An empty structure.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes as they are.
    #[must_use]
    pub fn bytes(mut self, value: &[u8]) -> Self {
        let written = put_bytes(&mut self.bytes, self.at, value);
        debug_assert!(written.is_some(), "a field at {} of {N} bytes", self.at);
        self.at = self.at.saturating_add(value.len());
        self
    }

    /// Appends a byte.
    #[must_use]
    pub fn u8(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    /// Appends a `u16`.
    #[must_use]
    pub fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a `u32`.
    #[must_use]
    pub fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a `u64`.
    #[must_use]
    pub fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// The structure.
    pub fn finish(self) -> [u8; N] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_little_endian() {
        let bytes = Writer::<16>::new()
            .u8(1)
            .u8(2)
            .u16(0x0304)
            .u32(0x0506_0708)
            .u64(9)
            .finish();
        assert_eq!(bytes, [1, 2, 4, 3, 8, 7, 6, 5, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(get_u16(&bytes, 2), Some(0x0304));
        assert_eq!(get_u32(&bytes, 4), Some(0x0506_0708));
        assert_eq!(get_u64(&bytes, 8), Some(9));
    }

    #[test]
    fn a_field_that_does_not_fit_is_not_written_in_part() {
        let mut bytes = [7; 4];
        assert_eq!(put_u32(&mut bytes, 1, 0), None);
        assert_eq!(put_u64(&mut bytes, usize::MAX, 0), None);
        assert_eq!(bytes, [7; 4]);
    }

    #[test]
    fn checksum_of_parts_is_that_of_the_whole() {
        assert_eq!(checksum(&[b"1234", b"", b"56789"]), 0xe306_9283);
    }

    proptest! {
        #[test]
        fn reading_any_offset_of_any_bytes_never_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..32),
            offset in prop_oneof![0_usize..40, any::<usize>()],
        ) {
            prop_assert_eq!(get_u8(&bytes, offset).is_some(), offset < bytes.len());
            let room = bytes.len().saturating_sub(offset);
            prop_assert_eq!(get_u16(&bytes, offset).is_some(), room >= 2);
            prop_assert_eq!(get_u32(&bytes, offset).is_some(), room >= 4);
            prop_assert_eq!(get_u64(&bytes, offset).is_some(), room >= 8);
        }
    }
}
