//! What the engine tells the [`metrics`] and [`tracing`] facades.
//!
//! Both cost next to nothing until the program installs a recorder or a subscriber. Reads tell nothing at all: what they
//! cost is counted where they happen, and handed over by [`Stats::record`](crate::Stats::record), which a program calls
//! as often as it wants to look: the gauges, and the counters of pages and snapshots, which are then set to what one database
//! has counted since it was opened. All databases of a process share the names.
//!
//! | metric | kind | what |
//! |---|---|---|
//! | `lightning_commits_total` | counter | transactions committed |
//! | `lightning_conflicts_total` | counter | transactions refused for a conflict |
//! | `lightning_commit_failures_total` | counter | transactions whose commit failed otherwise |
//! | `lightning_commit_groups_total` | counter | groups that commits were written in |
//! | `lightning_commit_group_size` | histogram | transactions in a group, refused ones among them |
//! | `lightning_commit_queue_seconds` | histogram | a transaction waits for its group's turn |
//! | `lightning_commit_prepare_seconds` | histogram | a group is validated and applied |
//! | `lightning_commit_append_seconds` | histogram | a group is put into the log's buffer |
//! | `lightning_commit_sync_seconds` | histogram | a group is written and synced as its durability asks |
//! | `lightning_commit_publish_seconds` | histogram | a group becomes visible |
//! | `lightning_checkpoints_total` | counter | checkpoints completed |
//! | `lightning_checkpoint_failures_total` | counter | checkpoints abandoned or failed |
//! | `lightning_checkpoint_seconds` | histogram | how long a completed checkpoint took |
//! | `lightning_checkpoint_bytes` | histogram | pages and large values that it wrote |
//! | `lightning_recoveries_total` | counter | databases opened |
//! | `lightning_recovery_seconds` | histogram | how long opening took |
//! | `lightning_recovery_groups_total` | counter | commit groups replayed |
//! | `lightning_recovery_bytes_total` | counter | log replayed |
//! | `lightning_log_bytes` | gauge | log since the last checkpoint |
//! | `lightning_dirty_bytes` | gauge | pages newer than the disk |
//! | `lightning_data_bytes` | gauge | length of the data file |
//! | `lightning_snapshots` | gauge | snapshots and transactions that are open |
//! | `lightning_versions_held` | gauge | commit groups since the oldest of them began |
//! | `lightning_memory_bytes` | gauge | page images in memory |
//! | `lightning_superseded_bytes` | gauge | page images among them that only old snapshots see |
//! | `lightning_pinned_slots` | gauge | slots of the data file that only old snapshots see |
//! | `lightning_page_hits_total` | counter | pages looked up and found in memory |
//! | `lightning_page_misses_total` | counter | pages looked up and read from disk, or waited for |
//! | `lightning_evictions_total` | counter | page images that left memory for others |
//! | `lightning_snapshots_expired_total` | counter | snapshots given up at their limit |
//! | `lightning_poisoned` | gauge | 1 once the database takes no more writes |
//!
//! Spans: `commit_group` (debug), `checkpoint` (info), `recovery` (info); what ended badly is an event of level `warn`
//! or `error` inside them.

use std::time::Duration;

use metrics::{
    Key, Level, Metadata, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    histogram, with_recorder,
};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A size as of now.
    Gauge,
    /// Single values whose distribution is of interest.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub means: &'static str,
    unit: Unit,
}

macro_rules! define {
    ($($constant:ident = $name:literal, $kind:ident, $unit:ident, $means:literal;)+) => {
        $(
            #[doc = $means]
            pub const $constant: &str = $name;
        )+

        /// All of them.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            means: $means,
            unit: Unit::$unit,
        }),+];
    };
}

define! {
    COMMITS = "lightning_commits_total", Counter, Count, "Transactions committed.";
    CONFLICTS = "lightning_conflicts_total", Counter, Count, "Transactions refused for a conflict.";
    COMMIT_FAILURES = "lightning_commit_failures_total", Counter, Count, "Transactions whose commit failed otherwise.";
    GROUPS = "lightning_commit_groups_total", Counter, Count, "Groups that commits were written in.";
    GROUP_SIZE = "lightning_commit_group_size", Histogram, Count, "Transactions in a group, refused ones among them.";
    QUEUE = "lightning_commit_queue_seconds", Histogram, Seconds, "A transaction waits for its group's turn.";
    PREPARE = "lightning_commit_prepare_seconds", Histogram, Seconds, "A group is validated and applied.";
    APPEND = "lightning_commit_append_seconds", Histogram, Seconds, "A group is put into the log's buffer.";
    SYNC = "lightning_commit_sync_seconds", Histogram, Seconds, "A group is written and synced as its durability asks.";
    PUBLISH = "lightning_commit_publish_seconds", Histogram, Seconds, "A group becomes visible.";
    CHECKPOINTS = "lightning_checkpoints_total", Counter, Count, "Checkpoints completed.";
    CHECKPOINT_FAILURES = "lightning_checkpoint_failures_total", Counter, Count, "Checkpoints abandoned or failed.";
    CHECKPOINT_SECONDS = "lightning_checkpoint_seconds", Histogram, Seconds, "How long a completed checkpoint took.";
    CHECKPOINT_BYTES = "lightning_checkpoint_bytes", Histogram, Bytes, "Pages and large values that it wrote.";
    RECOVERIES = "lightning_recoveries_total", Counter, Count, "Databases opened.";
    RECOVERY_SECONDS = "lightning_recovery_seconds", Histogram, Seconds, "How long opening took.";
    RECOVERY_GROUPS = "lightning_recovery_groups_total", Counter, Count, "Commit groups replayed.";
    RECOVERY_BYTES = "lightning_recovery_bytes_total", Counter, Bytes, "Log replayed.";
    LOG_BYTES = "lightning_log_bytes", Gauge, Bytes, "Log since the last checkpoint.";
    DIRTY_BYTES = "lightning_dirty_bytes", Gauge, Bytes, "Pages newer than the disk.";
    DATA_BYTES = "lightning_data_bytes", Gauge, Bytes, "Length of the data file.";
    SNAPSHOTS = "lightning_snapshots", Gauge, Count, "Snapshots and transactions that are open.";
    VERSIONS_HELD = "lightning_versions_held", Gauge, Count, "Commit groups since the oldest of them began.";
    MEMORY_BYTES = "lightning_memory_bytes", Gauge, Bytes, "Page images in memory.";
    SUPERSEDED_BYTES = "lightning_superseded_bytes", Gauge, Bytes, "Page images among them that only old snapshots see.";
    PINNED_SLOTS = "lightning_pinned_slots", Gauge, Count, "Slots of the data file that only old snapshots see.";
    PAGE_HITS = "lightning_page_hits_total", Counter, Count, "Pages looked up and found in memory.";
    PAGE_MISSES = "lightning_page_misses_total", Counter, Count, "Pages looked up and read from disk, or waited for.";
    EVICTIONS = "lightning_evictions_total", Counter, Count, "Page images that left memory for others.";
    SNAPSHOTS_EXPIRED = "lightning_snapshots_expired_total", Counter, Count, "Snapshots given up at their limit.";
    POISONED = "lightning_poisoned", Gauge, Count, "1 once the database takes no more writes.";
}

