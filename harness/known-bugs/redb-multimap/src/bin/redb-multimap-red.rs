//! redb 1.0.0.

extern crate redb_1_0_0 as redb;

#[path = "../driver.rs"]
mod driver;

use std::process::ExitCode;

fn main() -> ExitCode {
    driver::main()
}
