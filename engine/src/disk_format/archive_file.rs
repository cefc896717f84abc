//! An archived piece of the log: commit groups in order, from one position to another.
//!
//! Layout: header, groups, trailer. Header and trailer are a sector each.
//!
//! - Header: magic [8] | format u32 | zero u32 | salt u64 | from: lsn u64, chain u32 | after version u64 | zeroes | CRC32C u32 over all
//!   before it, at 508.
//! - Group: payload length u64 | version u64 | end: lsn u64, chain u32 | payload CRC32C u32 | time u64 | CRC32C u32 over these | payload.
//! - Trailer: magic [8] | file length u64 | groups u64 | to: lsn u64, chain u32 | last version u64 | CRC32C u32 of all groups' headers |
//!   header's CRC u32 | zeroes | CRC32C u32 at 508.

use super::backup_file::{BACKUP_SECTOR, open, seal};
use super::codec::{FormatError, expect};
use super::fields::{put, u32_at, u64_at};
use super::superblock::FORMAT_VERSION;
use crate::ids::{CommitTime, LogPosition, Lsn, Version};

/// Bytes of header and trailer each.
pub const ARCHIVE_SECTOR: usize = BACKUP_SECTOR;
/// Bytes before a group's payload.
pub const ARCHIVE_GROUP_LEN: usize = 48;

const MAGIC: [u8; 8] = *b"LDBLOGAR";
const END_MAGIC: [u8; 8] = *b"LDBLOGEN";
const GROUP_CRC: usize = ARCHIVE_GROUP_LEN - 4;

/// What an archive file's first sector says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveHeader {
    /// The database's salt.
    pub salt: u64,
    /// Where in the log it begins.
    pub from: LogPosition,
    /// The version there.
    pub after: Version,
}

/// What stands before a group's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveGroup {
    /// Bytes of its payload.
    pub payload_len: u64,
    /// The version that it published.
    pub version: Version,
    /// Where in the log it ended.
    pub end: LogPosition,
    /// The payload's checksum.
    pub payload_crc: u32,
    /// When it was written.
    pub time: CommitTime,
}

/// What an archive file's last sector says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveTrailer {
    /// Bytes of the whole file.
    pub file_len: u64,
    /// Groups in it.
    pub groups: u64,
    /// Where in the log it ends.
    pub to: LogPosition,
    /// The version there.
    pub last: Version,
    /// The checksum of all groups' headers.
    pub groups_crc: u32,
    /// The header's checksum.
    pub header_crc: u32,
}

fn put_position(bytes: &mut [u8], at: usize, position: LogPosition) {
    put(bytes, at, &position.lsn.get().to_le_bytes());
    put(bytes, at.saturating_add(8), &position.chain.to_le_bytes());
}

fn position_at(bytes: &[u8], at: usize) -> LogPosition {
    LogPosition {
        lsn: Lsn(u64_at(bytes, at)),
        chain: u32_at(bytes, at.saturating_add(8)),
    }
}

impl ArchiveHeader {
    /// The sector.
    pub fn encode(&self) -> [u8; ARCHIVE_SECTOR] {
        let mut sector = [0; ARCHIVE_SECTOR];
        put(&mut sector, 0, &MAGIC);
        put(&mut sector, 8, &FORMAT_VERSION.to_le_bytes());
        put(&mut sector, 16, &self.salt.to_le_bytes());
        put_position(&mut sector, 24, self.from);
        put(&mut sector, 36, &self.after.get().to_le_bytes());
        seal(&mut sector);
        sector
    }

    /// Reads the sector.
    pub fn decode(sector: &[u8]) -> Result<Self, FormatError> {
        open("archive header", MAGIC, sector)?;
        let format = u32_at(sector, 8);
        expect("archive format", FORMAT_VERSION.into(), format.into())?;
        Ok(Self {
            salt: u64_at(sector, 16),
            from: position_at(sector, 24),
            after: Version(u64_at(sector, 36)),
        })
    }
}

