//! The command `chaos`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lightning_chaos::cli::main()
}
