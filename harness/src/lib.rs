//! The chaos harness.

pub mod batch;
pub mod scenario;

pub mod rng;
pub mod sim;
pub mod trace;
