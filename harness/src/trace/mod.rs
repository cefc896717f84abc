//! What a run did to storage, and what a disk holds at any moment of it.

mod event;
mod record;
mod state;

pub use event::{Effect, Event, FileRef, Mark, Name, Operation, TracePosition, TransactionId};
pub use record::Trace;
pub use state::{
    CHUNK_LEN, DiskState, Entry, FILE_LEN_MAX, FileState, InodeId, LostCuts, NameChange, Names,
    Order, PendingWrite, SectorSize, SectorVersions, SizeVersion,
};
