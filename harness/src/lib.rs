//! The chaos harness.

pub mod batch;
pub mod scenario;

pub mod crash;
pub mod rng;
pub mod sim;
pub mod trace;

pub mod oracle;
pub mod target;
pub mod workload;
