//! The header of a log frame: 64 bytes, all little-endian.
//!
//! `magic u32 | header_crc u32 | salt u64 | segment seq u64 | position u64 | durable u64 | payload_len u32 |
//! payload_crc u32 | prev_chain u32 | flags u8 | zeroes`. `header_crc` covers the other 60 bytes and is the frame's
//! chain value. What a valid header means where it is found is `wal`'s business.

use super::codec::{self, FormatError, Writer, expect};
use crate::ids::{Lsn, SegmentSeq};

/// Length of a frame's header in bytes.
pub const FRAME_HEADER_LEN: usize = 64;
/// A frame starts at a multiple of this many bytes.
pub const FRAME_ALIGNMENT: u64 = 64;

const MAGIC: u32 = u32::from_le_bytes(*b"LDBf");
const FIRST: u8 = 1;
const LAST: u8 = 2;
const CRC_AT: usize = 4;

/// What a frame says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The database's.
    pub salt: u64,
    /// The segment that it was written into.
    pub segment: SegmentSeq,
    /// Where it starts.
    pub position: Lsn,
    /// What was known durable when it was written.
    pub durable: Lsn,
    /// Length of the payload behind the header, in bytes.
    pub payload_len: u32,
    /// CRC32C of the payload.
    pub payload_crc: u32,
    /// The chain value of the frame, or segment header, just before.
    pub prev_chain: u32,
    /// Whether a commit group starts with it.
    pub first_part: bool,
    /// Whether a commit group ends with it.
    pub last_part: bool,
}

impl FrameHeader {
    /// The header's bytes, and the frame's chain value.
    pub fn encode(&self) -> ([u8; FRAME_HEADER_LEN], u32) {
        let mut bytes = self.layout();
        let crc = crc_around(&bytes);
        if let Some(place) = bytes.get_mut(CRC_AT..CRC_AT + 4) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
        (bytes, crc)
    }

    /// The header without its checksum.
    fn layout(&self) -> [u8; FRAME_HEADER_LEN] {
        let flags = if self.first_part { FIRST } else { 0 } | if self.last_part { LAST } else { 0 };
        Writer::new()
            .u32(MAGIC)
            .u32(0)
            .u64(self.salt)
            .u64(self.segment.0)
            .u64(self.position.0)
            .u64(self.durable.0)
            .u32(self.payload_len)
            .u32(self.payload_crc)
            .u32(self.prev_chain)
            .u8(flags)
            .finish()
    }

    /// The header at the start of `bytes`, and the frame's chain value.
    pub fn decode(bytes: &[u8]) -> Result<(Self, u32), FormatError> {
        let bytes: &[u8; FRAME_HEADER_LEN] = codec::head("log frame length", bytes)?;
        expect("log frame magic", MAGIC.into(), u32_at(bytes, 0).into())?;
        let crc = u32_at(bytes, CRC_AT);
        expect("log frame checksum", crc_around(bytes).into(), crc.into())?;
        let flags = codec::get_u8(bytes, 52).unwrap_or_default();
        expect(
            "log frame flags",
            u64::from(flags & (FIRST | LAST)),
            flags.into(),
        )?;
        let header = Self {
            salt: u64_at(bytes, 8),
            segment: SegmentSeq(u64_at(bytes, 16)),
            position: Lsn(u64_at(bytes, 24)),
            durable: Lsn(u64_at(bytes, 32)),
            payload_len: u32_at(bytes, 40),
            payload_crc: u32_at(bytes, 44),
            prev_chain: u32_at(bytes, 48),
            first_part: flags & FIRST != 0,
            last_part: flags & LAST != 0,
        };
        let filled = header.encode().0 == *bytes;
        expect("log frame padding", 0, u64::from(!filled))?;
        Ok((header, crc))
    }
}

/// CRC32C of a header without its checksum field.
fn crc_around(bytes: &[u8; FRAME_HEADER_LEN]) -> u32 {
    let (before, rest) = bytes.split_at(CRC_AT);
    codec::checksum(&[before, rest.get(4..).unwrap_or_default()])
}

/// The offsets are constants inside the header, so the default is never taken.
fn u32_at(bytes: &[u8; FRAME_HEADER_LEN], offset: usize) -> u32 {
    codec::get_u32(bytes, offset).unwrap_or_default()
}

/// See [`u32_at`].
fn u64_at(bytes: &[u8; FRAME_HEADER_LEN], offset: usize) -> u64 {
    codec::get_u64(bytes, offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers() -> impl Strategy<Value = FrameHeader> {
        let places = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        let rest = (
            any::<u32>(),
            any::<u32>(),
            any::<u32>(),
            any::<bool>(),
            any::<bool>(),
        );
        (places, rest).prop_map(|(places, rest)| FrameHeader {
            salt: places.0,
            segment: SegmentSeq(places.1),
            position: Lsn(places.2),
            durable: Lsn(places.3),
            payload_len: rest.0,
            payload_crc: rest.1,
            prev_chain: rest.2,
            first_part: rest.3,
            last_part: rest.4,
        })
    }

    #[test]
    fn zeroes_are_no_frame() {
        let error = FrameHeader::decode(&[0; 64]).unwrap_err();
        assert_eq!(error.what, "log frame magic");
    }

    #[test]
    fn a_sound_checksum_over_unknown_bits_is_refused() {
        for (at, what) in [(52, "log frame flags"), (60, "log frame padding")] {
            let mut bytes = header_of_zeroes().encode().0;
            bytes[at] = 0x80;
            let crc = crc_around(&bytes);
            bytes[CRC_AT..8].copy_from_slice(&crc.to_le_bytes());
            assert_eq!(FrameHeader::decode(&bytes).unwrap_err().what, what);
        }
    }

    fn header_of_zeroes() -> FrameHeader {
        FrameHeader {
            salt: 0,
            segment: SegmentSeq(0),
            position: Lsn(0),
            durable: Lsn(0),
            payload_len: 0,
            payload_crc: 0,
            prev_chain: 0,
            first_part: false,
            last_part: false,
        }
    }

    proptest! {
        #[test]
        fn a_header_reads_back_as_written(header in headers()) {
            let (bytes, chain) = header.encode();
            prop_assert_eq!(FrameHeader::decode(&bytes), Ok((header, chain)));
        }

        #[test]
        fn no_flipped_bit_goes_unseen(header in headers(), at in 0_usize..64, bit in 0_u8..8) {
            let (mut bytes, _) = header.encode();
            bytes[at] ^= 1 << bit;
            prop_assert!(FrameHeader::decode(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(FrameHeader::decode(&bytes).is_err());
        }
    }
}
