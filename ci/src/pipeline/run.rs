//! Running steps: a line for each, the log of those that fail, a table at the end.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::Step;
use super::outcome::{Outcome, line, table};
use super::plan::{Plan, plan};

const LOG_LINES_SHOWN: usize = 80;

/// Runs every step, whatever became of the ones before, and prints what happened. True if none failed.
pub fn run(steps: &[Step], root: &Path) -> bool {
    let ended: Vec<(Step, Outcome, Duration)> = steps.iter().map(|step| one(*step, root)).collect();
    println!("\n{}", table(&ended));
    !ended
        .iter()
        .any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
}

/// The folder of the workspace: this crate's parent.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn one(step: Step, root: &Path) -> (Step, Outcome, Duration) {
    announce(step);
    let begun = Instant::now();
    let log = root.join("target/ci").join(format!("{}.log", step.name()));
    let outcome = match plan(step, root) {
        Plan::Skip(reason) => Outcome::Skipped(reason),
        Plan::Run(commands) => all(commands, root, &log),
    };
    let took = begun.elapsed();
    println!("{}", line(step, &outcome, took));
    if matches!(outcome, Outcome::Failed(_)) || (step == Step::KnownBugs && log.exists()) {
        show(&log);
    }
    (step, outcome, took)
}

/// On a terminal, names the running step on a line that its verdict then overwrites.
fn announce(step: Step) {
    let mut out = io::stdout();
    if out.is_terminal() {
        print!("{:<10} …\r", step.name());
        let _ = out.flush();
    }
}

fn all(commands: Vec<Command>, root: &Path, log: &Path) -> Outcome {
    let mut file = match create(log) {
        Ok(file) => file,
        Err(error) => return Outcome::Failed(format!("create {}: {error}", log.display())),
    };
    for mut command in commands {
        let words = words(&command);
        match logged(&mut command, root, &mut file) {
            Ok(status) if status.success() => {}
            Ok(status) => return Outcome::Failed(format!("{words}: {status}")),
            Err(error) => return Outcome::Failed(format!("{words}: {error}")),
        }
    }
    Outcome::Passed
}

fn create(log: &Path) -> io::Result<File> {
    log.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    File::create(log)
}

fn logged(command: &mut Command, root: &Path, log: &mut File) -> io::Result<ExitStatus> {
    writeln!(log, "$ {}", words(command))?;
    command.current_dir(root).stdin(Stdio::null());
    command.stdout(log.try_clone()?).stderr(log.try_clone()?);
    command.status()
}

fn words(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for word in command.get_args() {
        text.push(' ');
        text.push_str(&word.to_string_lossy());
    }
    text
}

/// Prints the end of a log.
fn show(log: &Path) {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let left_out = lines.len().saturating_sub(LOG_LINES_SHOWN);
    println!(
        "    the end of {} ({left_out} lines before it):",
        log.display()
    );
    for line in &lines[left_out..] {
        println!("    {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome_of(programs: &[&str]) -> (Outcome, String) {
        let root = tempfile::tempdir().unwrap();
        let log = root.path().join("a/b.log");
        let commands = programs.iter().map(Command::new).collect();
        let outcome = all(commands, root.path(), &log);
        (outcome, std::fs::read_to_string(log).unwrap())
    }

    #[test]
    fn a_step_passes_if_all_of_its_commands_do() {
        assert_eq!(outcome_of(&["true", "true"]).0, Outcome::Passed);
    }

    #[test]
    fn the_first_failure_ends_a_step_and_is_named() {
        let (outcome, log) = outcome_of(&["true", "false", "true"]);
        assert_eq!(outcome, Outcome::Failed("false: exit status: 1".into()));
        assert_eq!(log, "$ true\n$ false\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_a_failure_not_a_skip() {
        let (outcome, _) = outcome_of(&["no-such-program-here"]);
        assert_eq!(outcome.word(), "FAILED");
    }
}