/// Tells the recorder that is installed what each metric is and means.
pub fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.unit, metric.means),
            Kind::Gauge => describe_gauge!(metric.name, metric.unit, metric.means),
            Kind::Histogram => describe_histogram!(metric.name, metric.unit, metric.means),
        }
    }
}

/// What became of a group's members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupOutcome {
    pub(crate) committed: u64,
    pub(crate) conflicts: u64,
    pub(crate) failures: u64,
}

/// How long a group took, step by step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupTimes {
    pub(crate) prepare: Duration,
    pub(crate) append: Duration,
    pub(crate) sync: Duration,
    pub(crate) publish: Duration,
}

/// Whether it is worth measuring how long a commit takes, step by step: a recorder may listen.
///
/// The recorder that stands for none has no size. One that a program installs has, unless all it knows is in statics: that one is
/// told counts only.
pub(crate) fn listens() -> bool {
    with_recorder(|recorder| size_of_val(recorder) > 0)
}

/// Where the metrics of commits come from.
const ORIGIN: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// A group of commits: what it tells goes to one recorder, by keys that were made when this was compiled.
pub(crate) fn group(outcome: GroupOutcome, times: Option<GroupTimes>, is_written: bool) {
    static KEYS: [Key; 8] = [
        Key::from_static_name(COMMITS),
        Key::from_static_name(CONFLICTS),
        Key::from_static_name(COMMIT_FAILURES),
        Key::from_static_name(GROUPS),
        Key::from_static_name(PREPARE),
        Key::from_static_name(APPEND),
        Key::from_static_name(SYNC),
        Key::from_static_name(PUBLISH),
    ];
    static SIZE: Key = Key::from_static_name(GROUP_SIZE);
    let [
        commits,
        conflicts,
        failures,
        groups,
        prepare,
        append,
        sync,
        publish,
    ] = &KEYS;
    let size = outcome.committed.saturating_add(outcome.conflicts);
    let size = size.saturating_add(outcome.failures);
    with_recorder(|recorder| {
        let count = |key, by| recorder.register_counter(key, &ORIGIN).increment(by);
        count(commits, outcome.committed);
        if outcome.conflicts > 0 {
            count(conflicts, outcome.conflicts);
        }
        if outcome.failures > 0 {
            count(failures, outcome.failures);
        }
        if !is_written {
            return;
        }
        count(groups, 1);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a group is no 2^53 transactions"
        )]
        recorder
            .register_histogram(&SIZE, &ORIGIN)
            .record(size as f64);
        let Some(times) = times else { return };
        let tell = |key, time: Duration| recorder.register_histogram(key, &ORIGIN).record(time);
        tell(prepare, times.prepare);
        tell(append, times.append);
        tell(sync, times.sync);
        tell(publish, times.publish);
    });
}

/// A transaction was refused before it was in a group.
pub(crate) fn commit_refused() {
    counter!(COMMIT_FAILURES).increment(1);
}

/// A member of a group had to wait for so long.
pub(crate) fn queued(wait: Duration) {
    static KEY: Key = Key::from_static_name(QUEUE);
    with_recorder(|recorder| recorder.register_histogram(&KEY, &ORIGIN).record(wait));
}

/// A checkpoint is complete.
pub(crate) fn checkpoint(took: Duration, bytes: u64) {
    counter!(CHECKPOINTS).increment(1);
    histogram!(CHECKPOINT_SECONDS).record(took);
    #[expect(clippy::cast_precision_loss, reason = "close enough above 2^53 bytes")]
    histogram!(CHECKPOINT_BYTES).record(bytes as f64);
}

/// A checkpoint was abandoned or failed.
pub(crate) fn checkpoint_failed() {
    counter!(CHECKPOINT_FAILURES).increment(1);
}

/// A database is open.
pub(crate) fn recovery(took: Duration, groups: u64, bytes: u64) {
    counter!(RECOVERIES).increment(1);
    histogram!(RECOVERY_SECONDS).record(took);
    counter!(RECOVERY_GROUPS).increment(groups);
    counter!(RECOVERY_BYTES).increment(bytes);
}
