//! The parts of a backup file that are not pages. One file holds one checkpoint, or what changed since a base.
//!
//! Layout: header, the checkpoint's superblock, the table, pages, trailer. Header, superblock and trailer are a sector each.
//!
//! - Header: magic [8] | format u32 | kind u32 (1 full, 2 incremental) | base: checkpoint u64, crc u32, version u64 (zeroes if
//!   full) | table entries u32 | pages u32 | table CRC32C u32 | time u64 | zeroes | CRC32C u32 over all before it, at 508.
//! - Table: for each page of the checkpoint, ascending: page number u32 | its CRC in the map u32 | record u32: its place
//!   among the pages of this file, from 1; 0 if it stands in the base or before.
//! - Pages: `page_size` bytes each, as they were in their slots.
//! - Trailer: magic [8] | file length u64 | CRC32C u32 of superblock, table and pages | header's CRC u32 | zeroes | CRC32C u32 at 508.
//!
//! The header is written last, when the rest is there; the file gets its name when all of it is durable.

use super::codec::{FormatError, expect};
use super::fields::{crc_without, put, u32_at, u64_at};
use super::superblock::{Digest, FORMAT_VERSION, SUPERBLOCK_LEN};
use crate::ids::{CheckpointId, CommitTime, PageNo, Version};

/// Bytes of header and trailer each: one sector.
pub const BACKUP_SECTOR: usize = 512;
/// Where the table begins.
pub const BACKUP_TABLE_AT: u64 = (BACKUP_SECTOR + SUPERBLOCK_LEN) as u64;
/// Bytes of a table entry.
pub const BACKUP_ENTRY_LEN: usize = 12;

const MAGIC: [u8; 8] = *b"LDBACKUP";
const END_MAGIC: [u8; 8] = *b"LDBAKEND";
const CRC: usize = BACKUP_SECTOR - 4;
const KIND_FULL: u32 = 1;
const KIND_INCREMENTAL: u32 = 2;

/// The checkpoint that an incremental backup builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupBase {
    /// Its digest.
    pub digest: Digest,
    /// Its version.
    pub version: Version,
}

/// What a backup file's first sector says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupHeader {
    /// What it builds on; nothing if it is full.
    pub base: Option<BackupBase>,
    /// Entries of the table.
    pub entries: u32,
    /// Pages in this file.
    pub pages: u32,
    /// The table's checksum.
    pub table_crc: u32,
    /// No commit in it was written later than this; 0 if there is no clock.
    pub time: CommitTime,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupEntry {
    /// The page.
    pub page: PageNo,
    /// Its checksum in the map.
    pub crc: u32,
    /// Its place in this file, from 1; 0 if it is not in it.
    pub record: u32,
}

/// What a backup file's last sector says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupTrailer {
    /// Bytes of the whole file.
    pub file_len: u64,
    /// The checksum of superblock, table and pages.
    pub body_crc: u32,
    /// The header's checksum.
    pub header_crc: u32,
}

impl BackupHeader {
    /// The sector.
    pub fn encode(&self) -> [u8; BACKUP_SECTOR] {
        let mut sector = [0; BACKUP_SECTOR];
        put(&mut sector, 0, &MAGIC);
        put(&mut sector, 8, &FORMAT_VERSION.to_le_bytes());
        let kind = if self.base.is_some() {
            KIND_INCREMENTAL
        } else {
            KIND_FULL
        };
        put(&mut sector, 12, &kind.to_le_bytes());
        if let Some(base) = &self.base {
            put(&mut sector, 16, &base.digest.id.get().to_le_bytes());
            put(&mut sector, 24, &base.digest.crc.to_le_bytes());
            put(&mut sector, 28, &base.version.get().to_le_bytes());
        }
        put(&mut sector, 36, &self.entries.to_le_bytes());
        put(&mut sector, 40, &self.pages.to_le_bytes());
        put(&mut sector, 44, &self.table_crc.to_le_bytes());
        put(&mut sector, 48, &self.time.get().to_le_bytes());
        seal(&mut sector);
        sector
    }

    /// Reads the sector.
    pub fn decode(sector: &[u8]) -> Result<Self, FormatError> {
        open("backup header", MAGIC, sector)?;
        let format = u32_at(sector, 8);
        expect("backup format", FORMAT_VERSION.into(), format.into())?;
        let base = BackupBase {
            digest: Digest {
                id: CheckpointId(u64_at(sector, 16)),
                crc: u32_at(sector, 24),
            },
            version: Version(u64_at(sector, 28)),
        };
        let base = match u32_at(sector, 12) {
            KIND_FULL => None,
            KIND_INCREMENTAL => Some(base),
            kind => return Err(FormatError::new("backup kind 1 or", 2, kind.into())),
        };
        Ok(Self {
            base,
            entries: u32_at(sector, 36),
            pages: u32_at(sector, 40),
            table_crc: u32_at(sector, 44),
            time: CommitTime(u64_at(sector, 48)),
        })
    }

    /// The length of the whole file.
    pub fn file_len(&self, page_size: u32) -> u64 {
        let table = u64::from(self.entries).saturating_mul(BACKUP_ENTRY_LEN as u64);
        let pages = u64::from(self.pages).saturating_mul(page_size.into());
        BACKUP_TABLE_AT
            .saturating_add(table)
            .saturating_add(pages)
            .saturating_add(BACKUP_SECTOR as u64)
    }

