//! Lightning DB beside its peers: the same rows, in one run, on one machine.
//!
//! Engines take turns within a round, rounds repeat, and medians are compared. Each engine is measured in a process
//! of its own. Work that an engine put off is waited for between rows and shown by itself. Figures assert nothing: the
//! exit code is 0 whatever they are, 2 if an engine returned wrong data, and 1 if one could not be measured to the
//! end. See docs/design/performance.md.

mod arguments;
mod check;
mod child;
mod data;
mod engines;
mod machine;
mod measure;
mod process;
mod report;
mod rows;
mod session;
mod store;

use std::process::ExitCode;

use anyhow::Context;
use arguments::{Arguments, Hidden};
use clap::Parser;
use report::Report;

/// The engine that this project is about.
const OURS: &str = "lightning";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Some(Hidden::Measure(task)) => task.run().map(|()| 0),
        None => run(&arguments),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        child::exit_code(&error)
    }))
}

fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    if arguments.list {
        list();
        return Ok(0);
    }
    let session = session::measure(&arguments.plan()?)?;
    let report = Report::of(&session);
    println!("{}", report::table(&report));
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &arguments.html {
        std::fs::write(path, report::html(&report))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(session.exit_code())
}

fn list() {
    println!("engines of this build:");
    for engine in engines::all() {
        println!("  {:12} {}", engine.name(), engine.setting());
    }
    println!("groups of rows:");
    for group in rows::GROUPS {
        let quick = if group.quick { " (quick)" } else { "" };
        println!("  {:12} {}{quick}", group.name, group.about);
    }
}
