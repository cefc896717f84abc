//! redb 4.1.0.

extern crate redb_4_1_0 as redb;

#[path = "../workload.rs"]
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    workload::main()
}
