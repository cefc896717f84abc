//! Counters and sizes of an open database.

use std::sync::atomic::Ordering::Relaxed;

use crate::archive::Archiver;
use crate::engine::Engine;
use crate::ids::{CheckpointId, Lsn, Version};

/// What happened since the database was opened, and what it holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The newest committed version.
    pub version: Version,
    /// The last completed checkpoint.
    pub checkpoint: CheckpointId,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions refused for a conflict.
    pub conflicts: u64,
    /// Groups that the commits were written in.
    pub groups: u64,
    /// Syncs of the log.
    pub log_syncs: u64,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Checkpoints abandoned or failed.
    pub checkpoint_failures: u64,
    /// Log since the last checkpoint, in bytes.
    pub log_bytes: u64,
    /// Memory of pages newer than the disk, in bytes.
    pub dirty_bytes: u64,
    /// Slots of the data file that hold pages of the last checkpoint.
    pub slots_used: u32,
    /// Slots that are free to be written.
    pub slots_free: u32,
    /// Slots that are kept for versions that only old snapshots see.
    pub slots_pinned: usize,
    /// Length of the data file, in bytes.
    pub data_bytes: u64,
    /// Pages that no table uses.
    pub pages_free: u64,
    /// Segments of the log, free ones among them.
    pub log_segments: usize,
    /// Snapshots and transactions that are open.
    pub snapshots: usize,
    /// Snapshots that were given up, because what they saw took more than [`Limits::snapshot_bytes`](crate::Limits::snapshot_bytes).
    pub snapshots_expired: u64,
    /// The oldest version that one of them sees.
    pub oldest_snapshot: Option<Version>,
    /// Where the log ends: what a restore up to an `Lsn` can be asked for. 0 before this session's first commit.
    pub log_end: Lsn,
    /// Log that is kept only because it is not archived yet, in bytes.
    pub log_kept_bytes: u64,
    /// Up to where the archive has the log, if there is one.
    pub archived: Option<Lsn>,
    /// Why the log was not archived the last time, if it was not.
    pub archive_failure: Option<String>,
    /// Bytes of page images in memory, dirty ones and superseded ones among them.
    pub memory_bytes: u64,
    /// Bytes of page images in memory that only old snapshots see.
    pub superseded_bytes: u64,
    /// Pages that snapshots and transactions looked up. Threads that share a snapshot may lose some counts.
    pub page_reads: u64,
    /// Pages and large values that were read from disk.
    pub page_loads: u64,
    /// Look-ups that waited for a read by another thread.
    pub load_waits: u64,
    /// Page images that left memory for others.
    pub evictions: u64,
    /// Why the database takes no more writes, if it does not.
    pub poisoned: Option<String>,
}

impl Stats {
    pub(crate) fn of(engine: &Engine) -> Self {
        let counters = &engine.counters;
        let (snapshots, oldest_snapshot) = engine.store.snapshots().held();
        let data = engine.map.stats();
        let (archived, archive_failure) = {
            let archive = engine.archive();
            let archiver = archive.as_ref();
            let reached = archiver.and_then(Archiver::reached);
            let failure = archiver.and_then(Archiver::failure);
            (
                reached.map(|reached| reached.position.lsn),
                failure.map(ToString::to_string),
            )
        };
        let cache = engine.store.stats();
        let writer = engine.writer();
        Self {
            slots_used: data.slots_used,
            slots_free: data.slots_free,
            slots_pinned: data.slots_pinned,
            data_bytes: data.data_len,
            pages_free: writer.pages.free_pages().count(),
            log_segments: writer.log.segments(),
            version: engine.store.snapshots().published(),
            checkpoint: engine.map.superblock().checkpoint,
            commits: counters.commits.load(Relaxed),
            conflicts: counters.conflicts.load(Relaxed),
            groups: counters.groups.load(Relaxed),
            log_syncs: counters.log_syncs.load(Relaxed),
            checkpoints: counters.checkpoints.load(Relaxed),
            checkpoint_failures: counters.checkpoint_failures.load(Relaxed),
            log_bytes: counters.log_bytes.load(Relaxed),
            dirty_bytes: counters.dirty_bytes.load(Relaxed),
            snapshots,
            snapshots_expired: engine.store.snapshots().expired(),
            oldest_snapshot,
            log_end: writer.log.position().unwrap_or_default().lsn,
            log_kept_bytes: counters.log_kept_bytes.load(Relaxed),
            archived,
            archive_failure,
            memory_bytes: cache.resident_bytes,
            superseded_bytes: cache.superseded_bytes,
            page_reads: cache.page_reads,
            page_loads: cache.loads,
            load_waits: cache.load_waits,
            evictions: cache.evictions,
            poisoned: engine.poisoned().map(|cause| cause.to_string()),
        }
    }
}
