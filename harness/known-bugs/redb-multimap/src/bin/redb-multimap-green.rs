//! redb 1.0.5.

extern crate redb_1_0_5 as redb;

#[path = "../driver.rs"]
mod driver;

use std::process::ExitCode;

fn main() -> ExitCode {
    driver::main()
}
