//! What a transaction did to one table.

use crate::disk_format::commit_group::Action;

use super::key_ranges::KeyRanges;
use super::writes::{Write, Writes};

/// A table as a transaction sees it: what the snapshot has, less the ranges deleted, below the keys written.
#[derive(Debug)]
pub struct TableWrites {
    /// What lies below.
    pub below: Below,
    /// Whether anything was ever put here, which makes a table exist.
    pub was_put: bool,
    /// Ranges of which nothing below shows any more.
    pub swept: KeyRanges,
    /// The last write of each key.
    pub writes: Writes,
    /// What of its bytes its owner has counted.
    pub counted: u64,
}

/// What a table's writes lie upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Below {
    /// The table that has this one's name in the snapshot, if there is one.
    Own,
    /// The table that has this name in the snapshot, if there is one.
    Table(String),
    /// Nothing: the transaction created the table.
    Nothing,
}

impl Below {
    /// Whether it is the table called `name` of the snapshot.
    pub fn is_own(&self, name: &str) -> bool {
        match self {
            Self::Own => true,
            Self::Table(base) => base == name,
            Self::Nothing => false,
        }
    }
}

impl TableWrites {
    /// No writes yet.
    pub fn on(below: Below) -> Self {
        Self {
            below,
            was_put: false,
            swept: KeyRanges::default(),
            writes: Writes::default(),
            counted: 0,
        }
    }

    /// Whether it says nothing of keys.
    pub fn is_untouched(&self) -> bool {
        self.writes.is_empty() && self.swept.is_empty()
    }

    /// The table of the snapshot that lies below, if this one is called `name`.
    pub fn base<'n, 't: 'n>(&'t self, name: &'n str) -> Option<&'n str> {
        match &self.below {
            Below::Own => Some(name),
            Below::Table(base) => Some(base),
            Below::Nothing => None,
        }
    }

    /// The one write that is all that was done, if so.
    pub fn sole(&self) -> Option<Write<'_>> {
        let sole = self.writes.sole().filter(|_| self.swept.is_empty());
        sole.filter(|(_, value)| value.is_some() || !self.was_put)
    }

    /// The results that take effect before keys are written, in their order.
    pub fn actions_before(&self) -> impl Iterator<Item = Action<'_>> {
        let is_made = self.was_put && !self.writes.iter().any(|(_, value)| value.is_some());
        let made = is_made.then_some(Action::Create);
        let swept = self
            .swept
            .iter()
            .map(|(low, high)| Action::DeleteRange { low, high });
        made.into_iter().chain(swept)
    }

    /// All results, in the order in which they take effect.
    pub fn actions(&self) -> impl Iterator<Item = Action<'_>> {
        let writes = self.writes.iter().map(Action::of);
        self.actions_before().chain(writes)
    }
}
