//! How far shrinking goes, and how it ended.

use std::io;
use std::time::Duration;

use crate::batch::{ExploreError, Finding};
use crate::case::CaseFile;
use crate::explore::Explanation;

/// How far shrinking goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// States that are tried.
    pub tries: u64,
    /// A ceiling.
    pub time: Duration,
}

impl Limits {
    /// Of what is shrunk without being asked. A build with debug assertions is several times as slow, and is to come as far.
    pub const IN_A_RUN: Self = Self {
        tries: 20_000,
        time: Duration::from_secs(if cfg!(debug_assertions) { 100 } else { 10 }),
    };

    /// The same on a real file system, where each try records a disk anew and mounts it.
    pub const IN_A_RUN_ON_A_DISK: Self = Self {
        tries: 20_000,
        time: Duration::from_mins(1),
    };
}

/// How large a case is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Steps, ends of transactions, and what stands by itself.
    pub operations: usize,
    /// Crashes and other faults.
    pub faults: usize,
    /// Pieces, or whole operations, that must survive or be lost beside all or nothing.
    pub pieces: usize,
}

/// Why shrinking went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShrinkEnd {
    /// Nothing more can be left out.
    Smallest,
    /// So many states were tried.
    Tries,
    /// Time was up.
    Time,
    /// It was interrupted.
    Interrupted,
}

impl ShrinkEnd {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Smallest => "nothing more can be left out",
            Self::Tries => "no more tries were allowed",
            Self::Time => "its time was up",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A case that was shrunk.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest case found.
    pub file: CaseFile,
    /// What it shows.
    pub finding: Finding,
    /// What it says beyond that.
    pub explanation: Explanation,
    /// How large it was.
    pub before: Size,
    /// How large it is.
    pub after: Size,
    /// States that were tried.
    pub tried: u64,
    /// Why it went no further.
    pub end: ShrinkEnd,
}

/// Why a case was not shrunk.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// Run by itself it shows nothing.
    #[error("the case does not show the finding when it is run again")]
    NotReproduced,
    /// Spelled out it does not show the same.
    #[error("the case does not show the finding once everything in it is spelled out")]
    NotExact,
    /// It is about something that nobody knows how to make smaller.
    #[error("{0} cannot be shrunk")]
    NoWay(&'static str),
    /// It was interrupted, or its limits were reached, before anything was gained.
    #[error("stopped before the case was run: {}", .0.text())]
    Stopped(ShrinkEnd),
    /// The harness contradicts itself.
    #[error(transparent)]
    Explore(#[from] ExploreError),
    /// Workers cannot be run.
    #[error("cannot run workers: {0}")]
    Workers(#[from] io::Error),
}
