//! `chaos doctor`.

use std::io::Write;

use super::args::OutArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use super::run::out_dir;
use crate::case::COMMIT;
use crate::doctor::{Diagnosis, State};

pub(super) fn doctor(arguments: &OutArguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let root = Root::find();
    let diagnosis = Diagnosis::of_this_machine(&out_dir(&root, arguments.out.as_ref()));
    writeln!(out, "commit {COMMIT}")?;
    for finding in &diagnosis.findings {
        let state = match finding.state {
            State::Works => "yes",
            State::Unavailable => "no",
            State::Broken => "NO",
        };
        writeln!(out, "{:<18} {state:<14} {}", finding.what, finding.detail)?;
    }
    Ok(if diagnosis.can_run() {
        Exit::Pass
    } else {
        Exit::Inconclusive
    })
}
