//! The `sim` plane: a disk in memory that records what is done to it, and can be rebuilt at any moment of it.

mod config;
mod disk;
mod elision;
mod error;
mod file;
mod injection;
mod kernel;
mod lazy;
mod machine;
mod places;
mod slowness;

pub use config::SimConfig;
pub use disk::SimDisk;
pub use error::SimError;
pub use injection::{Failures, Injection};
pub use places::{SyncPlace, SyncPlaces};
