//! The door through which bytes reach storage.

mod contract;
#[cfg(test)]
mod contract_tests;
#[cfg(test)]
#[allow(
    dead_code,
    reason = "a set of tools: not every test takes each of them"
)]
pub(crate) mod faulty;
mod memory;
mod name;
mod new_file;
mod quota;
#[cfg(unix)]
mod real;

pub use contract::{Disk, DiskFile, DiskLock, OpenMode};
pub use memory::MemoryDisk;
pub(crate) use new_file::NewFile;
pub(crate) use quota::QuotaDisk;
#[cfg(unix)]
pub use real::RealDisk;
