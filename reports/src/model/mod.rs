//! What a report holds: the types of `report.json`.

mod finding;
mod grid;
mod histogram;
mod report;
mod scenario;
mod shrunk;
mod verdict;

pub use finding::{Fate, Finding, TimelineEntry, TimelineKind};
pub use grid::{Grid, Impossible};
pub use histogram::{Histogram, HistogramBucket};
pub use report::{
    Counts, CrashStates, Environment, Report, SCHEMA_VERSION, Skipped, Timing, Totals,
};
pub use scenario::{
    CheckReport, CoverageMethod, CrashPointCoverage, ElisionReport, FaultReport, ScenarioReport,
    ScenarioTiming,
};
pub use shrunk::{Assumption, Repair, Shrunk};
pub use verdict::{Expect, ScenarioVerdict, Verdict};
