//! A target with a bug put between it and the workload: what the harness must see.
//!
//! Promises are those of the sound target. Every call but those that the bug is about goes through unchanged.

mod bugged;

mod careless;
mod crossed;
mod deadlock;
mod failed_group;
mod second_recovery;
mod session;

mod storage;

mod target;

pub use target::Spoiled;
