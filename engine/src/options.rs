//! How a database is created and opened, and what it refuses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::Disk;
use crate::ids::CommitTime;
use crate::recovery_report::Progress;
use crate::sync::wall_clock_ms;

/// Longest log segment, in bytes: offsets within one fit 32 bits.
const LOG_SEGMENT_MAX: u64 = 1 << 30;
/// Whatever `Limits::memory` says, a commit, and superseded versions, may take this much.
const SHARE_BYTES_MIN: u64 = 8 << 20;
/// Fewer pages than this in memory are not worth calling a cache.
const MEMORY_PAGES_MIN: u64 = 16;
/// Most snapshots that can be allowed at a time: each one takes a cache line from the start.
const SNAPSHOTS_MAX: usize = 1 << 20;

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// At once. What survives any crash is a prefix of the commit order.
    None,
    /// When it is in the log file: it survives the process, not the power.
    Buffered,
    /// When it is on stable storage, with every commit before it. The default.
    #[default]
    Sync,
}

/// Which transactions of others a transaction may not notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// It reads one snapshot, and of two that write the same key one is refused. Two may each write what the other
    /// one read. The default.
    #[default]
    Snapshot,
    /// It commits only if what it read is still so: the outcome is that of some order, one after the other. All
    /// transactions that write have to be serializable for that.
    Serializable,
}

/// How [`Database::transact`](crate::Database::transact) repeats a transaction after a conflict. It waits no longer than
/// `tries` times `wait_max` in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// How often the transaction is tried; at least once.
    pub tries: u32,
    /// The longest wait before the second try. It doubles from try to try; how much of it is waited is drawn.
    pub wait_first: Duration,
    /// The longest wait.
    pub wait_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 64,
            wait_first: Duration::from_micros(50),
            wait_max: Duration::from_millis(20),
        }
    }
}

/// Who runs checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CheckpointMode {
    /// A thread of the database's own.
    #[default]
    Background,
    /// The thread whose commit makes one due, before that commit returns. The commit stands, whatever becomes of the checkpoint.
    Inline,
    /// Only `Database::checkpoint`, and writers that would otherwise exceed a limit.
    Manual,
}

/// What a database refuses, before anything is written, with an error that names the field. Set single fields of
/// `Limits::default()`, and hand it to [`Options::limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Snapshots and transactions open at a time: 1024 by default, at most 1,048,576.
    pub snapshots: usize,
    /// Bytes of keys and values that one transaction may write; 2 GiB by default. A quarter of `memory` (8 MiB at least) if that is
    /// less, which it is by default: 64 MiB. The error then names `memory`.
    pub transaction_bytes: u64,
    /// Length of a key, in bytes; 4096 by default, at most 65,535.
    pub key_bytes: usize,
    /// Length of a value, in bytes; 1 GiB by default. A value is part of a transaction: see `transaction_bytes`.
    pub value_bytes: u64,
    /// Length of a table's name, in bytes; 255 by default.
    pub table_name_bytes: usize,
    /// Length of all files of the database, in bytes; unlimited by default. At this limit it behaves as on a full disk.
    pub disk_bytes: u64,
    /// Log since the last checkpoint, in bytes: it bounds the time of recovery; 256 MiB by default. A writer that would exceed
    /// it runs a checkpoint first.
    pub wal_bytes: u64,
    /// Memory of pages, in bytes; 256 MiB by default, at least 16 pages. Pages that are on disk leave memory for others, so a
    /// database may be much larger. Pages newer than the disk take at most half of it (see `dirty_bytes`), one
    /// commit a quarter, and versions that only old snapshots see another (see `snapshot_bytes`); 8 MiB is
    /// allowed to either, however small the memory. The tables that lead to pages are in it, 40 bytes for each page of the
    /// database, an eighth at least and a quarter at most. Not in it: what an open transaction has written (`transaction_bytes`), and values that a
    /// caller holds.
    pub memory: u64,
    /// Memory of pages newer than the disk, in bytes; 512 MiB by default, half of `memory` if that is less. A writer that would exceed
    /// it runs a checkpoint first.
    pub dirty_bytes: u64,
    /// Memory of versions that only old snapshots see and that no slot of the data file holds, in bytes; 64 MiB by default, a quarter
    /// of `memory` (8 MiB at least) if that is less. Beyond it the oldest snapshots are given up: reads from them return
    /// [`ReadError::SnapshotTooOld`](crate::ReadError::SnapshotTooOld).
    pub snapshot_bytes: u64,
    /// Keys that the conflict index remembers; 4,194,304 by default. Beyond it what the oldest open transactions may conflict with is
    /// found out by comparing values, which is slower.
    pub conflict_keys: usize,
    /// Pages that one transaction may free by dropping tables and deleting ranges: each is remembered, in about 200
    /// bytes, until no snapshot sees it any more. A larger table can be emptied range by range before it is dropped.
    pub freed_pages: u64,
    /// Log that is kept only because it is not archived yet, in bytes; 1 GiB by default. Beyond it commits return
    /// [`CommitError::Archive`](crate::CommitError::Archive).
    pub archive_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            snapshots: 1024,
            transaction_bytes: 2 << 30,
            key_bytes: 4096,
            value_bytes: 1 << 30,
            table_name_bytes: 255,
            disk_bytes: u64::MAX,
            wal_bytes: 256 << 20,
            memory: 256 << 20,
            dirty_bytes: 512 << 20,
            snapshot_bytes: 64 << 20,
            conflict_keys: 4 << 20,
            freed_pages: 4 << 20,
            archive_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Pages newer than the disk, in bytes.
    pub(crate) fn dirty_share(&self) -> u64 {
        self.dirty_bytes.min(self.memory / 2)
    }

    /// Page images that one transaction's commit may change, in bytes.
    pub(crate) fn commit_share(&self) -> u64 {
        (self.memory / 4).max(SHARE_BYTES_MIN)
    }

    /// Superseded versions that are in no slot, in bytes.
    pub(crate) fn snapshot_share(&self) -> u64 {
        self.snapshot_bytes
            .min((self.memory / 4).max(SHARE_BYTES_MIN))
    }
}

