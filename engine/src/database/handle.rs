//! The database, as callers hold it.

use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use crate::btree::{See, Value};
use crate::checkpoint;
use crate::disk::{Disk, MemoryDisk, RealDisk};
use crate::engine::Engine;
use crate::error::{
    CheckpointError, CommitError, OpenError, ReadError, StorageError, TableError, UpdateError,
    WriteError,
};
use crate::ids::Version;
use crate::options::{Isolation, Options};
use crate::recovery;
use crate::recovery_report::RecoveryReport;
use crate::transaction::{Session, Snapshot, Transaction, get_now, visit_now};

use super::stats::Stats;
use super::verify::{self, VerifyProgress, VerifyReport};

/// An open database. A clone is another handle of the same one.
///
/// Dropping the last handle does no I/O: what is committed is in the log, and the next opening replays it.
/// [`close`](Self::close) runs a last checkpoint, so that the next opening has nothing to replay, and is where
/// `Buffered` and `None` commits become durable.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lightning_db::{Database, Options};
/// let dir = tempfile::tempdir()?;
/// let db = Database::create(dir.path().join("db"), Options::new())?;
///
/// let mut transfer = db.begin()?;
/// transfer.put("accounts", b"alice", b"70")?;
/// transfer.put("accounts", b"bob", b"30")?;
/// transfer.commit()?; // on stable storage when this returns
///
/// assert_eq!(db.get("accounts", b"alice")?.as_deref(), Some(&b"70"[..]));
/// db.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Database {
    open: Arc<Open>,
}

/// What the last handle ends: no thread of the database outlives it.
#[derive(Debug)]
struct Open {
    session: Arc<Session>,
    report: RecoveryReport,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.session.stop_worker();
    }
}

impl Database {
    /// Creates a database in the directory `path`, which is created if it is missing. Refuses a place where
    /// a database exists.
    pub fn create(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let disk =
            RealDisk::create(path).map_err(|e| StorageError::io("create", "the directory", e))?;
        Self::create_on(Arc::new(disk), options)
    }

