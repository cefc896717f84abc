//! Backups, and points to restore to, as the client that asked for them knows them.

use crate::target::Copied;
use crate::trace::TracePosition;

/// A backup that was asked for, or a point in the archived log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The backups that it takes to restore it, the full one first.
    pub chain: Vec<String>,
    /// Up to where the archived log is replayed, if it is.
    pub point: Option<u64>,
    /// The moment before it was asked for.
    pub from: TracePosition,
    /// The moment after it was done, if it was.
    pub to: Option<TracePosition>,
}

impl Taken {
    /// What to restore.
    pub fn copied(&self) -> Copied<'_> {
        Copied {
            chain: &self.chain,
            point: self.point,
        }
    }

    /// For readers.
    pub fn text(&self) -> String {
        let chain = self.chain.join(", ");
        match self.point {
            Some(point) => format!("{chain}, up to point {point} of the archive"),
            None => chain,
        }
    }
}