/// About what a sync takes.
const GROUP_WAIT: Duration = Duration::from_micros(100);
const GROUP_WAIT_MAX: Duration = Duration::from_secs(1);

/// How to create or open a database.
///
/// ```
/// use lightning_db::Options;
/// let options = Options::new().page_size(8192).checkpoint_after(16 << 20);
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) page_size: u32,
    pub(crate) log_segment: u64,
    pub(crate) checkpoint_after: u64,
    pub(crate) checkpoint_mode: CheckpointMode,
    pub(crate) durability: Durability,
    pub(crate) isolation: Isolation,
    pub(crate) retry: Retry,
    pub(crate) group_wait: Duration,
    pub(crate) limits: Limits,
    pub(crate) read_only: bool,
    pub(crate) salt: Option<u64>,
    pub(crate) progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    pub(crate) archive: Option<Arc<dyn Disk>>,
    pub(crate) clock: Option<Arc<dyn Fn() -> CommitTime + Send + Sync>>,
}

impl Options {
    /// The defaults: 4 KiB pages, 8 MiB log segments, a checkpoint in the background after 64 MiB of
    /// log, and commits that survive a power cut.
    pub fn new() -> Self {
        Self {
            page_size: 4096,
            log_segment: 8 << 20,
            checkpoint_after: 64 << 20,
            checkpoint_mode: CheckpointMode::default(),
            durability: Durability::default(),
            isolation: Isolation::default(),
            retry: Retry::default(),
            group_wait: GROUP_WAIT,
            limits: Limits::default(),
            read_only: false,
            salt: None,
            progress: None,
            archive: None,
            clock: None,
        }
    }

    /// Size of a page in bytes, for a database that is created: a power of two from 4096 to 65536.
    #[must_use]
    pub fn page_size(mut self, bytes: u32) -> Self {
        self.page_size = bytes;
        self
    }

    /// Size of a log segment in bytes, for a database that is created: a multiple of 4096, from 8192 to 1 GiB.
    #[must_use]
    pub fn log_segment(mut self, bytes: u64) -> Self {
        self.log_segment = bytes;
        self
    }

    /// Bytes of log after which a checkpoint is due; 64 MiB if not set. One is also due when half of what
    /// [`Limits::dirty_bytes`] allows is dirty.
    #[must_use]
    pub fn checkpoint_after(mut self, bytes: u64) -> Self {
        self.checkpoint_after = bytes;
        self
    }

    /// Who runs checkpoints.
    #[must_use]
    pub fn checkpoint_mode(mut self, mode: CheckpointMode) -> Self {
        self.checkpoint_mode = mode;
        self
    }

