//! Writing a backup of an open database.
//!
//! A checkpoint is pinned, so that none of its slots is reused, and its pages are copied as they are: they never change.
//! Writers take other slots meanwhile, and notice nothing else.

use std::io;

use super::error::BackupError;
use super::file::BackupFile;
use super::source::Source;
use crate::checkpoint;
use crate::disk::{NewFile, OpenMode};
use crate::disk_format::{
    BACKUP_SECTOR, BackupBase, BackupEntry, BackupHeader, BackupTrailer, PageHeader, Superblock,
    sector_crc,
};
use crate::engine::Engine;
use crate::error::{CheckpointError, StorageError};
use crate::ids::{CheckpointId, CommitTime, Lsn, Version};
use crate::map::{PinnedCheckpoint, PinnedPage};

/// A backup that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The newest commit in it.
    pub version: Version,
    /// Where in the log what came later begins.
    pub lsn: Lsn,
    /// The checkpoint that it is a copy of.
    pub checkpoint: CheckpointId,
    /// Pages of that checkpoint.
    pub pages: u64,
    /// How many of them are in this file.
    pub pages_copied: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Backs the whole database up.
pub fn full(engine: &Engine, to: &BackupFile) -> Result<BackupReport, BackupError> {
    run(engine, to, None)
}

/// Backs up what has changed since `base`, which is complete and of this database.
pub fn incremental(
    engine: &Engine,
    to: &BackupFile,
    base: &BackupFile,
) -> Result<BackupReport, BackupError> {
    let source = Source::open(base).map_err(|why| BackupError::Base {
        file: base.name.clone(),
        why,
    })?;
    run(engine, to, Some(&source))
}

fn run(
    engine: &Engine,
    to: &BackupFile,
    base: Option<&Source>,
) -> Result<BackupReport, BackupError> {
    let _one_at_a_time = engine.backing_up();
    refuse_existing(to)?;
    if let Some(base) = base {
        // Before the checkpoint: the base must be of the past.
        check_base(base, &engine.map.superblock())?;
    }
    write_down(engine)?;
    let pinned = PinnedCheckpoint::take(&engine.map);
    failpoint!("backup.pinned");
    let table = table(&pinned, base)?;
    Ok(write(&pinned, to, (base, engine.time_of_all()), &table)?)
}

fn refuse_existing(to: &BackupFile) -> Result<(), BackupError> {
    match to.disk.open(&to.name, OpenMode::Read) {
        Ok(_) => Err(BackupError::Exists {
            file: to.name.clone(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StorageError::io("open", &to.name, error).into()),
    }
}

/// A checkpoint of all that is committed. Opened for reading only there may be nothing to write.
fn write_down(engine: &Engine) -> Result<(), BackupError> {
    match checkpoint::run(engine) {
        Err(CheckpointError::ReadOnly)
            if engine.map.superblock().version == engine.store.snapshots().published() =>
        {
            Ok(())
        }
        other => Ok(other?),
    }
}

fn check_base(base: &Source, now: &Superblock) -> Result<(), BackupError> {
    let then = &base.superblock;
    let refuse = |why: String| {
        let file = base.name.clone();
        Err(BackupError::Base { file, why })
    };
    if then.geometry != now.geometry {
        return refuse("it is of another database".to_owned());
    }
    if then.checkpoint > now.checkpoint || then.version > now.version {
        let (then, now) = (then.checkpoint, now.checkpoint);
        return refuse(format!(
            "it is of checkpoint {then}, this database is at {now}"
        ));
    }
    if then.checkpoint == now.checkpoint && then.digest() != now.digest() {
        return refuse("it is of another history of this database".to_owned());
    }
    Ok(())
}

/// A page, and what the table says of it.
type Line = (PinnedPage, BackupEntry);

/// What goes into the file.
fn table(pinned: &PinnedCheckpoint, base: Option<&Source>) -> Result<Vec<Line>, BackupError> {
    let mut lines = Vec::new();
    let mut records = 0;
    for page in pinned.pages() {
        let is_in_base = match base {
            Some(base) => is_in_base(pinned, base, page)?,
            None => false,
        };
        let record = if is_in_base {
            0
        } else {
            records += 1;
            records
        };
        let entry = BackupEntry {
            page: page.page,
            crc: page.address.crc,
            record,
        };
        lines.push((page, entry));
    }
    Ok(lines)
}

/// Whether the base has this very image. An image has the version of the commit that made it and the id of the checkpoint
/// that wrote it: if both are the base's or older, it was there. Then it must have been there with this checksum, or
/// the base is of another history.
fn is_in_base(
    pinned: &PinnedCheckpoint,
    base: &Source,
    page: PinnedPage,
) -> Result<bool, BackupError> {
    let header = pinned.header(page)?;
    let written = written_in(&header, pinned.superblock().checkpoint);
    let then = &base.superblock;
    if header.version > then.version || written > then.checkpoint {
        return Ok(false);
    }
    let entry = base.entry(page.page);
    if entry.is_some_and(|entry| entry.crc == page.address.crc) {
        return Ok(true);
    }
    Err(BackupError::Base {
        file: base.name.clone(),
        why: format!("page {} was another one in its checkpoint", page.page),
    })
}

/// The id of the checkpoint that wrote a page: its header has the low half, and none is above the `newest`.
fn written_in(header: &PageHeader, newest: CheckpointId) -> CheckpointId {
    let low = u64::from(header.checkpoint);
    let below = newest.get().wrapping_sub(low) & u64::from(u32::MAX);
    CheckpointId(newest.get().saturating_sub(below))
}

fn write(
    pinned: &PinnedCheckpoint,
    to: &BackupFile,
    (base, time): (Option<&Source>, CommitTime),
    table: &[Line],
) -> Result<BackupReport, StorageError> {
    let superblock = pinned.superblock();
    let mut body_crc = 0;
    let mut file = NewFile::create(&to.disk, &to.name)?;
    file.append(&[0; BACKUP_SECTOR])?;
    let mut append = |file: &mut NewFile, bytes: &[u8]| {
        body_crc = crc32c::crc32c_append(body_crc, bytes);
        file.append(bytes)
    };
    append(&mut file, &superblock.encode())?;
    let mut table_crc = 0;
    for (_, entry) in table {
        let bytes = entry.encode();
        table_crc = crc32c::crc32c_append(table_crc, &bytes);
        append(&mut file, &bytes)?;
    }
    let mut image = vec![0; superblock.geometry.page_size as usize];
    let mut pages = 0;
    for (page, _) in table.iter().filter(|(_, entry)| entry.record != 0) {
        pinned.read(*page, &mut image)?;
        append(&mut file, &image)?;
        pages += 1;
    }
    failpoint!("backup.pages-written", fails);
    let header = BackupHeader {
        base: base.map(|base| BackupBase {
            digest: base.superblock.digest(),
            version: base.superblock.version,
        }),
        entries: u32::try_from(table.len()).unwrap_or(u32::MAX),
        pages,
        table_crc,
        time,
    };
    let header = header.encode();
    let bytes = file.len().saturating_add(BACKUP_SECTOR as u64);
    let trailer = BackupTrailer {
        file_len: bytes,
        body_crc,
        header_crc: sector_crc(&header),
    };
    file.append(&trailer.encode())?;
    file.overwrite(0, &header)?;
    failpoint!("backup.file-written", fails);
    file.finish()?;
    failpoint!("backup.done", fails);
    Ok(BackupReport {
        version: superblock.version,
        lsn: superblock.log_start.lsn,
        checkpoint: superblock.checkpoint,
        pages: table.len() as u64,
        pages_copied: pages.into(),
        bytes,
    })
}
