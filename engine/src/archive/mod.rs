//! Copies of the log's commit groups, kept for restores up to a point in time. See docs/design/backup.md.

mod archiver;
mod files;
mod reader;

pub use archiver::{Archiver, Reached};
pub use reader::{ArchiveError, Archived, read};
