//! redb 4.2.0.

extern crate redb_4_2_0 as redb;

#[path = "../workload.rs"]
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    workload::main()
}