    /// The durability of commits that do not name one.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The isolation of transactions that do not name one; [`Isolation::Snapshot`] if not set.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// How often and after which waits `Database::transact` tries again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// How long a commit with [`Durability::Sync`] may wait for others that are likely to come, so that one sync serves them all: 100 µs
    /// if not set, a second at most. It is a bound: who has no such company does not wait. Zero: nobody ever waits.
    #[must_use]
    pub fn group_wait(mut self, longest: Duration) -> Self {
        self.group_wait = longest;
        self
    }

    /// What the database refuses.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens without changing the database: what recovery finds in the log is kept in memory only. It takes the lock as any opening
    /// does. Only where the lock cannot be taken because nothing may be written there it goes without, and nobody else may have the
    /// database open for writing.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// The number that tells this database's log from all others, for a database that is created. Drawn
    /// at random by default; a fixed one makes a run repeatable to the byte, and turns the default
    /// [`clock`](Self::clock) off.
    #[must_use]
    pub fn salt(mut self, salt: u64) -> Self {
        self.salt = Some(salt);
        self
    }

    /// Tells the time that each commit group is recorded with, for restores up to a time. The system's clock by
    /// default; none, which is recorded as 0, where [`salt`](Self::salt) asks for a repeatable run.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> CommitTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The time now, by the clock that was set.
    pub(crate) fn now(&self) -> CommitTime {
        match (&self.clock, self.salt) {
            (Some(clock), _) => clock(),
            (None, Some(_)) => CommitTime(0),
            (None, None) => CommitTime(wall_clock_ms()),
        }
    }

    /// Where the log is archived, for restores up to a point in time: before a piece of the log is recycled its commits are
    /// copied there, durably. Databases may share an archive. While it takes nothing the log is kept, up to
    /// [`Limits::archive_bytes`].
    #[must_use]
    pub fn archive(mut self, archive: Arc<dyn Disk>) -> Self {
        self.archive = Some(archive);
        self
    }

    /// Is called as recovery proceeds.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// The first option that cannot be, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        let page_size = self.page_size;
        if !page_size.is_power_of_two() || !(4096..=65536).contains(&page_size) {
            return Err(format!(
                "page_size {page_size}: expected a power of two from 4096 to 65536"
            ));
        }
        let segment = self.log_segment;
        if !segment.is_multiple_of(4096) || segment < 8192 {
            return Err(format!(
                "log_segment {segment}: expected a multiple of 4096, at least 8192"
            ));
        }
        if segment > LOG_SEGMENT_MAX {
            return Err(format!("log_segment {segment}: at most {LOG_SEGMENT_MAX}"));
        }
        if self.group_wait > GROUP_WAIT_MAX {
            return Err(format!(
                "group_wait {:?}: at most {GROUP_WAIT_MAX:?}",
                self.group_wait
            ));
        }
        let snapshots = self.limits.snapshots;
        if snapshots > SNAPSHOTS_MAX {
            return Err(format!(
                "limits.snapshots {snapshots}: at most {SNAPSHOTS_MAX}"
            ));
        }
        let memory_min = MEMORY_PAGES_MIN * u64::from(page_size);
        if self.limits.memory < memory_min {
            return Err(format!(
                "limits.memory {}: at least {memory_min}, which is {MEMORY_PAGES_MIN} pages",
                self.limits.memory
            ));
        }
        if self.limits.key_bytes > usize::from(u16::MAX) {
            return Err(format!(
                "limits.key_bytes {}: at most 65535",
                self.limits.key_bytes
            ));
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("page_size", &self.page_size)
            .field("log_segment", &self.log_segment)
            .field("checkpoint_after", &self.checkpoint_after)
            .field("checkpoint_mode", &self.checkpoint_mode)
            .field("durability", &self.durability)
            .field("isolation", &self.isolation)
            .field("retry", &self.retry)
            .field("group_wait", &self.group_wait)
            .field("limits", &self.limits)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_be_are_named() {
        let wrong = [
            (Options::new().page_size(5000), "page_size"),
            (Options::new().page_size(1 << 17), "page_size"),
            (Options::new().log_segment(20_000), "log_segment"),
            (
                Options::new().group_wait(Duration::from_secs(2)),
                "group_wait",
            ),
            (Options::new().log_segment(4096), "log_segment"),
            (Options::new().log_segment(2 << 30), "log_segment"),
            (
                Options::new().limits(Limits {
                    snapshots: usize::MAX,
                    ..Limits::default()
                }),
                "limits.snapshots",
            ),
        ];
        for (options, name) in wrong {
            assert!(options.check().unwrap_err().contains(name));
        }
        assert_eq!(Options::new().check(), Ok(()));
    }
}
