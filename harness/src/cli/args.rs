//! The arguments.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::run::DEFAULT_SEED;
use crate::scenario::{ByteSize, FileSystem, TimeSpan};

/// Cuts the power, tears writes and drops syncs under a database engine, and checks what it recovers.
#[derive(Debug, Parser)]
#[command(name = "chaos", version = crate::case::COMMIT, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Writes what is needed to begin with an engine of your own: a test, a scenario, a driver
    Init(InitArguments),
    /// Runs scenarios and writes a report
    Run(RunArguments),
    /// Runs random compositions of workloads, faults and options
    Soak(SoakArguments),
    /// Runs one case again, from its case file or replay string
    Replay(ReplayArguments),
    /// Makes a case as small as it gets, and writes it to a case file
    Shrink(ShrinkArguments),
    /// Says of each sync that the target issues whether it is needed
    AuditSyncs(AuditArguments),
    /// Lists scenarios
    List(Selection),
    /// Checks scenario files without running them
    Check(CheckArguments),
    /// Prints the JSON Schema of scenario files
    Schema,
    /// Lists the engines that can be tested, their options and their promises
    Targets,
    /// Lists the places of Lightning DB at which a scenario can stop it or let it fail
    Failpoints,
    /// Compares what is found about SQLite's settings with what is documented
    #[cfg(feature = "sqlite")]
    TruthTable(TruthArguments),
    /// Holds the models of power loss against real file systems
    Calibrate(CalibrateArguments),
    /// Runs one set of scenarios over all engines, and publishes how they fared
    League(LeagueArguments),
    /// Checks that a program speaks the driver protocol (docs/drivers.md)
    DriverCheck(DriverArguments),
    /// Says what can be tested on this machine
    Doctor(OutArguments),
    /// Serves batches on standard input; started by `run` and `replay`
    #[command(hide = true)]
    Worker(WorkerArguments),
    /// One life of a target on a real disk; started by a worker
    #[command(hide = true)]
    ProcessChild,
    /// Removes files when whoever started it is gone; started by a worker
    #[command(hide = true)]
    ProcessJanitor(JanitorArguments),
    /// Tries a mount where nobody sees it; started by `run` and `doctor`
    #[command(hide = true)]
    ProcessProbe(ProbeArguments),
}

#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Scenario files, or folders with them [default: the scenarios tagged `smoke`]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Only scenarios with this tag; several tags: with any of them
    #[arg(long = "tag", value_name = "TAG")]
    pub(super) tags: Vec<String>,
    /// No scenario with this tag
    #[arg(long, value_name = "TAG")]
    pub(super) without: Vec<String>,
    /// How much: `smoke` in a minute, or `nightly`, which is every fault, every invariant and every planted bug [default: smoke]
    #[arg(long, value_name = "TIER", value_enum)]
    pub(super) tier: Option<Tier>,
}

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Tier {
    Smoke,
    Nightly,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Scenario files, or folders with them [default: scenarios/]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct OutArguments {
    /// Where reports and case files go [default: target/chaos]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) out: OutArguments,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
    /// The engine to test
    #[arg(long, default_value = "lightning")]
    pub(super) target: String,
    /// An option of the target, in the place of what scenarios draw; may be repeated
    #[arg(long = "target-option", value_name = "NAME=VALUE", value_parser = option_of)]
    pub(super) target_options: Vec<(String, String)>,
    /// All that is drawn is drawn from this number: the same seed is the same run
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
    /// Worker processes [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Ends the run at the first scenario that fails
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Leaves findings as they were found
    #[arg(long)]
    pub(super) no_shrink: bool,
}

#[derive(Debug, Args)]
pub(super) struct SoakArguments {
    /// For how long compositions are begun
    #[arg(long = "for", value_name = "TIME", default_value = "60 s")]
    pub(super) time: TimeSpan,
    /// How many compositions, however long it takes
    #[arg(long, value_name = "N")]
    pub(super) runs: Option<u64>,
    /// All that is drawn is drawn from this number: the same seed is the same compositions
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
    /// The engine to test
    #[arg(long, default_value = "lightning")]
    pub(super) target: String,
    /// Worker processes [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Compositions that were worth keeping: run first, and added to [default: corpus.txt beside the report]
    #[arg(long, value_name = "FILE")]
    pub(super) corpus: Option<PathBuf>,
    /// Prints the scenario file of one composition, and runs nothing
    #[arg(long, value_name = "NUMBER")]
    pub(super) show: Option<u64>,
    #[command(flatten)]
    pub(super) out: OutArguments,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
}

#[cfg(feature = "sqlite")]
#[derive(Debug, Args)]
pub(super) struct TruthArguments {
    /// Distinct crash states of each setting, at least
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub(super) states: u64,
    /// All that is drawn is drawn from this number
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
}

#[derive(Debug, Args)]
pub(super) struct CalibrateArguments {
    /// The file systems [default: all]
    #[arg(long = "file-system", value_name = "NAME", value_parser = file_system_of)]
    pub(super) file_systems: Vec<FileSystem>,
    /// Programs of system calls, for each
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) programs: u32,
    /// Crash images of each program
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(super) images: u32,
    /// All that is drawn is drawn from this number; when the kernel writes is its own affair
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
    /// Options that it is mounted with; `barrier=0` on ext4 must leave the models, which shows that this can fail
    #[arg(long, value_name = "OPTIONS", default_value = "")]
    pub(super) mount: String,
    /// Rename from one directory to another on btrfs too, which may leave both names
    #[arg(long)]
    pub(super) renames_across: bool,
}

