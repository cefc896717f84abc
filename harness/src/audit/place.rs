//! What an audit says of each sync.

use serde::Serialize;

use crate::sim::SyncPlace;

/// What an audit gave.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// The version of this file's format.
    pub format: u32,
    /// The target engine's name.
    pub target: String,
    /// The seed, in decimal.
    pub seed: String,
    /// The scenarios, by their ids.
    pub scenarios: Vec<String>,
    /// Every sync, by file and place.
    pub syncs: Vec<Audited>,
}

/// What an audit says of one sync.
#[derive(Clone, Debug, Serialize)]
pub struct Audited {
    /// Which.
    #[serde(flatten)]
    pub place: SyncPlace,
    /// How often it was issued in the runs that were looked at.
    pub issued: u64,
    /// Whether it is needed.
    #[serde(flatten)]
    pub need: Need,
}

/// Whether a sync is needed.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Need {
    /// Without it an invariant breaks.
    Needed {
        /// Which.
        check: String,
        /// The witness's size: see `docs/design/shrinking.md`.
        operations: usize,
        /// The line that replays the witness.
        replay: String,
        /// The witness: what clients do, where the power is cut and what survives.
        witness: Vec<String>,
    },
    /// Nothing broke without it.
    NotShown {
        /// How often it was left out.
        left_out: u64,
        /// Distinct states that were judged.
        states: u64,
        /// Crash points at which every legal state was covered.
        covered_points: u64,
        /// Crash points that were visited.
        points: u64,
    },
}

impl Need {
    /// Whether it was shown to be needed.
    pub fn is_needed(&self) -> bool {
        matches!(self, Self::Needed { .. })
    }
}