    /// Opens the database in the directory `path`, and recovers it if it was not closed. Refuses a place
    /// where there is none.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let disk = RealDisk::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                OpenError::NotFound("there is no such directory".to_owned())
            }
            _ => StorageError::io("open", "the directory", error).into(),
        })?;
        Self::open_on(Arc::new(disk), options)
    }

    /// Opens the database in the directory `path`, or creates it.
    pub fn open_or_create(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        if options.read_only {
            return Self::open(path, options);
        }
        let disk =
            RealDisk::create(path).map_err(|e| StorageError::io("create", "the directory", e))?;
        Self::open_or_create_on(Arc::new(disk), options)
    }

    /// A database that lives in memory and ends with its last handle.
    pub fn in_memory(options: Options) -> Result<Self, OpenError> {
        Self::create_on(Arc::new(MemoryDisk::new()), options)
    }

    pub(super) fn new(engine: Engine, report: RecoveryReport) -> Self {
        Self {
            open: Arc::new(Open {
                session: Session::new(engine),
                report,
            }),
        }
    }

    /// What the handles share.
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.open.session
    }

    /// As [`create`](Self::create), on any storage.
    #[expect(clippy::needless_pass_by_value, reason = "the database keeps the disk")]
    pub fn create_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        let engine = recovery::create(&disk, options)?;
        Ok(Self::new(engine, RecoveryReport::default()))
    }

    /// As [`open`](Self::open), on any storage.
    #[expect(clippy::needless_pass_by_value, reason = "the database keeps the disk")]
    pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        let (engine, mut report) = recovery::open(&disk, options)?;
        if !report.damage.is_empty()
            && let Ok(found) = verify::tables_damaged(&engine)
        {
            report.damage.extend(found);
        }
        Ok(Self::new(engine, report))
    }

    /// As [`open_or_create`](Self::open_or_create), on any storage.
    pub fn open_or_create_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        match Self::open_on(Arc::clone(&disk), options.clone()) {
            Err(OpenError::NotFound(_)) if !options.read_only => {}
            other => return other,
        }
        match Self::create_on(Arc::clone(&disk), options.clone()) {
            // Somebody else has made it meanwhile.
            Err(OpenError::AlreadyExists) => Self::open_on(disk, options),
            other => other,
        }
    }

    /// Begins a transaction over what is committed now, with the database's default isolation.
    pub fn begin(&self) -> Result<Transaction, ReadError> {
        self.begin_with(self.options().isolation)
    }

    /// Begins a transaction over what is committed now.
    pub fn begin_with(&self, isolation: Isolation) -> Result<Transaction, ReadError> {
        Transaction::new(&self.open.session, isolation)
    }

    pub(super) fn options(&self) -> &Options {
        &self.open.session.engine.options
    }

    /// Begins a read-only transaction over what is committed now. It never conflicts.
    pub fn snapshot(&self) -> Result<Snapshot, ReadError> {
        Snapshot::new(&self.open.session)
    }

    /// The value of `key` in `table` now.
    pub fn get(&self, table: &str, key: &[u8]) -> Result<Option<Value>, ReadError> {
        get_now(&self.open.session, table, key)
    }

    pub(super) fn visit_now(
        &self,
        table: &str,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        count: usize,
        see: &mut See<'_>,
    ) -> Result<usize, ReadError> {
        visit_now(&self.open.session, table, bounds, (count, see))
    }

    /// Sets one key, in a transaction of its own, which is repeated until it meets no conflict. The table is created if it does not
    /// exist.
    pub fn put(&self, table: &str, key: &[u8], value: &[u8]) -> Result<Version, WriteFailure> {
        self.write(|transaction| transaction.put(table, key, value))
    }

    /// Removes one key, if it is there, in a transaction of its own, which is repeated until it meets no conflict.
    pub fn delete(&self, table: &str, key: &[u8]) -> Result<Version, WriteFailure> {
        self.write(|transaction| transaction.delete(table, key))
    }

    /// A transaction that read nothing has nothing to lose by a conflict: it is repeated until it wins.
    fn write(
        &self,
        write: impl Fn(&mut Transaction) -> Result<(), WriteError>,
    ) -> Result<Version, WriteFailure> {
        loop {
            let mut transaction = self.begin()?;
            write(&mut transaction)?;
            match transaction.commit() {
                Err(CommitError::Conflict { .. }) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Writes everything committed so far to the data file, and frees the log that held it.
    pub fn checkpoint(&self) -> Result<(), CheckpointError> {
        checkpoint::run(&self.open.session.engine)
    }

    /// Reads and checks the whole database: the trees, the data file, the map, the superblock copies, the log that recovery
    /// would read. Runs beside readers and writers, and reports everything that it finds.
    pub fn verify(&self) -> Result<VerifyReport, ReadError> {
        self.verify_with(&mut |_| ControlFlow::Continue(()))
    }

    /// As [`verify`](Self::verify); `progress` is told how far it is, and may end it.
    pub fn verify_with(
        &self,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport, ReadError> {
        verify::run(&self.open.session.engine, progress)
    }

    /// Counters and sizes, as of now.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.open.session.engine)
    }

    /// What opening this database found and did.
    pub fn recovery_report(&self) -> &RecoveryReport {
        &self.open.report
    }

    /// Runs a last checkpoint and gives up this handle. Other handles, snapshots and transactions go on, and the database stays
    /// locked until the last of them is gone.
    pub fn close(self) -> Result<(), CheckpointError> {
        match checkpoint::close(&self.open.session.engine) {
            Err(CheckpointError::ReadOnly) => Ok(()),
            other => other,
        }
    }
}

/// A failed write in a transaction of its own: of one key, of a table, or in [`Database::transact`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteFailure {
    /// The transaction could not begin, or a read in the body of [`Database::transact`] failed.
    #[error(transparent)]
    Begin(#[from] ReadError),
    /// What is there could not be read.
    #[error(transparent)]
    Read(ReadError),
    /// The write was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A table was not created, dropped or renamed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl WriteFailure {
    /// Whether the same, done again, may succeed without anything else being done.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Commit(error) if error.is_retryable())
    }
}

impl From<UpdateError> for WriteFailure {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Read(error) => Self::Read(error),
            UpdateError::Write(error) => Self::Write(error),
        }
    }
}