impl ArchiveGroup {
    /// The bytes.
    pub fn encode(&self) -> [u8; ARCHIVE_GROUP_LEN] {
        let mut bytes = [0; ARCHIVE_GROUP_LEN];
        put(&mut bytes, 0, &self.payload_len.to_le_bytes());
        put(&mut bytes, 8, &self.version.get().to_le_bytes());
        put_position(&mut bytes, 16, self.end);
        put(&mut bytes, 28, &self.payload_crc.to_le_bytes());
        put(&mut bytes, 32, &self.time.get().to_le_bytes());
        let crc = crc32c::crc32c(bytes.split_at(GROUP_CRC).0);
        put(&mut bytes, GROUP_CRC, &crc.to_le_bytes());
        bytes
    }

    /// Reads the bytes.
    pub fn decode(bytes: &[u8; ARCHIVE_GROUP_LEN]) -> Result<Self, FormatError> {
        let crc = crc32c::crc32c(bytes.split_at(GROUP_CRC).0);
        let stored = u32_at(bytes, GROUP_CRC);
        expect("archived group checksum", crc.into(), stored.into())?;
        Ok(Self {
            payload_len: u64_at(bytes, 0),
            version: Version(u64_at(bytes, 8)),
            end: position_at(bytes, 16),
            payload_crc: u32_at(bytes, 28),
            time: CommitTime(u64_at(bytes, 32)),
        })
    }
}

impl ArchiveTrailer {
    /// The sector.
    pub fn encode(&self) -> [u8; ARCHIVE_SECTOR] {
        let mut sector = [0; ARCHIVE_SECTOR];
        put(&mut sector, 0, &END_MAGIC);
        put(&mut sector, 8, &self.file_len.to_le_bytes());
        put(&mut sector, 16, &self.groups.to_le_bytes());
        put_position(&mut sector, 24, self.to);
        put(&mut sector, 36, &self.last.get().to_le_bytes());
        put(&mut sector, 44, &self.groups_crc.to_le_bytes());
        put(&mut sector, 48, &self.header_crc.to_le_bytes());
        seal(&mut sector);
        sector
    }

    /// Reads the sector.
    pub fn decode(sector: &[u8]) -> Result<Self, FormatError> {
        open("archive trailer", END_MAGIC, sector)?;
        Ok(Self {
            file_len: u64_at(sector, 8),
            groups: u64_at(sector, 16),
            to: position_at(sector, 24),
            last: Version(u64_at(sector, 36)),
            groups_crc: u32_at(sector, 44),
            header_crc: u32_at(sector, 48),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(a: u64, b: u64, c: u32, d: u64, e: u32) {
            let position = LogPosition { lsn: Lsn(b), chain: c };
            let header = ArchiveHeader { salt: a, from: position, after: Version(d) };
            prop_assert_eq!(ArchiveHeader::decode(&header.encode()), Ok(header));
            let (payload_len, version, end) = (a, Version(d), position);
            let group = ArchiveGroup { payload_len, version, end, payload_crc: e, time: CommitTime(d / 3) };
            prop_assert_eq!(ArchiveGroup::decode(&group.encode()), Ok(group));
            let trailer = ArchiveTrailer {
                file_len: a, groups: d, to: position, last: version, groups_crc: e, header_crc: c,
            };
            prop_assert_eq!(ArchiveTrailer::decode(&trailer.encode()), Ok(trailer));
        }

        #[test]
        fn a_flipped_bit_is_always_seen(bit in 0_usize..ARCHIVE_GROUP_LEN * 8) {
            let group = ArchiveGroup {
                payload_len: 9, version: Version(8), end: LogPosition::default(), payload_crc: 7, time: CommitTime(6),
            };
            let mut bytes = group.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(ArchiveGroup::decode(&bytes).is_err());
        }
    }
}
