//! Backups: writing them beside writers, and making databases of them. See docs/design/backup.md.

mod error;
mod file;
mod restore;
mod source;
mod write;

pub use error::{BackupError, RestoreError};
pub use file::BackupFile;
pub use restore::{Restore, RestoreReport, Restored, Until};
pub use write::{BackupReport, full, incremental};
