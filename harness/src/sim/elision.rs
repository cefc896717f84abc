//! Planted bugs at work: operations that are dropped while success is reported.

use std::num::NonZeroU32;

use super::places::SyncPlace;
use crate::scenario::{Chore, Elision, OperationKind};
use crate::trace::Operation;

/// An elision at work in one boot.
#[derive(Debug)]
pub(super) struct Armed {
    elision: Elision,
    matched: u64,
    pub(super) fired: u64,
}

impl Armed {
    pub(super) fn new(elision: Elision) -> Self {
        Self {
            elision,
            matched: 0,
            fired: 0,
        }
    }

    /// Whether the operation is to be dropped, while so many commits wait for their answers, and the target does this.
    pub(super) fn drops(
        &mut self,
        operation: &Operation,
        commits_in_flight: u32,
        doing: Option<&str>,
        place: Option<&SyncPlace>,
    ) -> bool {
        let Some((kind, name)) = target(operation) else {
            return false;
        };
        if kind != self.elision.operation || !self.elision.file.matches(name) {
            return false;
        }
        let asked = self.elision.commits_in_flight.map_or(0, NonZeroU32::get);
        if commits_in_flight < asked {
            return false;
        }
        let during = self.elision.during.map(Chore::name);
        if during.is_some() && during != doing {
            return false;
        }
        let asked = self.elision.place.as_deref();
        if asked.is_some() && asked != place.map(|place| place.place.as_str()) {
            return false;
        }
        self.matched += 1;
        let drops = self.elision.occurrence.covers(self.matched);
        self.fired += u64::from(drops);
        drops
    }
}

/// The kind of an operation that can be dropped, and the name that it goes by.
fn target(operation: &Operation) -> Option<(OperationKind, &str)> {
    match operation {
        Operation::Sync(file) => Some((OperationKind::Sync, &file.name)),
        Operation::SyncDir { dir } => Some((OperationKind::SyncDir, dir)),
        Operation::Write { file, .. } => Some((OperationKind::Write, &file.name)),
        Operation::SetLen { file, .. } => Some((OperationKind::SetLen, &file.name)),
        Operation::Allocate { file, .. } => Some((OperationKind::Allocate, &file.name)),
        Operation::Rename { to, .. } => Some((OperationKind::Rename, to)),
        Operation::Remove { name } => Some((OperationKind::Remove, name)),
        Operation::Create(_) | Operation::CreateDir { .. } | Operation::FailSync { .. } => None,
    }
}
