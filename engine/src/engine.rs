//! What all handles of one open database share.
//!
//! Locking: the checkpoint's lock, that for making a segment, then the writer's; the map's own locks inside either. Nobody waits for a
//! disk while holding the writer's lock but the commit leader (its log) and a checkpoint's log sync.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::archive::Archiver;
use crate::btree::Tree;
use crate::catalog::Roots;
use crate::disk::{Disk, DiskLock};
use crate::error::StorageError;
use crate::ids::{CommitTime, LogPosition, Lsn};
use crate::map::Map;
use crate::options::{CheckpointMode, Options};
use crate::page_store::{PageStore, PageWriter, Sight};
use crate::sync::{Mutex, MutexGuard, let_others_in, lock};
use crate::wal::{LogEnd, Wal, WalConfig};

/// One open database.
#[derive(Debug)]
pub struct Engine {
    /// The storage.
    pub disk: Arc<dyn Disk>,
    /// As it was opened.
    pub options: Options,
    /// The map of the last completed checkpoint.
    pub map: Arc<Map>,
    /// The pages.
    pub store: Arc<PageStore>,
    /// Where tables are.
    pub roots: Roots,
    /// What happened since it was opened.
    pub counters: Counters,
    writer: Mutex<Writer>,
    checkpointing: Mutex<()>,
    making_segment: Mutex<()>,
    /// How many wait for the writer's lock who are not commit leaders.
    writer_wanted: AtomicU64,
    backing_up: Mutex<()>,
    archive: Mutex<Option<Archiver>>,
    poison: OnceLock<StorageError>,
    replayed_to: OnceLock<Lsn>,
    session_open: AtomicBool,
    /// The latest time recorded with a commit.
    latest_time: AtomicU64,
    _lock: Option<Box<dyn DiskLock>>,
}

/// What one writer at a time may change.
#[derive(Debug)]
pub struct Writer {
    /// Free page numbers and dirty pages.
    pub pages: PageWriter,
    /// The log.
    pub log: SessionLog,
}

/// The log, as far as this session may write it (log.md, L4).
#[derive(Debug)]
pub enum SessionLog {
    /// Nothing is ever written.
    ReadOnly,
    /// Recovery is replaying an earlier session's log.
    Replaying(LogPosition),
    /// The last session's log was read to its end; this one has none yet.
    Idle(LogEnd),
    /// A segment is headed, but no superblock starts the log there yet.
    Headed(Wal),
    /// Commits are appended here.
    Open(Wal),
}

/// Event counts and gauges.
#[derive(Debug, Default)]
pub struct Counters {
    /// Transactions committed.
    pub commits: AtomicU64,
    /// Transactions refused because another one wrote the same key.
    pub conflicts: AtomicU64,
    /// Groups that commits were written in.
    pub groups: AtomicU64,
    /// Syncs of the log.
    pub log_syncs: AtomicU64,
    /// Checkpoints completed.
    pub checkpoints: AtomicU64,
    /// Checkpoints abandoned or failed.
    pub checkpoint_failures: AtomicU64,
    /// Log since the last checkpoint, in bytes.
    pub log_bytes: AtomicU64,
    /// Log that is kept for the archive only, in bytes.
    pub log_kept_bytes: AtomicU64,
    /// Dirty pages, in bytes.
    pub dirty_bytes: AtomicU64,
    /// The log wants a segment made beside it.
    pub wants_segment: AtomicBool,
}

impl Engine {
    /// Puts the parts together.
    pub fn new(
        disk: Arc<dyn Disk>,
        options: Options,
        map: Arc<Map>,
        store: Arc<PageStore>,
        writer: Writer,
        disk_lock: Option<Box<dyn DiskLock>>,
    ) -> Self {
        let session_open = AtomicBool::new(matches!(writer.log, SessionLog::Open(_)));
        Self {
            disk,
            options,
            map,
            store,
            roots: Roots::default(),
            counters: Counters::default(),
            writer: Mutex::new(writer),
            checkpointing: Mutex::new(()),
            making_segment: Mutex::new(()),
            writer_wanted: AtomicU64::new(0),
            backing_up: Mutex::new(()),
            archive: Mutex::new(None),
            poison: OnceLock::new(),
            replayed_to: OnceLock::new(),
            session_open,
            latest_time: AtomicU64::new(0),
            _lock: disk_lock,
        }
    }

    /// The table called `name`, if it exists for this snapshot.
    #[inline]
    pub fn table(&self, sight: Sight<'_>, name: &str) -> Result<Option<Tree>, StorageError> {
        self.roots.find(&sight, sight.tables_as_of(), name)
    }

    /// The configuration of this database's log.
    pub fn wal_config(&self) -> WalConfig {
        let geometry = self.map.superblock().geometry;
        WalConfig {
            segment_len: geometry.segment_len,
            salt: geometry.salt,
        }
    }

