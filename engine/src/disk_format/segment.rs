//! The header of a log segment: the first 64 bytes of its first 4 KiB block, all little-endian; so it lies in
//! one sector and is written whole or not at all. In the second sector of the block a *note* may stand (see [`NextFile`]); the rest is
//! zero and says nothing.
//!
//! `magic u32 | header_crc u32 | format version u32 | continues: chain u32 | salt u64 | seq u64 | segment_len u64 |
//! continues: LSN u64 | durable u64 | origin u8 | zeroes`. `header_crc` covers the other 60 bytes and is the chain value
//! of the segment's start.

use super::codec::{self, FormatError, Writer, expect};
use crate::ids::{Lsn, SegmentSeq};

/// Length of a segment's header in bytes.
pub const SEGMENT_HEADER_LEN: usize = 64;
/// Where in a segment's file the note lies that names the next one: in a sector that the header does not reach.
pub const NEXT_FILE_AT: u64 = 512;
/// Length of that note in bytes.
pub const NEXT_FILE_LEN: usize = 64;
/// Version of the log's format.
pub const LOG_FORMAT_VERSION: u32 = 1;

const MAGIC: u32 = u32::from_le_bytes(*b"LDBs");
const NEXT_MAGIC: u32 = u32::from_le_bytes(*b"LDBn");
const CRC_AT: usize = 4;

/// The format of an undamaged header, if it is one that this engine does not know.
pub fn unknown_format(bytes: &[u8]) -> Option<u32> {
    let bytes: &[u8; SEGMENT_HEADER_LEN] = bytes.first_chunk()?;
    let is_sound = u32_at(bytes, 0) == MAGIC && u32_at(bytes, CRC_AT) == crc_around(bytes);
    Some(u32_at(bytes, 8)).filter(|format| is_sound && *format != LOG_FORMAT_VERSION)
}

/// Why a segment was headed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A session began with it.
    Session,
    /// The one before was full and synced to its end.
    Roll,
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The database's.
    pub salt: u64,
    /// Its number in the log.
    pub seq: SegmentSeq,
    /// Length of the file in bytes.
    pub segment_len: u64,
    /// The end of the log that it continues.
    pub continues: Lsn,
    /// The chain value there.
    pub continues_chain: u32,
    /// What was known durable when it was headed.
    pub durable: Lsn,
    /// Why it was headed.
    pub origin: Origin,
}

impl SegmentHeader {
    /// The header's bytes, and the chain value of the segment's start.
    pub fn encode(&self) -> ([u8; SEGMENT_HEADER_LEN], u32) {
        let crc = crc_around(&self.layout(0));
        (self.layout(crc), crc)
    }

    fn layout(&self, crc: u32) -> [u8; SEGMENT_HEADER_LEN] {
        Writer::new()
            .u32(MAGIC)
            .u32(crc)
            .u32(LOG_FORMAT_VERSION)
            .u32(self.continues_chain)
            .u64(self.salt)
            .u64(self.seq.0)
            .u64(self.segment_len)
            .u64(self.continues.0)
            .u64(self.durable.0)
            .u8(self.origin.code())
            .finish()
    }

    /// The header at the start of `bytes`, and the chain value of the segment's start.
    pub fn decode(bytes: &[u8]) -> Result<(Self, u32), FormatError> {
        let bytes: &[u8; SEGMENT_HEADER_LEN] = codec::head("log segment header length", bytes)?;
        expect("log segment magic", MAGIC.into(), u32_at(bytes, 0).into())?;
        let crc = u32_at(bytes, CRC_AT);
        expect("log segment checksum", crc_around(bytes).into(), crc.into())?;
        expect(
            "log format version",
            LOG_FORMAT_VERSION.into(),
            u32_at(bytes, 8).into(),
        )?;
        let header = Self {
            salt: u64_at(bytes, 16),
            seq: SegmentSeq(u64_at(bytes, 24)),
            segment_len: u64_at(bytes, 32),
            continues: Lsn(u64_at(bytes, 40)),
            continues_chain: u32_at(bytes, 12),
            durable: Lsn(u64_at(bytes, 48)),
            origin: Origin::from_code(codec::get_u8(bytes, 56).unwrap_or_default())?,
        };
        let filled = header.layout(crc) == *bytes;
        expect("log segment header padding", 0, u64::from(!filled))?;
        Ok((header, crc))
    }
}

/// Which file the log goes on in once this segment is full: there, in full length and durably, before the note is written, and not given
/// up as long as the log has the segment.
///
/// `magic u32 | crc u32 | salt u64 | seq u64 | header_crc u32 | file number u32 | zeroes`. Segments written before there were notes have
/// none, so one that does not read is as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextFile {
    /// The database's.
    pub salt: u64,
    /// The segment in whose file the note lies.
    pub seq: SegmentSeq,
    /// The checksum of that segment's header: a note of the file's last life says nothing.
    pub header_crc: u32,
    /// The number of the next file.
    pub number: u32,
}

