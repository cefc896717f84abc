//! Why a command could not do what it was asked to.

use std::io;
use std::path::PathBuf;

use super::exit::Exit;
use crate::case::{CaseFileError, Mismatch, ReplayStringError};
use crate::fuse::Unavailable;
use crate::run::OutputError;
use crate::scenario::ScenarioReadError;
use crate::soak::CorpusError;

/// Why a command ended without a verdict. Its `Display` is what the user reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no such file or folder: {}", .0.display())]
    NoSuchPath(PathBuf),
    #[error("no scenario to run: {0}")]
    NothingSelected(String),
    #[error("{0} of the scenario files are wrong")]
    WrongFiles(usize),
    #[error(transparent)]
    Scenario(#[from] ScenarioReadError),
    #[error("two scenarios have the id `{id}`: {first} and {second}")]
    SameId {
        id: String,
        first: String,
        second: String,
    },
    #[error("unknown target `{name}`: expected one of {known}")]
    UnknownTarget { name: String, known: String },
    #[error("{command}: {reason}")]
    Driver { command: String, reason: String },
    #[error("skipped: the fuse plane does not work here: {0}")]
    NoPlane(#[from] Unavailable),
    #[error("target {target}: {reason}")]
    WrongOption { target: String, reason: String },
    #[error(transparent)]
    ReplayString(#[from] ReplayStringError),
    #[error(transparent)]
    CaseFile(#[from] CaseFileError),
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error("refused: {0}")]
    Mismatch(#[from] Mismatch),
    #[error("{0} is not empty: expected a new or empty directory")]
    NotEmpty(PathBuf),
    #[error("cannot list {}: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("input or output failed: {0}")]
    Io(#[from] io::Error),
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Io(_) | Self::Output(_) => Exit::Internal,
            Self::NoPlane(_) => Exit::Inconclusive,
            _ => Exit::Usage,
        }
    }

    /// The message for a person.
    pub(super) fn render(&self) -> String {
        match self {
            Self::Scenario(error) => error.render(),
            Self::Mismatch(Mismatch::Commit { .. }) => {
                format!("error: {self}\n  help: check out that commit, or add --any-commit\n")
            }
            other => format!("error: {other}\n"),
        }
    }

    /// Whether the reader of our output has gone, which is no one's fault.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
