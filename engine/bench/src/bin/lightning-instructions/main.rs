//! Instructions an operation takes, counted by valgrind: a figure that a busy machine does not change.
//!
//! `lightning-instructions` prints one for each operation of a small fixed set. It runs itself under
//! callgrind twice an operation, once doing it `COUNT` times and once twice as often: the difference is
//! the operation's own, without the program's start and the loading of the table.
//!
//! `--compare` holds them against those that are kept in `instructions.toml`, and fails if one grew by more than is
//! tolerated there; `--keep` keeps the new ones. Without valgrind it says so and is no failure.

mod baseline;
mod operations;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use baseline::{Baseline, Drift};
use clap::Parser;
use operations::OPERATIONS;

/// Operations of the shorter run.
const COUNT: u64 = 1_000;
/// What a new baseline tolerates, in percent.
const TOLERATED_PERCENT: f64 = 3.0;
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");

/// Counts the instructions of operations of Lightning DB, by valgrind.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Only these operations
    operations: Vec<String>,
    /// Compares with what is kept, and fails if a count grew by more than is tolerated
    #[arg(long, conflicts_with = "keep")]
    compare: bool,
    /// Keeps the counts
    #[arg(long, conflicts_with = "operations")]
    keep: bool,
    /// Where they are kept
    #[arg(long, default_value = KEPT)]
    baseline: PathBuf,
    /// Does an operation so many times: what is run under valgrind
    #[arg(long, hide = true, requires = "operations")]
    times: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(times) = arguments.times {
        for operation in &arguments.operations {
            operations::run(operation, times)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!(
            "SKIPPED: instructions are counted by valgrind, which is not here (apt-get install valgrind)"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let kept = if arguments.compare {
        Some(Baseline::read(&arguments.baseline)?)
    } else {
        None
    };
    let wanted = |name: &str| {
        let chosen = &arguments.operations;
        chosen.is_empty() || chosen.iter().any(|chosen| chosen == name)
    };
    let (mut counts, mut grown) = (BTreeMap::new(), 0);
    for (name, _) in OPERATIONS.iter().filter(|(name, _)| wanted(name)) {
        let count = count(name)?;
        let drift = kept.as_ref().map(|kept| kept.drift(name, count));
        grown += usize::from(matches!(drift, Some(Drift::More(_))));
        println!(
            "{name:20}{count:>10}{}",
            drift.map(text).unwrap_or_default()
        );
        counts.insert((*name).to_owned(), count);
    }
    ensure!(!counts.is_empty(), "no such operation");
    if arguments.keep {
        keep(arguments, counts)?;
    }
    if let Some(kept) = kept {
        let (tolerated, compiler) = (kept.tolerated_percent, &kept.compiler);
        println!("tolerated: {tolerated} %; kept with {compiler}");
    }
    Ok(if grown > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn text(drift: Drift) -> String {
    match drift {
        Drift::New => "  new".to_owned(),
        Drift::Within(percent) => format!("  {percent:+.1} %"),
        Drift::Less(percent) => format!("  {percent:+.1} %  LESS: keep it"),
        Drift::More(percent) => format!("  {percent:+.1} %  MORE than tolerated"),
    }
}

fn keep(arguments: &Arguments, instructions: BTreeMap<String, u64>) -> anyhow::Result<()> {
    let earlier = Baseline::read(&arguments.baseline).ok();
    let tolerated_percent = earlier.map_or(TOLERATED_PERCENT, |kept| kept.tolerated_percent);
    let compiler = Command::new("rustc").arg("--version").output()?;
    let baseline = Baseline {
        tolerated_percent,
        compiler: String::from_utf8_lossy(&compiler.stdout).trim().to_owned(),
        instructions,
    };
    baseline.write(&arguments.baseline)
}

/// What one operation takes.
fn count(operation: &str) -> anyhow::Result<u64> {
    let (once, twice) = (
        instructions(operation, COUNT)?,
        instructions(operation, 2 * COUNT)?,
    );
    Ok(twice.saturating_sub(once) / COUNT)
}

/// Does one operation `times` times under callgrind.
fn instructions(operation: &str, times: u64) -> anyhow::Result<u64> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([operation, "--times", &times.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{operation} under valgrind: {text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    let (_, number) = collected.with_context(|| format!("valgrind counted nothing: {text}"))?;
    Ok(number.trim().parse()?)
}