impl NextFile {
    /// The note's bytes.
    pub fn encode(&self) -> [u8; NEXT_FILE_LEN] {
        let crc = crc_around(&self.layout(0));
        self.layout(crc)
    }

    fn layout(&self, crc: u32) -> [u8; NEXT_FILE_LEN] {
        Writer::new()
            .u32(NEXT_MAGIC)
            .u32(crc)
            .u64(self.salt)
            .u64(self.seq.0)
            .u32(self.header_crc)
            .u32(self.number)
            .finish()
    }

    /// The note at the start of `bytes`, if there is a sound one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; NEXT_FILE_LEN] = bytes.first_chunk()?;
        let note = Self {
            salt: u64_at(bytes, 8),
            seq: SegmentSeq(u64_at(bytes, 16)),
            header_crc: u32_at(bytes, 24),
            number: u32_at(bytes, 28),
        };
        (note.encode() == *bytes).then_some(note)
    }
}

impl Origin {
    fn code(self) -> u8 {
        match self {
            Self::Session => 1,
            Self::Roll => 2,
        }
    }

    fn from_code(code: u8) -> Result<Self, FormatError> {
        match code {
            1 => Ok(Self::Session),
            2 => Ok(Self::Roll),
            _ => Err(FormatError::new("log segment origin", 2, code.into())),
        }
    }
}

/// CRC32C of a header without its checksum field.
fn crc_around(bytes: &[u8; SEGMENT_HEADER_LEN]) -> u32 {
    let (before, rest) = bytes.split_at(CRC_AT);
    codec::checksum(&[before, rest.get(4..).unwrap_or_default()])
}

/// The offsets are constants inside the header, so the default is never taken.
fn u32_at(bytes: &[u8; SEGMENT_HEADER_LEN], offset: usize) -> u32 {
    codec::get_u32(bytes, offset).unwrap_or_default()
}

/// See [`u32_at`].
fn u64_at(bytes: &[u8; SEGMENT_HEADER_LEN], offset: usize) -> u64 {
    codec::get_u64(bytes, offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers() -> impl Strategy<Value = SegmentHeader> {
        let numbers = (
            any::<u64>(),
            any::<u64>(),
            any::<u64>(),
            any::<u64>(),
            any::<u64>(),
        );
        let origin = prop_oneof![Just(Origin::Session), Just(Origin::Roll)];
        (numbers, any::<u32>(), origin).prop_map(|(numbers, chain, origin)| SegmentHeader {
            salt: numbers.0,
            seq: SegmentSeq(numbers.1),
            segment_len: numbers.2,
            continues: Lsn(numbers.3),
            continues_chain: chain,
            durable: Lsn(numbers.4),
            origin,
        })
    }

    #[test]
    fn zeroes_are_no_header() {
        let error = SegmentHeader::decode(&[0; 64]).unwrap_err();
        assert_eq!(error.what, "log segment magic");
    }

    fn notes() -> impl Strategy<Value = NextFile> {
        let parts = (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>());
        parts.prop_map(|(salt, seq, header_crc, number)| NextFile {
            salt,
            seq: SegmentSeq(seq),
            header_crc,
            number,
        })
    }

    #[test]
    fn zeroes_are_no_note() {
        assert_eq!(NextFile::decode(&[0; NEXT_FILE_LEN]), None);
        assert_eq!(NextFile::decode(&[]), None);
    }

    proptest! {
        #[test]
        fn a_note_reads_back_as_written(note in notes()) {
            prop_assert_eq!(NextFile::decode(&note.encode()), Some(note));
        }

        #[test]
        fn a_note_with_a_flipped_bit_is_none(note in notes(), at in 0_usize..64, bit in 0_u8..8) {
            let mut bytes = note.encode();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(NextFile::decode(&bytes), None);
        }

        #[test]
        fn a_header_reads_back_as_written(header in headers()) {
            let (bytes, chain) = header.encode();
            prop_assert_eq!(SegmentHeader::decode(&bytes), Ok((header, chain)));
        }

        #[test]
        fn no_flipped_bit_goes_unseen(header in headers(), at in 0_usize..64, bit in 0_u8..8) {
            let (mut bytes, _) = header.encode();
            bytes[at] ^= 1 << bit;
            prop_assert!(SegmentHeader::decode(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(SegmentHeader::decode(&bytes).is_err());
        }

        #[test]
        fn a_sound_checksum_over_arbitrary_bytes_is_read_back_or_refused(
            mut bytes in prop::collection::vec(any::<u8>(), 64),
            origin in 0_u8..4,
        ) {
            bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
            bytes[8..12].copy_from_slice(&LOG_FORMAT_VERSION.to_le_bytes());
            bytes[56] = origin;
            let crc = crc_around(bytes.first_chunk().unwrap());
            bytes[4..8].copy_from_slice(&crc.to_le_bytes());
            if let Ok((header, chain)) = SegmentHeader::decode(&bytes) {
                prop_assert_eq!(header.encode().0.to_vec(), bytes);
                prop_assert_eq!(chain, crc);
            }
        }
    }
}
