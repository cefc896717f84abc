//! A complete backup file, opened for reading.

use std::sync::Arc;

use super::file::BackupFile;
use crate::disk::{DiskFile, OpenMode};
use crate::disk_format::codec::{FormatError, expect};
use crate::disk_format::{
    BACKUP_ENTRY_LEN, BACKUP_SECTOR, BACKUP_TABLE_AT, BackupEntry, BackupHeader, BackupTrailer,
    PageExpectation, SUPERBLOCK_LEN, Superblock, sector_crc,
};
use crate::error::StorageError;
use crate::ids::PageNo;

/// Bytes read at once where a whole file is.
const READ_LEN: usize = 1 << 20;

/// A backup whose header, superblock, table and trailer are sound. Its pages are checked as they are read.
#[derive(Debug)]
pub struct Source {
    pub(super) name: String,
    pub(super) header: BackupHeader,
    pub(super) superblock: Superblock,
    pub(super) table: Vec<BackupEntry>,
    trailer: BackupTrailer,
    file: Arc<dyn DiskFile>,
}

impl Source {
    /// Opens a file; the error says why it is no complete backup.
    pub(super) fn open(backup: &BackupFile) -> Result<Self, String> {
        let file = backup
            .disk
            .open(&backup.name, OpenMode::Read)
            .map_err(|error| error.to_string())?;
        let len = file.len().map_err(|error| error.to_string())?;
        let shortest = BACKUP_TABLE_AT.saturating_add(BACKUP_SECTOR as u64);
        if len < shortest {
            return Err(format!("it is incomplete: {len} bytes"));
        }
        let first = read(&*file, 0, BACKUP_SECTOR)?;
        let header = BackupHeader::decode(&first).map_err(incomplete)?;
        let sector = read(&*file, BACKUP_SECTOR as u64, SUPERBLOCK_LEN)?;
        let superblock = Superblock::decode(&sector).map_err(|error| error.to_string())?;
        let page_size = superblock.geometry.page_size;
        let named = header.file_len(page_size);
        expect("file length", named, len).map_err(incomplete)?;
        let last = read(&*file, len - BACKUP_SECTOR as u64, BACKUP_SECTOR)?;
        let trailer = BackupTrailer::decode(&last).map_err(incomplete)?;
        let crc = sector_crc(&first);
        expect("header's checksum", trailer.header_crc.into(), crc.into()).map_err(incomplete)?;
        // Within the file, by the length just compared.
        let table_len = (header.entries as usize).saturating_mul(BACKUP_ENTRY_LEN);
        let table = read(&*file, BACKUP_TABLE_AT, table_len)?;
        let table = BackupEntry::decode_table(&header, &table).map_err(|e| e.to_string())?;
        Ok(Self {
            name: backup.name.clone(),
            header,
            superblock,
            table,
            trailer,
            file,
        })
    }

    /// The entry of a page.
    pub(super) fn entry(&self, page: PageNo) -> Option<BackupEntry> {
        let at = self.table.binary_search_by_key(&page, |entry| entry.page);
        at.ok().and_then(|at| self.table.get(at)).copied()
    }

    /// Reads a page that is in this file, and verifies it.
    pub(super) fn read_page(&self, entry: BackupEntry, buf: &mut [u8]) -> Result<(), StorageError> {
        let page_size = self.superblock.geometry.page_size;
        let at = self.header.record_at(entry.record, page_size);
        self.file
            .read_at(at, buf)
            .map_err(|error| StorageError::io("read", &self.name, error))?;
        let expected = PageExpectation {
            page_no: entry.page,
            crc: entry.crc,
            newest: self.superblock.version,
        };
        expected.check(buf).map_err(|error| {
            let (expected, actual) = (error.expected_text(), error.actual_text());
            StorageError::corruption(&self.name, at, Some(entry.page), expected, actual)
        })
    }

    /// Reads the whole file and compares it with its trailer.
    pub(super) fn check_body(&self) -> Result<(), StorageError> {
        let end = self.trailer.file_len - BACKUP_SECTOR as u64;
        let (mut at, mut crc) = (BACKUP_SECTOR as u64, 0);
        let mut buf = vec![0; READ_LEN];
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(READ_LEN).min(READ_LEN);
            let Some(piece) = buf.get_mut(..len) else {
                break;
            };
            self.file
                .read_at(at, piece)
                .map_err(|error| StorageError::io("read", &self.name, error))?;
            crc = crc32c::crc32c_append(crc, piece);
            at += len as u64;
        }
        expect(
            "checksum of the file",
            self.trailer.body_crc.into(),
            crc.into(),
        )
        .map_err(|error| {
            let (expected, actual) = (error.expected_text(), error.actual_text());
            StorageError::corruption(&self.name, 0, None, expected, actual)
        })
    }
}

fn incomplete(error: FormatError) -> String {
    format!("it is incomplete, or no backup: {error}")
}

fn read(file: &dyn DiskFile, at: u64, len: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; len];
    file.read_at(at, &mut bytes)
        .map_err(|error| format!("{error} at offset {at}"))?;
    Ok(bytes)
}
