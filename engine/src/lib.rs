//! Lightning DB: an embedded, ordered, transactional key-value engine.
//!
//! A [`Database`] is a directory. It holds named tables of keys and values, both any bytes, in key order.
//! [`Transaction`]s read from a snapshot and commit all of their writes or none; a commit that was
//! acknowledged with [`Durability::Sync`] (the default) survives a power cut.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use lightning_db::{Database, Options};
//!
//! let db = Database::in_memory(Options::new())?;
//! let mut txn = db.begin()?;
//! for (key, value) in [("ada", "1815"), ("alan", "1912"), ("grace", "1906")] {
//!     txn.put("born", key.as_bytes(), value.as_bytes())?;
//! }
//! txn.commit()?;
//!
//! let snapshot = db.snapshot()?;
//! let mut names = Vec::new();
//! for entry in snapshot.prefix("born", b"a")?.rev() {
//!     let (key, _year) = entry?;
//!     names.push(String::from_utf8_lossy(&key).into_owned());
//! }
//! assert_eq!(names, ["alan", "ada"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to find what
//!
//! | to | read |
//! |---|---|
//! | create, open, close | [`guide::opening`] |
//! | write, commit, roll back; what a commit promises; isolation | [`guide::transactions`] |
//! | read keys and ranges; snapshots | [`guide::reading`] |
//! | have keys and values of Rust types | [`guide::typed_tables`], [`typed`] |
//! | know what happens after a crash | [`guide::recovery`] |
//! | find damage, live with it, get the rest out | [`guide::damage`], [`Database::verify`], [`salvage()`] |
//! | back up, restore, go back to a point in time | [`guide::backups`] |
//! | give space back | [`Database::compact`], [`Database::space`] |
//! | choose options; see where the time of a commit goes | [`guide::tuning`], [`Options`], [`Preset`] |
//! | watch a program that runs | [`guide::metrics`], [`Stats`], [`telemetry`] |
//! | know what is refused, and what a full disk does | [`guide::limits`], [`Limits`] |
//! | handle errors | [`guide::errors`] |
//! | put the files elsewhere | [`disk`] |
//! | see whole programs | `engine/examples` in the repository: `counter`, `bank`, `events`, `large_value`, `larger_than_memory` |
//!
//! # How it is built
//!
//! In memory a published page is never modified: snapshots, reads without locks and consistent checkpoints follow. On disk a
//! page is reached through a map: a checkpoint writes to free places, then switches the map; live data is never overwritten.
//! Between checkpoints every commit is in a log. See `ARCHITECTURE.md` and `docs/design` in the repository.
//!
//! The layers, each using only those below: `salvage` | `database`, `typed` | `transaction` | `recovery` | `compaction` | `checkpoint` |
//! `engine` | `catalog` | `btree`, `page_store` | `wal`, `map` | `disk`, `disk_format`, `presets` | `options`, `pages`,
//! `telemetry` | `error`, `image`, `recovery_report`, `sync` | `ids`.

#[macro_use]
mod failpoint;
#[cfg(feature = "failpoints")]
pub mod failpoints;

mod archive;
mod backup;
mod btree;
mod catalog;
mod checkpoint;
mod compaction;
mod database;
pub mod disk;
pub mod disk_format;
mod engine;
pub mod error;
pub mod guide;
pub mod ids;
mod image;
mod log_ahead;
mod map;
mod options;
mod page_store;
mod pages;
mod presets;
mod recovery;
mod recovery_report;
mod salvage;
pub mod sync;
pub mod telemetry;
mod transaction;
pub mod typed;
mod wal;

pub use backup::{
    BackupError, BackupFile, BackupReport, Restore, RestoreError, RestoreReport, Until,
};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use btree::look_into_any_node;
pub use btree::{Key, Value};
pub use compaction::CompactReport;
pub use database::{
    Database, Stats, TableSpace, VerifyPhase, VerifyProgress, VerifyReport, WriteFailure,
};
pub use error::{
    CheckpointError, CommitError, Conflict, ConflictKind, ConflictPlace, NoSuchSavepoint,
    OpenError, ReadError, TableError, UpdateError, WriteError,
};
pub use options::{CheckpointMode, Durability, Isolation, Limits, Options, Retry};
pub use presets::Preset;
pub use recovery_report::{Damage, KeyRange, Phase, Progress, RecoveryReport};
pub use salvage::{SalvageError, SalvageReport, SalvagedTable, salvage, salvage_on};
pub use transaction::{
    CommitReport, Entry, Mismatch, Range, Savepoint, Seek, Snapshot, Source, Transaction,
};
