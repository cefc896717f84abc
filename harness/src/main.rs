//! The command `chaos`.

use std::process::ExitCode;

use lightning_chaos::process::FailingAllocator;

#[global_allocator]
static ALLOCATOR: FailingAllocator = FailingAllocator;

fn main() -> ExitCode {
    lightning_chaos::cli::main()
}