    /// Where a record, counted from 1, is.
    pub fn record_at(&self, record: u32, page_size: u32) -> u64 {
        let table = u64::from(self.entries).saturating_mul(BACKUP_ENTRY_LEN as u64);
        let before = u64::from(record.saturating_sub(1)).saturating_mul(page_size.into());
        BACKUP_TABLE_AT.saturating_add(table).saturating_add(before)
    }
}

impl BackupEntry {
    /// The entry's bytes.
    pub fn encode(&self) -> [u8; BACKUP_ENTRY_LEN] {
        let mut bytes = [0; BACKUP_ENTRY_LEN];
        put(&mut bytes, 0, &self.page.get().to_le_bytes());
        put(&mut bytes, 4, &self.crc.to_le_bytes());
        put(&mut bytes, 8, &self.record.to_le_bytes());
        bytes
    }

    /// Reads a table whose checksum holds: pages ascend, and each record of the file is one page's.
    pub fn decode_table(header: &BackupHeader, bytes: &[u8]) -> Result<Vec<Self>, FormatError> {
        let crc = crc32c::crc32c(bytes);
        expect("backup table checksum", header.table_crc.into(), crc.into())?;
        let mut entries = Vec::with_capacity(bytes.len() / BACKUP_ENTRY_LEN);
        let (mut last, mut records) = (0, 0);
        for bytes in bytes.chunks_exact(BACKUP_ENTRY_LEN) {
            let entry = Self {
                page: PageNo(u32_at(bytes, 0)),
                crc: u32_at(bytes, 4),
                record: u32_at(bytes, 8),
            };
            if entry.page.get() <= last {
                let actual = entry.page.get().into();
                return Err(FormatError::new("a page number above", last.into(), actual));
            }
            if entry.record != 0 {
                records += 1;
                expect("record", records, entry.record.into())?;
            }
            last = entry.page.get();
            entries.push(entry);
        }
        expect("backup records", header.pages.into(), records)?;
        Ok(entries)
    }
}

impl BackupTrailer {
    /// The sector.
    pub fn encode(&self) -> [u8; BACKUP_SECTOR] {
        let mut sector = [0; BACKUP_SECTOR];
        put(&mut sector, 0, &END_MAGIC);
        put(&mut sector, 8, &self.file_len.to_le_bytes());
        put(&mut sector, 16, &self.body_crc.to_le_bytes());
        put(&mut sector, 20, &self.header_crc.to_le_bytes());
        seal(&mut sector);
        sector
    }

    /// Reads the sector.
    pub fn decode(sector: &[u8]) -> Result<Self, FormatError> {
        open("backup trailer", END_MAGIC, sector)?;
        Ok(Self {
            file_len: u64_at(sector, 8),
            body_crc: u32_at(sector, 16),
            header_crc: u32_at(sector, 20),
        })
    }
}

/// The checksum that a header or trailer carries.
pub fn sector_crc(sector: &[u8]) -> u32 {
    u32_at(sector, CRC)
}

/// Puts the checksum on a sector.
pub(super) fn seal(sector: &mut [u8; BACKUP_SECTOR]) {
    let crc = crc_without(sector, CRC);
    put(sector, CRC, &crc.to_le_bytes());
}

/// Checks length, magic and checksum of a sector.
pub(super) fn open(what: &'static str, magic: [u8; 8], sector: &[u8]) -> Result<(), FormatError> {
    let is_ours = sector.len() == BACKUP_SECTOR && sector.starts_with(&magic);
    expect(what, 1, is_ours.into())?;
    expect(
        what,
        crc_without(sector, CRC).into(),
        u32_at(sector, CRC).into(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            base: Option<(u64, u32, u64)>, entries: u32, pages: u32, table_crc: u32, file_len: u64,
        ) {
            let base = base.map(|(id, crc, version)| BackupBase {
                digest: Digest { id: CheckpointId(id), crc },
                version: Version(version),
            });
            let header = BackupHeader { base, entries, pages, table_crc, time: CommitTime(file_len) };
            prop_assert_eq!(BackupHeader::decode(&header.encode()), Ok(header));
            let trailer = BackupTrailer { file_len, body_crc: entries, header_crc: pages };
            prop_assert_eq!(BackupTrailer::decode(&trailer.encode()), Ok(trailer));
        }

        #[test]
        fn a_flipped_bit_is_always_seen(bit in 0_usize..BACKUP_SECTOR * 8) {
            let header = BackupHeader { base: None, entries: 3, pages: 2, table_crc: 1, time: CommitTime(4) };
            let mut sector = header.encode();
            sector[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(BackupHeader::decode(&sector).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, entries: u32, pages: u32) {
            prop_assert!(BackupHeader::decode(&bytes).is_err());
            prop_assert!(BackupTrailer::decode(&bytes).is_err());
            let table_crc = crc32c::crc32c(&bytes);
            let header = BackupHeader { base: None, entries, pages, table_crc, time: CommitTime(0) };
            if let Ok(table) = BackupEntry::decode_table(&header, &bytes) {
                prop_assert!(table.windows(2).all(|pair| pair[0].page < pair[1].page));
            }
        }
    }
}
