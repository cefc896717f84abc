//! The `fuse` plane: simulated disks as directories of a mount, so that any process can work on them.
//!
//! F1. Every call of a process becomes the call of the simulated disk that it is: what is recorded, failed, dropped and cut there is
//!     what happened here. Writeback caching is off, so writes arrive in the order of the calls, each with its own bytes.
//! F2. A disk has inode numbers of its own, which are never used again: nothing that the kernel caches outlives its disk.
//! F3. A mount stands in a mount namespace of its own thread. It is gone with the process, however that ends.
//!
//! What never arrives: `syncfs`, `sync_file_range` and writes into mapped memory before they are written back. Locks are the kernel's.
//! This module does not know who works on a disk, nor why.

mod filesystem;
mod mount;
mod nodes;

pub use mount::{Attached, Mount, Unavailable};
