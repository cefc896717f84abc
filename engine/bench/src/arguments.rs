//! The command line, and what it asks for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::child::Task;
use crate::engines;
use crate::rows::{GROUPS, Group, Scale};
use crate::store::{Engine, Writes};

/// What `--quick` compares us with.
const QUICK: [&str; 4] = [crate::OURS, "lmdb", "fjall", "fjall-batch"];
/// `--quick` begins no round that would likely end later than this.
const QUICK_BUDGET: Duration = Duration::from_secs(280);
const ROUNDS: u32 = 3;
const GROWTH_FULL: u64 = 10_000_000;

/// Measures Lightning DB and other engines in one run.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Hidden>,
    /// Lightning DB, LMDB and fjall; the main rows; three rounds if they fit into five minutes. The default
    #[arg(long)]
    pub quick: bool,
    /// All engines of this build, all rows, three rounds (`--features full,mdbx,rocksdb` adds engines)
    #[arg(long, conflicts_with = "quick")]
    pub full: bool,
    /// Only these engines
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Only groups of rows whose names contain one of these; `--list` names them
    #[arg(long, value_delimiter = ',', value_name = "FILTER")]
    rows: Vec<String>,
    /// Names the engines of this build and the groups of rows
    #[arg(long)]
    pub list: bool,
    /// Rounds of which the medians are taken
    #[arg(long)]
    rounds: Option<u32>,
    /// Records in a table
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    records: u64,
    /// Records of the largest table in the rows of growth: up to 100,000,000, as memory and disk allow
    #[arg(long)]
    growth: Option<u64>,
    /// Cache of each engine, in MiB
    #[arg(long, default_value_t = 1024)]
    cache: u64,
    /// No engine may take longer for a part of a group, in seconds
    #[arg(long, default_value_t = 900)]
    limit: u64,
    /// Where the databases are made
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Writes all figures as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes a page with charts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// What this program tells itself.
#[derive(Subcommand)]
pub enum Hidden {
    /// Measures one phase in this process
    #[command(hide = true)]
    Measure(Task),
}

/// What is to be measured.
pub struct Plan {
    /// With which engines.
    pub engines: Vec<Box<dyn Engine>>,
    /// Which rows.
    pub groups: Vec<Group>,
    /// How often, at most.
    pub rounds: u32,
    /// No round begins that would likely end later.
    pub budget: Option<Duration>,
    /// How much of everything.
    pub scale: Scale,
    /// How long one phase may take.
    pub limit: Duration,
    /// Where databases are made.
    pub directory: PathBuf,
}

impl Arguments {
    /// Fails on names that nothing has.
    pub fn plan(&self) -> anyhow::Result<Plan> {
        let engines = self.engines()?;
        let groups = self.groups()?;
        let longest = if self.full { GROWTH_FULL } else { self.records };
        Ok(Plan {
            engines,
            groups,
            rounds: self.rounds.unwrap_or(ROUNDS).max(1),
            budget: (!self.full && self.rounds.is_none()).then_some(QUICK_BUDGET),
            scale: Scale {
                records: self.records,
                cache: self.cache << 20,
                growth: self.growth.unwrap_or(longest),
            },
            limit: Duration::from_secs(self.limit),
            directory: self.directory.clone().unwrap_or_else(std::env::temp_dir),
        })
    }

    fn engines(&self) -> anyhow::Result<Vec<Box<dyn Engine>>> {
        let all = engines::all();
        let known: Vec<&str> = all.iter().map(|engine| engine.name()).collect();
        let unknown = |name: &&String| !known.contains(&name.as_str());
        if let Some(unknown) = self.engines.iter().find(unknown) {
            let known = known.join(", ");
            anyhow::bail!("no engine {unknown:?} in this build: it has {known}");
        }
        let wanted = |name: &str| match &self.engines[..] {
            [] => self.full || QUICK.contains(&name),
            chosen => chosen.iter().any(|chosen| chosen == name),
        };
        let chosen = all.into_iter().filter(|engine| wanted(engine.name()));
        Ok(chosen.collect())
    }

    fn groups(&self) -> anyhow::Result<Vec<Group>> {
        let wanted = |group: &&Group| match &self.rows[..] {
            [] => self.full || group.quick,
            filters => filters
                .iter()
                .any(|filter| group.name.contains(filter.as_str())),
        };
        let unknown = |filter: &&String| !GROUPS.iter().any(|g| g.name.contains(filter.as_str()));
        if let Some(unknown) = self.rows.iter().find(unknown) {
            let names = GROUPS.map(|group| group.name).join(", ");
            anyhow::bail!("no rows {unknown:?}: there are {names}");
        }
        Ok(GROUPS.iter().filter(wanted).copied().collect())
    }
}

impl Plan {
    /// The engines that take part in `group`, a different one first in each round.
    pub fn turns(&self, group: &Group, round: u32) -> Vec<&'static str> {
        let engines = self.engines.iter();
        let able = engines.filter(|e| group.batches || e.writes() == Writes::Transactions);
        let mut names: Vec<_> = able.map(|engine| engine.name()).collect();
        if !names.is_empty() {
            let first = round as usize % names.len();
            names.rotate_left(first);
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> anyhow::Result<Plan> {
        let line = ["bench"].iter().chain(arguments);
        Arguments::try_parse_from(line)?.plan()
    }

    #[test]
    fn names_that_nothing_has_are_refused() {
        assert!(plan(&["--engines", "lmdb,none"]).is_err());
        assert!(plan(&["--rows", "none"]).is_err());
        assert!(plan(&["--rows", "ycsb,commit", "--engines", "redb"]).is_ok());
    }

    #[test]
    fn quick_is_the_default_and_full_is_everything() {
        let (quick, full) = (plan(&[]).unwrap(), plan(&["--full"]).unwrap());
        assert_eq!(quick.turns(&GROUPS[0], 0), QUICK);
        assert_eq!(quick.groups.len(), 3);
        assert_eq!(full.groups.len(), GROUPS.len());
        assert!(full.engines.len() > quick.engines.len());
        assert!(quick.budget.is_some() && full.budget.is_none());
    }

    #[test]
    fn each_round_begins_with_another_engine() {
        let plan = plan(&["--engines", "lightning,lmdb,redb"]).unwrap();
        assert_eq!(plan.turns(&GROUPS[0], 1), ["lmdb", "redb", "lightning"]);
        assert_eq!(plan.turns(&GROUPS[0], 3), ["lightning", "lmdb", "redb"]);
    }
}
