//! Which files an archive has for a database, and what their first and last sectors say.

use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::disk_format::codec::{FormatError, expect};
use crate::disk_format::{ARCHIVE_SECTOR, ArchiveHeader, ArchiveTrailer, sector_crc};
use crate::error::StorageError;
use crate::ids::Lsn;

/// A complete file.
#[derive(Debug)]
pub(super) struct ArchiveFile {
    pub(super) name: String,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) header: ArchiveHeader,
    pub(super) trailer: ArchiveTrailer,
}

/// The name of the file that begins at a position: by database, then in the log's order.
pub(super) fn file_name(salt: u64, from: Lsn) -> String {
    format!("{salt:016x}-{:020}", from.get())
}

/// The names of a database's files, in the log's order.
pub(super) fn names(disk: &dyn Disk, salt: u64) -> Result<Vec<String>, StorageError> {
    let names = disk
        .list("")
        .map_err(|error| StorageError::io("list", "the archive", error))?;
    let is_ours = |name: &String| {
        let from = name.strip_prefix(&format!("{salt:016x}-"));
        from.and_then(|from| from.parse().ok())
            .is_some_and(|from| *name == file_name(salt, Lsn(from)))
    };
    Ok(names.into_iter().filter(is_ours).collect())
}

pub(super) fn damage(name: &str, offset: u64, error: &FormatError) -> StorageError {
    StorageError::corruption(
        name,
        offset,
        None,
        error.expected_text(),
        error.actual_text(),
    )
}

impl ArchiveFile {
    pub(super) fn open(disk: &dyn Disk, name: &str, salt: u64) -> Result<Self, StorageError> {
        let failed = |operation, error| StorageError::io(operation, name, error);
        let file = disk
            .open(name, OpenMode::Read)
            .map_err(|error| failed("open", error))?;
        let len = file.len().map_err(|error| failed("measure", error))?;
        let at = len.saturating_sub(ARCHIVE_SECTOR as u64);
        let (mut first, mut last) = ([0; ARCHIVE_SECTOR], [0; ARCHIVE_SECTOR]);
        if at < ARCHIVE_SECTOR as u64 {
            let error = FormatError::new("bytes of at least", 2 * ARCHIVE_SECTOR as u64, len);
            return Err(damage(name, 0, &error));
        }
        file.read_at(0, &mut first)
            .map_err(|error| failed("read", error))?;
        file.read_at(at, &mut last)
            .map_err(|error| failed("read", error))?;
        let header = ArchiveHeader::decode(&first).map_err(|error| damage(name, 0, &error))?;
        let trailer = ArchiveTrailer::decode(&last).map_err(|error| damage(name, at, &error))?;
        let fits = expect("file length", trailer.file_len, len)
            .and_then(|()| {
                let crc = sector_crc(&first);
                expect(
                    "archive header checksum",
                    trailer.header_crc.into(),
                    crc.into(),
                )
            })
            .and_then(|()| expect("salt", salt, header.salt));
        fits.map_err(|error| damage(name, at, &error))?;
        Ok(Self {
            name: name.to_owned(),
            file,
            header,
            trailer,
        })
    }
}
