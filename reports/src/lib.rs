//! The stability report: one model, `report.json`, and renderers that turn it into pages for people
//! and files for machines.
//!
//! 1. Whatever depends on time or machine stands under keys named `timing` or `environment`. Everything
//!    else is equal for equal (commit, scenarios, seed).
//! 2. A renderer invents nothing: what it shows is in the model. What it leaves out for size it names.
//! 3. Strings in a report come from scenarios and from engines under test: every renderer escapes them.
//!
//! This crate does not know how a scenario is run, nor any engine.

pub mod heat_map;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod model;
pub mod number;
pub mod read;
pub mod summary;
pub mod write;

pub use model::{
    Assumption, CheckReport, Counts, CoverageMethod, CrashPointCoverage, CrashStates,
    ElisionReport, Environment, Expect, Fate, FaultReport, Finding, Grid, Histogram,
    HistogramBucket, Impossible, Repair, Report, SCHEMA_VERSION, ScenarioReport, ScenarioTiming,
    ScenarioVerdict, Shrunk, Skipped, TimelineEntry, TimelineKind, Timing, Totals, Verdict,
};
pub use read::ReadError;
pub use write::{WriteError, Written, write_all};
