//! Optimistic transactions over snapshots, committed in groups.

mod commit_queue;
mod conflicts;
mod group_commit;
mod handle;
mod reader;
mod session;
mod write_set;

pub use handle::{Snapshot, Transaction};
pub use reader::Range;
pub use session::Session;
