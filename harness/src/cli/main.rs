//! From arguments to an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser as _;

use super::args::{Arguments, Command, WorkerArguments};
use super::exit::Exit;
use super::failure::Failure;
#[cfg(feature = "sqlite")]
use super::truth_table;
use super::{
    audit, calibrate, check, doctor, driver_check, init, league, list, replay, run, shrink, soak,
    targets,
};
use crate::process;
use crate::scenario::{self, FileSystem};
use crate::worker;

/// The command `chaos`.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Asking for help is no error.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Pass
            };
            let _ = error.print();
            return exit.code().into();
        }
    };
    let exit = dispatch(&arguments.command, &mut io::stdout()).unwrap_or_else(|failure| {
        if failure.is_closed_pipe() {
            return Exit::Pass;
        }
        eprint!("{}", failure.render());
        failure.exit()
    });
    exit.code().into()
}

fn dispatch(command: &Command, out: &mut dyn Write) -> Result<Exit, Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments, out),
        Command::Soak(arguments) => soak::run_soak(arguments, out),
        Command::Replay(arguments) => replay::replay(arguments, out),
        Command::Shrink(arguments) => shrink::shrink(arguments, out),
        Command::AuditSyncs(arguments) => audit::audit_syncs(arguments, out),
        Command::List(selection) => list::list(selection, out),
        Command::Check(arguments) => check::check(arguments, out),
        Command::Schema => {
            serde_json::to_writer_pretty(&mut *out, &scenario::schema())
                .map_err(io::Error::from)?;
            writeln!(out)?;
            Ok(Exit::Pass)
        }
        #[cfg(feature = "sqlite")]
        Command::TruthTable(arguments) => truth_table::truth_table(arguments, out),
        Command::Failpoints => targets::failpoints(out),
        Command::Init(arguments) => init::init(arguments, out),
        Command::League(arguments) => league::league(arguments, out),
        Command::DriverCheck(arguments) => driver_check::driver_check(arguments, out),
        Command::Targets => targets::targets(out),
        Command::Calibrate(arguments) => calibrate::calibrate(arguments, out),
        Command::Doctor(arguments) => doctor::doctor(arguments, out),
        Command::Worker(arguments) => serve(arguments),
        Command::ProcessChild => Ok(process::serve_child().map(|()| Exit::Pass)?),
        Command::ProcessProbe(arguments) => probe(arguments.file_system, out),
        Command::ProcessJanitor(arguments) => {
            process::serve_janitor(&arguments.dir, arguments.cgroup.as_deref())?;
            Ok(Exit::Pass)
        }
    }
}

fn probe(file_system: FileSystem, out: &mut dyn Write) -> Result<Exit, Failure> {
    Ok(match process::probe(file_system) {
        Ok(()) => Exit::Pass,
        Err(why) => {
            write!(out, "{why}")?;
            Exit::Inconclusive
        }
    })
}

fn serve(arguments: &WorkerArguments) -> Result<Exit, Failure> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let bytes = Some(arguments.memory_bytes);
    // A system that refuses the limit leaves a runaway allocation to the stall limit.
    let _ = setrlimit(
        Resource::Data,
        Rlimit {
            current: bytes,
            maximum: bytes,
        },
    );
    worker::serve()?;
    Ok(Exit::Pass)
}
