//! `cargo ci [STEP…] [--skip STEP]…`: see [`lightning_ci::pipeline`].

use std::fmt::Write as _;
use std::process::ExitCode;

use lightning_ci::pipeline::{Request, Step, run, workspace_root};

fn main() -> ExitCode {
    match Request::parse(std::env::args().skip(1)) {
        Ok(Request::Run(steps)) => finish(run(&steps, &workspace_root())),
        Ok(Request::Help) => {
            println!("{}", usage());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}\n\n{}", usage());
            ExitCode::FAILURE
        }
    }
}

fn finish(all_well: bool) -> ExitCode {
    if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn usage() -> String {
    let mut text =
        "usage: cargo ci [STEP…] [--skip STEP]…\n\nWithout a step: all of these, in this order.\n"
            .to_owned();
    for step in Step::ALL {
        let _ = write!(text, "\n  {:<10} {}", step.name(), step.about());
    }
    text.push_str("\n\nOnly by name:\n");
    for step in Step::NAMED {
        let _ = write!(text, "\n  {:<10} {}", step.name(), step.about());
    }
    text
}
