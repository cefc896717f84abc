//! The door through which bytes reach storage.

mod contract;

pub use contract::{Disk, DiskFile, DiskLock, OpenMode};
