//! What CI runs, a laptop runs: the pipeline behind `cargo ci`, and the rules of the code base as checks.
//!
//! This crate does not know the engine or the harness: it reads their source, and runs their commands.

pub mod pipeline;
pub mod tidy;
