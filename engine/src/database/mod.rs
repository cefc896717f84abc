//! Opening, closing and looking after a database.

mod backups;
mod handle;
mod metrics;
mod queries;
mod stats;
#[cfg(test)]
mod tests;
mod transact;
mod upkeep;
mod verify;

pub use handle::{Database, WriteFailure};
pub use stats::Stats;
pub use upkeep::TableSpace;
pub use verify::{VerifyPhase, VerifyProgress, VerifyReport};
