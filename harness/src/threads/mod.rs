//! Threads that run one at a time, in an order that a seed draws.
//!
//! See docs/design/threads.md. Nothing here knows disks, targets or workloads.

mod baton;
mod turns;

#[cfg(test)]
mod tests;

pub use baton::{Baton, Place};