    /// The writer's lock. A panic of an earlier holder poisons the database: it may have stopped
    /// between two steps that belong together.
    pub fn writer(&self) -> MutexGuard<'_, Writer> {
        match self.writer.lock() {
            Ok(writer) => writer,
            Err(poisoned) => {
                let cause = std::io::Error::other("a thread panicked while it was writing");
                self.poison(StorageError::io("write", "the database", cause));
                poisoned.into_inner()
            }
        }
    }

    /// The writer's lock, for work in the background. Leaders of commit groups that follow one another hold it nearly all the time and
    /// take it again before anybody wakes up; from now on they let this one in first.
    pub fn writer_in_turn(&self) -> MutexGuard<'_, Writer> {
        self.writer_wanted.fetch_add(1, Relaxed);
        let writer = self.writer();
        self.writer_wanted.fetch_sub(1, Relaxed);
        writer
    }

    /// The writer's lock, for a commit group.
    pub fn writer_for_group(&self) -> MutexGuard<'_, Writer> {
        if self.writer_wanted.load(Relaxed) > 0 {
            let_others_in();
        }
        self.writer()
    }

    /// The right to make a segment of the log beside it. The writer's lock may be taken while this one is held.
    pub fn making_segment(&self) -> MutexGuard<'_, ()> {
        lock(&self.making_segment)
    }

    /// The right to run a checkpoint.
    pub fn checkpointing(&self) -> MutexGuard<'_, ()> {
        lock(&self.checkpointing)
    }

    /// The right to write a backup. Taken before the one to run a checkpoint.
    pub fn backing_up(&self) -> MutexGuard<'_, ()> {
        lock(&self.backing_up)
    }

    /// The log's archive, if there is one. It is written with the right to run a checkpoint; the writer's lock is not taken
    /// while this one is held.
    pub fn archive(&self) -> MutexGuard<'_, Option<Archiver>> {
        lock(&self.archive)
    }

    /// Ends all writing until the database is reopened. The first cause stays.
    pub fn poison(&self, cause: StorageError) -> StorageError {
        self.poison.get_or_init(|| cause).clone()
    }

    /// Why no write is possible any more, if none is.
    pub fn poisoned(&self) -> Option<StorageError> {
        self.poison.get().cloned()
    }

    /// The time for a commit that is written now: never before an earlier one's.
    pub fn commit_time(&self) -> CommitTime {
        let now = self.options.now();
        self.note_commit_time(now);
        CommitTime(self.latest_time.load(Relaxed))
    }

    /// A time that no commit so far is later than: the latest one's, or if none was written or replayed yet, now.
    pub fn time_of_all(&self) -> CommitTime {
        match self.latest_time.load(Relaxed) {
            0 => self.options.now(),
            latest => CommitTime(latest),
        }
    }

    /// Notes the time of a commit that was read from the log.
    pub fn note_commit_time(&self, time: CommitTime) {
        self.latest_time.fetch_max(time.get(), Relaxed);
    }

    /// Notes where the log ended that this opening read.
    pub fn note_replayed(&self, end: Lsn) {
        self.replayed_to.get_or_init(|| end);
    }

    /// Up to where the next opening must find the log's frames.
    pub fn log_to_verify(&self, writer: &Writer) -> Option<Lsn> {
        match &writer.log {
            SessionLog::Headed(wal) | SessionLog::Open(wal) => Some(wal.written()),
            SessionLog::ReadOnly | SessionLog::Replaying(_) | SessionLog::Idle(_) => {
                self.replayed_to.get().copied()
            }
        }
    }

    /// Whether this session's log takes commits.
    pub fn session_is_open(&self) -> bool {
        self.session_open.load(Relaxed)
    }

    /// Notes that it does.
    pub fn note_session_open(&self) {
        self.session_open.store(true, Relaxed);
    }

    /// Copies the writer's gauges to where they can be read without its lock.
    pub fn note_gauges(&self, writer: &Writer) {
        self.counters
            .dirty_bytes
            .store(writer.pages.dirty_bytes(), Relaxed);
        self.counters
            .log_bytes
            .store(writer.log.bytes_live(), Relaxed);
        self.counters
            .log_kept_bytes
            .store(writer.log.bytes_kept(), Relaxed);
        let is_wanted = self.options.checkpoint_mode == CheckpointMode::Background
            && matches!(&writer.log, SessionLog::Open(wal) if wal.wants_segment());
        self.counters.wants_segment.store(is_wanted, Relaxed);
    }
}

impl Counters {
    /// Memory of dirty pages, in bytes.
    pub fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes.load(Relaxed)
    }
}

impl SessionLog {
    /// Where the next group goes, and so where the log starts for a checkpoint taken now.
    pub fn position(&self) -> Option<LogPosition> {
        match self {
            Self::ReadOnly | Self::Idle(_) => None,
            Self::Replaying(position) => Some(*position),
            Self::Headed(wal) | Self::Open(wal) => Some(wal.end()),
        }
    }

    /// Segment files, free ones among them; 0 before this session's log begins.
    pub fn segments(&self) -> usize {
        match self {
            Self::Headed(wal) | Self::Open(wal) => wal.segments(),
            Self::ReadOnly | Self::Replaying(_) | Self::Idle(_) => 0,
        }
    }

    /// Log that is kept for the archive only, in bytes.
    pub fn bytes_kept(&self) -> u64 {
        match self {
            Self::Headed(wal) | Self::Open(wal) => wal.bytes_kept(),
            Self::ReadOnly | Self::Replaying(_) | Self::Idle(_) => 0,
        }
    }

    /// Log since the last checkpoint, in bytes.
    pub fn bytes_live(&self) -> u64 {
        match self {
            Self::Open(wal) => wal.bytes_live(),
            Self::ReadOnly | Self::Replaying(_) | Self::Idle(_) | Self::Headed(_) => 0,
        }
    }
}
