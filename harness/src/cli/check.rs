//! `chaos check`.

use std::io::Write;

use super::args::CheckArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::find::{Root, refuse_equal_ids};
use crate::run::Loaded;
use crate::scenario::{ScenarioError, ScenarioReadError};
use crate::worker::{check_option, target_names};

/// The tag of scenarios that fit any driver.
const DRIVER: &str = "driver";

pub(super) fn check(arguments: &CheckArguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let root = Root::find();
    let files = match arguments.paths.as_slice() {
        [] => root.all_files()?,
        paths => root.files_in(paths)?,
    };
    let mut good = Vec::new();
    let mut wrong = 0;
    for file in files {
        let problems = match root.load(&file) {
            Ok(loaded) => {
                let problems = problems_with_options(&loaded);
                good.push(loaded);
                problems
            }
            Err(problem) => vec![problem],
        };
        wrong += usize::from(!problems.is_empty());
        for problem in problems {
            eprint!("{}", problem.render());
        }
    }
    refuse_equal_ids(&good)?;
    if wrong > 0 {
        return Err(Failure::WrongFiles(wrong));
    }
    writeln!(out, "{} scenarios ok", good.len())?;
    Ok(Exit::Pass)
}

/// What the targets say against the scenario's options.
pub(super) fn problems_with_options(loaded: &Loaded) -> Vec<ScenarioReadError> {
    let mut problems = Vec::new();
    let mut say = |path: &[&str], message: String| {
        let error = ScenarioError::at_key(&loaded.file, &loaded.text, path, &message);
        problems.push(ScenarioReadError::Invalid(Box::new(error)));
    };
    let known = target_names();
    for (target, options) in &loaded.scenario.options {
        if !known.contains(target) && loaded.scenario.has_tag(DRIVER) {
            // A driver's, which refuses what it does not know when it is asked.
            continue;
        }
        if !known.contains(target) {
            let message = format!(
                "unknown target `{target}`, expected one of {}, or a driver's name in a scenario tagged `{DRIVER}`",
                known.join(", ")
            );
            say(&["options", target], message);
            continue;
        }
        for (name, values) in options {
            let refusal = values
                .as_slice()
                .iter()
                .find_map(|v| check_option(target, name, v).err());
            if let Some(reason) = refusal {
                say(&["options", target, name], reason);
            }
        }
    }
    problems
}
