//! redb as targets: the current version, and an older one with known bugs.
//!
//! One implementation for all versions; `engine` is what it asks of one, `versions` answers for each crate.

mod engine;
mod file;
mod session;
mod target;
mod versions;

pub use target::Redb;
pub use versions::{Current, V4_1_0};
