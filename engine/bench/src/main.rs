//! Lightning DB beside its peers: the same rows, in one run, on one machine.
//!
//! Engines take turns within a round, rounds repeat, and medians are compared. Work that an engine put off
//! is waited for between rows and shown by itself. See docs/design/performance.md.

mod data;
mod engines;
mod html;
mod measure;
mod rows;
mod store;
mod table;

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use measure::Figures;
use rows::Scale;
use store::Engine;

/// The engine that this project is about.
const OURS: &str = "lightning";
/// What `--quick` compares us with.
const QUICK: [&str; 3] = [OURS, "lmdb", "fjall"];

/// Measures Lightning DB and other engines in one run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Three engines, one round: under five minutes
    #[arg(long)]
    quick: bool,
    /// All engines of this build, three rounds (build with `--features full` for more engines)
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Only these engines
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Only these groups of rows: basic, commits, ycsb, growth
    #[arg(long, value_delimiter = ',', default_value = "basic,commits,ycsb")]
    rows: Vec<String>,
    /// Rounds of which the medians are taken
    #[arg(long)]
    rounds: Option<u32>,
    /// Records in a table
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Cache of each engine, in MiB
    #[arg(long, default_value_t = 1024)]
    cache: u64,
    /// Where the databases are made
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Writes all figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes a page with charts
    #[arg(long)]
    html: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let engines = choose(&arguments)?;
    let rounds = arguments
        .rounds
        .unwrap_or(if arguments.full { 3 } else { 1 });
    let mut figures = Figures::default();
    for round in 0..rounds {
        measure_round(&arguments, &engines, round, &mut figures)?;
    }
    let names: Vec<&str> = engines.iter().map(|engine| engine.name()).collect();
    println!("{}", table::render(&figures, &names, OURS));
    for engine in &engines {
        println!("{}: {}", engine.name(), engine.setting());
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &arguments.html {
        let settings: Vec<_> = engines.iter().map(|e| (e.name(), e.setting())).collect();
        let page = html::render(&figures, &settings, OURS);
        std::fs::write(path, page).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn choose(arguments: &Arguments) -> anyhow::Result<Vec<Box<dyn Engine>>> {
    let all = engines::all();
    let known: Vec<&str> = all.iter().map(|engine| engine.name()).collect();
    if let Some(unknown) = arguments
        .engines
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        anyhow::bail!(
            "no engine {unknown:?} in this build: it has {}",
            known.join(", ")
        );
    }
    let wanted = |name: &str| {
        if !arguments.engines.is_empty() {
            return arguments.engines.iter().any(|wanted| wanted == name);
        }
        arguments.full || QUICK.contains(&name)
    };
    Ok(all
        .into_iter()
        .filter(|engine| wanted(engine.name()))
        .collect())
}

/// One round: each group of rows, and in it each engine, a different one first in each round.
fn measure_round(
    arguments: &Arguments,
    engines: &[Box<dyn Engine>],
    round: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let scale = Scale {
        records: arguments.records,
        cache: arguments.cache << 20,
    };
    let fresh = || match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    rows::physical(fresh()?.path(), figures)?;
    for group in &arguments.rows {
        let run = match group.as_str() {
            "basic" => rows::basic,
            "commits" => rows::group_commit,
            "ycsb" => rows::ycsb,
            "growth" => rows::growth,
            other => anyhow::bail!("no rows {other:?}: there are basic, commits, ycsb, growth"),
        };
        let first = round as usize % engines.len().max(1);
        for engine in engines.iter().cycle().skip(first).take(engines.len()) {
            eprintln!("round {}: {group}: {}", round + 1, engine.name());
            let directory = fresh()?;
            run(engine.as_ref(), directory.path(), scale, figures)
                .with_context(|| format!("{} in the rows {group}", engine.name()))?;
        }
    }
    Ok(())
}
