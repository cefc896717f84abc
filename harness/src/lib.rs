//! The chaos harness.

pub mod batch;
pub mod scenario;
