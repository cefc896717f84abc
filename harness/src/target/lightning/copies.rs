//! Backups and the archived log, in directories beside the database, and databases made of them.

use std::io;
use std::sync::Arc;

use lightning_db::disk::Disk;
use lightning_db::ids::Lsn;
use lightning_db::{BackupError, BackupFile, Database, Restore, RestoreError, Until};

use super::errors::text_of;
use super::options::{engine_options, is_archived, of_restored};
use crate::target::folder::Folder;
use crate::target::{Copied, ErrorKind, Options, TargetError};

const BACKUPS: &str = "backups";
const ARCHIVE: &str = "archive";

/// The engine's options, with the archive if one is asked for.
pub(super) fn with_archive(
    options: &Options,
    disk: &Arc<dyn Disk>,
) -> Result<lightning_db::Options, TargetError> {
    let engine = engine_options(options);
    if !is_archived(options) {
        return Ok(engine);
    }
    let archive = Folder::create(Arc::clone(disk), ARCHIVE).map_err(|error| of_io(&error))?;
    Ok(engine.archive(Arc::new(archive)))
}

/// Takes a backup.
pub(super) fn backup(
    database: &Database,
    disk: &Arc<dyn Disk>,
    name: &str,
    base: Option<&str>,
) -> Result<(), TargetError> {
    let folder = Folder::create(Arc::clone(disk), BACKUPS).map_err(|error| of_io(&error))?;
    let file = |name: &str| BackupFile::on(Arc::new(folder.clone()), name);
    let taken = match base {
        Some(base) => database.backup_incremental(&file(name), &file(base)),
        None => database.backup(&file(name)),
    };
    taken.map(|_| ()).map_err(|error| of_backup(&error))
}

/// Makes a database of backups.
pub(super) fn restore(
    from: Arc<dyn Disk>,
    copy: Copied<'_>,
    options: &Options,
    to: Arc<dyn Disk>,
) -> Result<(), TargetError> {
    let folder = Folder::of(Arc::clone(&from), BACKUPS);
    let mut files = copy
        .chain
        .iter()
        .map(|name| BackupFile::on(Arc::new(folder.clone()), name));
    let Some(full) = files.next() else {
        let text = "no backup was named";
        return Err(TargetError::refused(ErrorKind::Other, text));
    };
    let mut wanted = Restore::from(full).options(of_restored(options));
    for file in files {
        wanted = wanted.then(file);
    }
    if let Some(point) = copy.point {
        wanted = wanted
            .archive(Arc::new(Folder::of(from, ARCHIVE)))
            .until(until(point));
    }
    let restored = Database::restore_on(to, &wanted);
    restored.map(|_| ()).map_err(|error| of_restore(&error))
}

/// The greatest point is the end of the archive.
fn until(point: u64) -> Until {
    if point == u64::MAX {
        return Until::End;
    }
    Until::Lsn(Lsn(point))
}

fn of_io(error: &io::Error) -> TargetError {
    TargetError::unknown(ErrorKind::Io, text_of(error))
}

fn of_backup(error: &BackupError) -> TargetError {
    TargetError::refused(ErrorKind::Other, text_of(error))
}

fn of_restore(error: &RestoreError) -> TargetError {
    TargetError::refused(ErrorKind::Other, text_of(error))
}
