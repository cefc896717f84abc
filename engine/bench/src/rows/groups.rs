//! The groups of rows: which there are, and in how many processes each is measured.

use super::run::Run;
use super::{basic, cold, commits, growth, recovery, scaling, snapshot, stalls, values, ycsb};

/// How a process that measures a phase comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It returns.
    Returns,
    /// It dies in the middle, on purpose.
    Dies,
}

/// A part of a group that has a process of its own.
#[derive(Clone, Copy)]
pub struct Phase {
    /// What it does.
    pub run: fn(&mut Run<'_>) -> anyhow::Result<()>,
    /// How it ends.
    pub ends: Ends,
}

/// Rows that are measured together, over one directory.
#[derive(Clone, Copy)]
pub struct Group {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Its phases, in their order.
    pub phases: &'static [Phase],
    /// Whether `--quick` measures it.
    pub quick: bool,
    /// Whether engines that only write batches take part.
    pub batches: bool,
}

const fn phase(run: fn(&mut Run<'_>) -> anyhow::Result<()>) -> Phase {
    Phase {
        run,
        ends: Ends::Returns,
    }
}

const fn fatal(run: fn(&mut Run<'_>) -> anyhow::Result<()>) -> Phase {
    Phase {
        run,
        ends: Ends::Dies,
    }
}

const fn group(name: &'static str, about: &'static str, phases: &'static [Phase]) -> Group {
    Group {
        name,
        about,
        phases,
        quick: false,
        batches: false,
    }
}

const fn quick(group: Group) -> Group {
    Group {
        quick: true,
        ..group
    }
}

/// All groups, in the order in which they are measured.
pub const GROUPS: [Group; 10] = [
    Group {
        batches: true,
        ..quick(group(
            "basic",
            "The life of a table: loaded, read, emptied by half, compacted",
            &[phase(basic::run)],
        ))
    },
    quick(group(
        "commits",
        "Durable commits by one thread and by many",
        &[phase(commits::run)],
    )),
    quick(group(
        "ycsb",
        "YCSB, zipfian, two threads, a transaction an operation",
        &[phase(ycsb::run)],
    )),
    group(
        "cold",
        "Ten times as much data as cache",
        &[phase(cold::load), phase(cold::read)],
    ),
    group(
        "values",
        "Values of 16 bytes to 1 MiB",
        &[phase(values::run)],
    ),
    group(
        "snapshot",
        "A reader stays while everything is overwritten",
        &[phase(snapshot::run)],
    ),
    group(
        "recovery",
        "Opening after a crash, by the size of the log",
        &[
            fatal(recovery::write_and_die::<4>),
            phase(recovery::reopen::<4>),
            fatal(recovery::write_and_die::<16>),
            phase(recovery::reopen::<16>),
            fatal(recovery::write_and_die::<48>),
            phase(recovery::reopen::<48>),
        ],
    ),
    group(
        "stalls",
        "Durable commits during checkpoints",
        &[phase(stalls::run)],
    ),
    group(
        "scaling",
        "Reads by 1, 2, 4 and 8 threads",
        &[phase(scaling::run)],
    ),
    group(
        "growth",
        "Reads as the table grows, all in the cache",
        &[phase(growth::run)],
    ),
];
