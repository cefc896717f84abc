//! A disk under a real file system: what was written to it, what it promised to keep, and what a power cut leaves of it.
//!
//! The disk is a file that this process serves through FUSE, behind a loop device. So the kernel's own ext4, xfs or btrfs
//! stands between a target and it, and nothing of the stack is simulated but the disk's volatile cache. Nothing here knows targets,
//! workloads or verdicts.

mod counted;
mod device;
mod file_system;
mod guard;
mod image;
mod log;
mod mount;
mod serve;
mod survive;

pub use counted::CountedDisk;
pub use device::Device;
pub use log::{BlockEvent, BlockLog};
pub use mount::{Mounted, Stage, leave_namespace, run, unavailable};
pub use survive::{Flushed, Survival, Unit, survivor};
