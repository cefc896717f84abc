//! What a transaction did to one table.

use std::collections::BTreeMap;

use crate::btree::Value;
use crate::disk_format::commit_group::Action;

use super::key_ranges::{Bounds, KeyRanges, is_empty_range};

/// Keys with their new values. `None` deletes.
pub type Writes = BTreeMap<Vec<u8>, Option<Value>>;

/// One write: a key and its value, or `None` for a deletion.
pub type Write<'t> = (&'t Vec<u8>, &'t Option<Value>);

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
}

/// What a table's writes lie upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Below {
    /// The table that has this name in the snapshot, if there is one.
    Table(String),
    /// Nothing: the transaction created the table.
    Nothing,
}

impl TableWrites {
    /// No writes yet.
    pub fn on(below: Below) -> Self {
        Self {
            below,
            was_put: false,
            swept: KeyRanges::default(),
            writes: Writes::new(),
        }
    }

    /// The writes within `bounds`, ascending.
    pub fn range<'t, C: FromIterator<Write<'t>>>(&'t self, bounds: Bounds<'_>) -> C {
        let some = (!is_empty_range(bounds)).then(|| self.writes.range::<[u8], _>(bounds));
        some.into_iter().flatten().collect()
    }

    /// Forgets the writes within `bounds`, and returns them.
    pub fn take_range(&mut self, bounds: Bounds<'_>) -> Writes {
        let keys: Vec<Vec<u8>> = self
            .range::<Vec<_>>(bounds)
            .into_iter()
            .map(|(key, _)| key.clone())
            .collect();
        keys.into_iter()
            .filter_map(|key| self.writes.remove_entry(&key))
            .collect()
    }

    /// Whether it says nothing of keys.
    pub fn is_untouched(&self) -> bool {
        self.writes.is_empty() && self.swept.is_empty()
    }

    /// The table of the snapshot that lies below.
    pub fn base(&self) -> Option<&str> {
        match &self.below {
            Below::Table(base) => Some(base),
            Below::Nothing => None,
        }
    }

    /// The results, in the order in which they take effect.
    pub fn actions(&self) -> impl Iterator<Item = Action<'_>> {
        let is_made = self.was_put && !self.writes.values().any(Option::is_some);
        let made = is_made.then_some(Action::Create);
        let swept = self
            .swept
            .iter()
            .map(|(low, high)| Action::DeleteRange { low, high });
        let writes = self.writes.iter().map(|(key, value)| match value {
            Some(value) => Action::Put { key, value },
            None => Action::Delete { key },
        });
        made.into_iter().chain(swept).chain(writes)
    }

    /// The size of all keys and values, in bytes.
    pub fn bytes(&self) -> u64 {
        self.writes
            .iter()
            .map(|(key, value)| size(key, value.as_deref()))
            .fold(0, u64::saturating_add)
    }
}

/// What one write counts for.
pub fn size(key: &[u8], value: Option<&[u8]>) -> u64 {
    (key.len() as u64).saturating_add(value.map_or(0, <[u8]>::len) as u64)
}
