//! How a simulated disk behaves.

use crate::scenario::{Elision, FileGlob, Latency};
use crate::trace::{SectorSize, TracePosition};

/// How a simulated disk behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimConfig {
    /// The unit in which unsynced bytes survive. A disk that is booted from a state keeps that state's.
    pub sector: SectorSize,
    /// How many calls, reads included, the engine may make in this boot. One more is a hang.
    pub operation_budget: u64,
    /// Which operations are dropped while success is reported.
    pub elide: Vec<Elision>,
    /// The files of which a sync that fails is said to have worked.
    pub ignore: Vec<FileGlob>,
    /// Which operations are slow.
    pub latency: Option<Latency>,
    /// The power goes at this moment of this boot: every later call fails, and later marks don't count.
    pub crash_after: Option<TracePosition>,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            sector: SectorSize::DEFAULT,
            operation_budget: u64::MAX,
            elide: Vec::new(),
            ignore: Vec::new(),
            latency: None,
            crash_after: None,
        }
    }
}