#[derive(Debug, Args)]
pub(super) struct DriverArguments {
    /// The command that starts the driver, in quotes
    #[arg(value_name = "COMMAND")]
    pub(super) command: String,
}

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The package's directory
    #[arg(value_name = "DIR", default_value = ".")]
    pub(super) dir: PathBuf,
    /// A driver, for an engine that is tested as a process of its own, in the place of a Rust test
    #[arg(long, value_name = "LANGUAGE", value_enum)]
    pub(super) driver: Option<Language>,
}

/// What a driver is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Python,
    Rust,
}

#[derive(Debug, Args)]
pub(super) struct LeagueArguments {
    /// Scenario files, or folders with them [default: scenarios/drivers]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Only this engine, by its id in harness/league/engines.toml; may be repeated
    #[arg(long, value_name = "ID")]
    pub(super) only: Vec<String>,
    /// Where the drivers' executables are [default: harness/drivers/target/release]
    #[arg(long, value_name = "DIR")]
    pub(super) drivers: Option<PathBuf>,
    /// Where the table goes [default: reports/published]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// All that is drawn is drawn from this number
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
    /// Worker processes [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
}

#[derive(Debug, Args)]
pub(super) struct LimitArguments {
    /// A worker without a new case for this long is stuck
    #[arg(long, value_name = "TIME", default_value = "30 s")]
    pub(super) stall_limit: TimeSpan,
    /// What a worker may allocate
    #[arg(long, value_name = "SIZE", default_value = "2 GiB")]
    pub(super) memory_limit: ByteSize,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// A case file, or a replay string (`c1:…`)
    pub(super) case: String,
    /// Writes the database's files, as the crash left them, into this directory
    #[arg(long, value_name = "DIR")]
    pub(super) materialize: Option<PathBuf>,
    /// The scenario's file, if it is not where the replay string says
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Replays a case of other code than this, for instance to see a fix work
    #[arg(long)]
    pub(super) any_commit: bool,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
}

#[derive(Debug, Args)]
pub(super) struct ShrinkArguments {
    /// A case file, or a replay string (`c1:…`)
    pub(super) case: String,
    /// Where the smallest case goes [default: beside the case file, or among the reports]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// States that are tried, at most
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(super) tries: u64,
    /// A ceiling; what is smallest until then is kept
    #[arg(long, value_name = "TIME", default_value = "10 min")]
    pub(super) time: TimeSpan,
    /// The scenario's file, if it is not where the replay string says
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Shrinks a case of other code than this
    #[arg(long)]
    pub(super) any_commit: bool,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
}

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    /// Scenario files, or folders with them [default: the scenarios tagged `audit`]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) out: OutArguments,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
    /// The engine to test
    #[arg(long, default_value = "lightning")]
    pub(super) target: String,
    /// Runs of each scenario
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) runs: u32,
    /// Distinct crash states of each run without one sync, at most
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(super) states: u64,
    /// All that is drawn is drawn from this number
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
    /// Worker processes [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
pub(super) struct WorkerArguments {
    /// What this process may allocate
    #[arg(long)]
    pub(super) memory_bytes: u64,
}

/// Reads a file system's name.
fn file_system_of(text: &str) -> Result<FileSystem, String> {
    let mut all = FileSystem::ALL.into_iter();
    let found = all.find(|file_system| file_system.name() == text);
    found.ok_or_else(|| "expected ext4, xfs or btrfs".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct JanitorArguments {
    /// A directory to remove
    pub(super) dir: PathBuf,
    /// A control group to remove
    pub(super) cgroup: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// What to mount
    #[arg(value_parser = file_system_of)]
    pub(super) file_system: FileSystem,
}

/// Reads `name=value`.
fn option_of(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected name=value".to_owned()),
    }
}
