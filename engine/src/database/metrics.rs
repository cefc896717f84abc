//! Sizes as of now, for the `metrics` facade.

use metrics::gauge;

use crate::telemetry::{DATA_BYTES, DIRTY_BYTES, LOG_BYTES, POISONED, SNAPSHOTS, VERSIONS_HELD};

use super::stats::Stats;

impl Stats {
    /// Hands the sizes to the recorder that is installed (see [`telemetry`](crate::telemetry)). Events are counted
    /// where they happen; sizes are as old as the last call of this.
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
        gauge!(POISONED).set(f64::from(u8::from(self.poisoned.is_some())));
    }
}
