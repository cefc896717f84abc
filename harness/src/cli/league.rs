//! `chaos league`.

use std::io::{self, Write};
use std::path::PathBuf;

use super::args::LeagueArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use super::progress::Progress;
use super::run::{processors, worker_limits};
use super::signal::interrupt_flag;
use crate::league::{Contest, Entry, League, entries, hold, publish};

const DRIVERS: &str = "harness/drivers/target/release";
const PUBLISHED: &str = "reports/published";
const SCENARIOS: &str = "scenarios/drivers";

pub(super) fn league(arguments: &LeagueArguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let root = Root::find();
    let paths = match arguments.paths.as_slice() {
        [] => vec![PathBuf::from(SCENARIOS)],
        paths => paths.to_vec(),
    };
    let mut scenarios = Vec::new();
    for file in root.files_in(&paths)? {
        scenarios.push(root.load(&file)?);
    }
    let chosen = chosen(&arguments.only)?;
    let at =
        |given: &Option<PathBuf>, usual: &str| given.clone().unwrap_or_else(|| root.join(usual));
    let contest = Contest {
        scenarios: &scenarios,
        drivers: at(&arguments.drivers, DRIVERS),
        seed: arguments.seed,
        jobs: arguments.jobs.unwrap_or_else(processors),
        workers: worker_limits(&arguments.limits)?,
    };
    let interrupted = interrupt_flag();
    let widths = scenarios.iter().map(|loaded| loaded.scenario.id.len());
    let mut progress = Progress::new(widths.max().unwrap_or(0));
    let mut begins = |entry: &Entry| eprintln!("{}", entry.title);
    let (league, cases) = hold(&contest, chosen, &interrupted, &mut progress, &mut begins);
    progress.finish();
    let dir = at(&arguments.out, PUBLISHED);
    publish(&league, &cases, &contest.drivers, &dir)?;
    summary(out, &league)?;
    writeln!(out, "published: {}", dir.join("league.html").display())?;
    let has_ended = !interrupted.load(std::sync::atomic::Ordering::SeqCst);
    Ok(if has_ended {
        Exit::Pass
    } else {
        Exit::Interrupted
    })
}

fn chosen(only: &[String]) -> Result<Vec<Entry>, Failure> {
    let all = entries().map_err(io::Error::other)?;
    let known: Vec<_> = all.iter().map(|entry| entry.id.clone()).collect();
    if let Some(name) = only.iter().find(|name| !known.contains(name)) {
        let (name, known) = (name.clone(), known.join(", "));
        return Err(Failure::UnknownTarget { name, known });
    }
    let is_asked = |entry: &Entry| only.is_empty() || only.contains(&entry.id);
    Ok(all.into_iter().filter(is_asked).collect())
}

fn summary(out: &mut dyn Write, league: &League) -> io::Result<()> {
    for standing in &league.standings {
        writeln!(out, "\n{} {}", standing.entry.title, standing.version)?;
        if let Some(reason) = &standing.absent {
            writeln!(out, "  not tested: {reason}")?;
        }
        for row in &standing.rows {
            writeln!(out, "  {:<22} {}", row.scenario, row.verdict())?;
        }
    }
    writeln!(out)
}
