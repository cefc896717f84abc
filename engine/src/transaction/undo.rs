//! How a write set finds back to a savepoint.
//!
//! Invariant: undoing the steps recorded since a mark, the last one first, leaves the write set as it was at the mark,
//! but for entries that say nothing. Nothing is recorded while there is no mark.

use super::key_ranges::KeyRanges;
use super::table_writes::Below;
use super::write_set::Named;
use super::writes::{EntryId, size};

/// What a step changed, as it was before.
#[derive(Debug)]
pub enum Step {
    /// A key's write.
    Write {
        /// The table.
        table: String,
        /// The write.
        id: EntryId,
        /// The one that it replaced.
        previous: Option<EntryId>,
        /// What the key and its previous value count for.
        bytes: u64,
    },
    /// The table had not been put to.
    FirstPut {
        /// The table.
        table: String,
    },
    /// What lies below a table.
    Below {
        /// The table.
        table: String,
        /// What it was.
        previous: Below,
    },
    /// Ranges deleted, and the writes in them.
    Sweep {
        /// The table.
        table: String,
        /// The ranges before.
        swept: KeyRanges,
        /// The writes that went.
        removed: Vec<EntryId>,
        /// What they count for.
        bytes: u64,
    },
    /// A name and what it stood for.
    Name {
        /// The name.
        name: String,
        /// What it stood for, if it was touched.
        previous: Option<Named>,
    },
    /// A table that moved to another name.
    Rename {
        /// The name it had.
        from: String,
        /// The name it got.
        to: String,
        /// What that name stood for before, if it was touched.
        replaced: Option<Named>,
    },
}

/// A place to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Its name.
    pub id: u64,
    /// Steps recorded before it.
    pub steps: usize,
    /// Changes of tables before it.
    pub changes: usize,
    /// Tables of the snapshot dropped before it.
    pub dropped: usize,
    /// The size of changes and ranges then.
    pub change_bytes: u64,
    /// The undo log's size then.
    pub undo_bytes: u64,
}

/// The steps since the first mark.
#[derive(Debug, Default)]
pub struct UndoLog {
    marks: Vec<Mark>,
    steps: Vec<Step>,
    bytes: u64,
}

impl UndoLog {
    /// Whether steps must be recorded.
    pub fn is_on(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Remembers a step, if anybody may go back before it.
    pub fn record(&mut self, step: impl FnOnce() -> Step) {
        if self.is_on() {
            let step = step();
            self.bytes = self.bytes.saturating_add(step.bytes());
            self.steps.push(step);
        }
    }

    /// Memory that it holds, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many steps it holds.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Adds a mark.
    pub fn mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    /// The mark `id`, made the last one.
    pub fn return_to(&mut self, id: u64) -> Option<Mark> {
        let place = self.marks.iter().rposition(|mark| mark.id == id)?;
        self.marks.truncate(place.saturating_add(1));
        self.marks.last().copied()
    }

    /// The last step after `mark`.
    pub fn pop(&mut self, mark: &Mark) -> Option<Step> {
        self.bytes = mark.undo_bytes;
        if self.steps.len() > mark.steps {
            self.steps.pop()
        } else {
            None
        }
    }

    /// Forgets the mark `id` and all after it. False if there is no such mark.
    pub fn release(&mut self, id: u64) -> bool {
        let Some(place) = self.marks.iter().rposition(|mark| mark.id == id) else {
            return false;
        };
        self.marks.truncate(place);
        if self.marks.is_empty() {
            self.steps = Vec::new();
            self.bytes = 0;
        }
        true
    }
}

/// What a step costs beside the bytes that it keeps.
const STEP_BYTES: u64 = 64;

impl Step {
    fn bytes(&self) -> u64 {
        let kept = match self {
            Self::Write { bytes, .. } => *bytes,
            Self::Sweep { bytes, swept, .. } => STEP_BYTES
                .saturating_mul(swept.len() as u64)
                .saturating_add(*bytes),
            Self::Name {
                previous: Some(Named::Table(table)),
                ..
            } => table.writes.bytes(),
            Self::FirstPut { .. } | Self::Below { .. } | Self::Name { .. } => 0,
            Self::Rename { from, to, .. } => size(from.as_bytes(), Some(to.as_bytes())),
        };
        kept.saturating_add(STEP_BYTES)
    }
}
