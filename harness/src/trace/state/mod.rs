//! What a disk holds: what is durable, what is pending, and what a reader sees.

mod chunk;
mod digest;
mod disk;
mod file;
mod names;
mod sectors;

pub use chunk::CHUNK_LEN;
pub use disk::{DiskState, InodeId, Order};
pub use file::{FILE_LEN_MAX, FileState, LostCuts, PendingWrite, SizeVersion};
pub use names::{Entry, NameChange, Names};
pub use sectors::{SectorSize, SectorVersions};
