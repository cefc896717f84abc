//! Sizes as of now, and counts that are kept where reads happen, for the `metrics` facade.

use metrics::{counter, gauge};

use crate::telemetry::{
    DATA_BYTES, DIRTY_BYTES, EVICTIONS, LOG_BYTES, MEMORY_BYTES, PAGE_HITS, PAGE_MISSES,
    PINNED_SLOTS, POISONED, SNAPSHOTS, SNAPSHOTS_EXPIRED, SUPERSEDED_BYTES, VERSIONS_HELD,
};

use super::stats::Stats;

impl Stats {
    /// Hands the sizes to the recorder that is installed (see [`telemetry`](crate::telemetry)). Events are counted
    /// where they happen; sizes, and the counts of the cache, are as old as the last call of this.
    #[expect(
        clippy::cast_precision_loss,
        reason = "close enough above 2^53, which is 9 petabytes"
    )]
    pub fn record(&self) {
        let oldest = self.oldest_snapshot.unwrap_or(self.version);
        gauge!(VERSIONS_HELD).set(self.version.get().saturating_sub(oldest.get()) as f64);
        gauge!(LOG_BYTES).set(self.log_bytes as f64);
        gauge!(DIRTY_BYTES).set(self.dirty_bytes as f64);
        gauge!(DATA_BYTES).set(self.data_bytes as f64);
        gauge!(SNAPSHOTS).set(self.snapshots as f64);
        gauge!(MEMORY_BYTES).set(self.memory_bytes as f64);
        gauge!(SUPERSEDED_BYTES).set(self.superseded_bytes as f64);
        gauge!(PINNED_SLOTS).set(self.slots_pinned as f64);
        let misses = self.page_loads.saturating_add(self.load_waits);
        counter!(PAGE_HITS).absolute(self.page_reads.saturating_sub(misses));
        counter!(PAGE_MISSES).absolute(misses);
        counter!(EVICTIONS).absolute(self.evictions);
        counter!(SNAPSHOTS_EXPIRED).absolute(self.snapshots_expired);
        gauge!(POISONED).set(f64::from(u8::from(self.poisoned.is_some())));
    }
}
