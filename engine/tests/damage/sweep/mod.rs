//! A sweep of single-bit flips over a database's files: what each one must and must not do.

pub mod database;
mod flips;
pub mod live;
pub mod rng;

pub use database::Subject;
pub use flips::{Findings, sweep_buffer, sweep_dead, sweep_live};
pub use live::highest_level;
