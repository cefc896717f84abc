//! The command line: arguments in, text and an exit code out.
//!
//! Exit codes: 0 pass, 1 usage, 2 invariant broken, 3 hang, 4 inconclusive, 5 threshold missed, 70 internal
//! error, 130 interrupted. Where several apply: 70, 1, 2, 3, 5, 4.

mod args;

mod main;

mod audit;
mod calibrate;
mod check;
mod doctor;
mod driver_check;
mod init;
mod league;
mod list;
mod replay;
mod run;
mod shrink;
mod soak;
mod targets;
#[cfg(feature = "sqlite")]
mod truth_table;

mod exit;
mod failure;
mod find;
mod progress;
mod shrunk;
mod signal;

pub use main::main;
