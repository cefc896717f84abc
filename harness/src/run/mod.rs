//! Running scenarios: batches to workers, results merged in order, verdicts.
//!
//! 1. What a run reports is a function of (commit, scenarios, seed), `timing` and `environment` apart: batches
//!    are merged in the order of their run index, and a scenario ends at the first one that satisfies its
//!    budget, whatever was computed beyond it.
//! 2. Nothing passes vacuously, and a planted bug counts as caught only beside a healthy control.
//!
//! This module knows neither targets nor disks, and no terminal but through [`Watch`].

mod config;

mod execute;

mod schedule;

mod grid;
mod judge;
mod tally;

mod again;
mod smaller;

mod files;
mod output;

pub use again::job_again;
pub use config::{DEFAULT_SEED, Loaded, RunConfig};
pub use execute::{Outcome, RunFailure, Watch, execute, lacking_plane};
pub use files::write_atomically;
pub use output::{OutputError, write_run_files};
pub use schedule::{Snapshot, Unfinished};
pub use smaller::{Smaller, reported, shrink_findings};
