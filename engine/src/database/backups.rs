//! Backups, the archived log, and databases made of them.

use std::path::Path;
use std::sync::Arc;

use crate::backup::{
    self, BackupError, BackupFile, BackupReport, Restore, RestoreError, RestoreReport, Restored,
};
use crate::checkpoint;
use crate::disk::{Disk, RealDisk};
use crate::error::{CheckpointError, OpenError, StorageError};
use crate::ids::Lsn;
use crate::recovery;
use crate::recovery_report::RecoveryReport;

use super::handle::Database;

impl Database {
    /// Backs the whole database up into one file, which must not exist. Runs beside readers and writers, and holds what is
    /// committed when it begins, at least. The file has its name only when it is complete and durable.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lightning_db::{BackupFile, Database, Options, Restore};
    /// let dir = tempfile::tempdir()?;
    /// let db = Database::create(dir.path().join("db"), Options::new())?;
    /// db.put("born", b"ada", b"1815")?;
    /// let monday = BackupFile::at(dir.path().join("monday"))?;
    /// db.backup(&monday)?;
    ///
    /// db.put("born", b"grace", b"1906")?;
    /// let tuesday = BackupFile::at(dir.path().join("tuesday"))?;
    /// db.backup_incremental(&tuesday, &monday)?;
    ///
    /// let again = dir.path().join("again");
    /// Database::restore(&again, &Restore::from(monday).then(tuesday))?;
    /// let again = Database::open(&again, Options::new())?;
    /// assert_eq!(again.get("born", b"grace")?.as_deref(), Some(&b"1906"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn backup(&self, to: &BackupFile) -> Result<BackupReport, BackupError> {
        backup::full(&self.session().engine, to)
    }

    /// Backs up what has changed since `base`, a full or incremental backup of this database. To restore it takes the
    /// full one, and all in between.
    pub fn backup_incremental(
        &self,
        to: &BackupFile,
        base: &BackupFile,
    ) -> Result<BackupReport, BackupError> {
        backup::incremental(&self.session().engine, to, base)
    }

    /// Makes all that is committed durable, copies to the archive ([`Options::archive`](crate::Options::archive)) what it lacks, and
    /// says up to where it has the log now. Without an archive it is an error.
    pub fn archive_log(&self) -> Result<Lsn, CheckpointError> {
        checkpoint::archive_log(&self.session().engine)
    }

    /// Makes a database of backups and an archive in the directory `path`, which is created if it is missing, and verifies it.
    /// It is a database of its own: the old one's incremental backups and archive do not continue it.
    ///
    /// Refuses a place where a database exists. Until it is complete no opening takes it for a database; a restore that was cut
    /// off can be repeated.
    pub fn restore(path: impl AsRef<Path>, from: &Restore) -> Result<RestoreReport, RestoreError> {
        let disk =
            RealDisk::create(path).map_err(|e| StorageError::io("create", "the directory", e))?;
        Self::restore_on(Arc::new(disk), from)
    }

    /// As [`restore`](Self::restore), on any storage.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "as for the other ways to a database"
    )]
    pub fn restore_on(disk: Arc<dyn Disk>, from: &Restore) -> Result<RestoreReport, RestoreError> {
        let Restored { engine, report } = from.build(&disk)?;
        let database = Self::new(engine, RecoveryReport::default());
        let found = database.verify()?;
        if !found.is_clean() {
            return Err(RestoreError::Unsound(found.problems));
        }
        database.close().map_err(RestoreError::from)?;
        recovery::finish_rebuild(&disk).map_err(OpenError::from)?;
        Ok(report)
    }
}
