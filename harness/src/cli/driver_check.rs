//! `chaos driver-check`.

use std::io::{self, Write};

use super::args::DriverArguments;
use super::exit::Exit;
use super::failure::Failure;
use crate::target::{StepEnd, check_driver};

pub(super) fn driver_check(
    arguments: &DriverArguments,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let dir = tempfile::tempdir()?;
    let mut written = Ok::<(), io::Error>(());
    let command = arguments.command.strip_prefix("driver:");
    let command = command.unwrap_or(&arguments.command);
    let is_good = check_driver(command, dir.path(), &mut |step| {
        let (sign, seen) = match &step.end {
            StepEnd::Good(seen) => ("ok", seen.as_str()),
            StepEnd::NotOffered => ("-", "not offered: never asked"),
            StepEnd::Bad(seen) => ("BAD", seen.as_str()),
        };
        let colon = if seen.is_empty() { "" } else { ": " };
        let line = writeln!(out, "{sign:<4} {}{colon}{seen}", step.what);
        if written.is_ok() {
            written = line;
        }
    });
    written?;
    if is_good {
        writeln!(out, "the driver keeps to the protocol")?;
        return Ok(Exit::Pass);
    }
    writeln!(
        out,
        "the driver does not keep to the protocol: see docs/drivers.md"
    )?;
    Ok(Exit::Broken)
}
