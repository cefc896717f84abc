//! The chaos harness.

pub mod cli;

pub mod audit;
pub mod doctor;
pub mod run;
pub mod soak;

pub mod case;
pub mod worker;

pub mod batch;
mod block;
mod calibrate;
pub mod failpoints;
pub mod scenario;

pub mod ddmin;
pub mod shrink;

pub mod crash;
pub mod fuse;
pub mod rng;
pub mod sim;
pub mod survival;
pub mod threads;
pub mod toy;
pub mod trace;

pub mod oracle;
pub mod target;
pub mod workload;

pub mod explore;
pub mod process;

#[cfg(feature = "sqlite")]
pub mod truth;
