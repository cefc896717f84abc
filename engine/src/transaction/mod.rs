//! Optimistic transactions over snapshots, committed in groups.

mod brief_wait;
mod commit_queue;
mod conflicts;
mod group_commit;
mod group_size;
mod handle;
mod helper;
mod key_hash;
mod key_ranges;
mod merge;
mod names;
mod queries;
mod read_set;
mod reader;
mod reorganize;
mod report;
mod room;
mod session;
mod settled;
mod source;
mod table_writes;
mod tables;
#[cfg(test)]
mod tests;
mod undo;
mod updates;
mod validation;
mod write_order;
mod write_set;
mod writes;

pub use handle::{Snapshot, Transaction};
pub(crate) use handle::{get_now, visit_now};
pub use queries::Seek;
pub(crate) use queries::{count, first, get_many, last, queries, seek, visit};
pub use reader::Range;
pub(crate) use reader::prefix_bounds;
pub use reorganize::{Reorganized, reorganize};
pub use report::CommitReport;
pub use session::Session;
pub(crate) use source::sealed;
pub use source::{Entry, Source};
pub use tables::Savepoint;
pub use updates::Mismatch;
