//! A setting: a journal mode and a level of synchronous.

use std::collections::BTreeMap;

/// The journal modes of the table, in the order of its columns.
pub const JOURNAL_MODES: [&str; 6] = ["delete", "truncate", "persist", "wal", "memory", "off"];
/// The levels of synchronous, in the order of its rows.
pub const SYNCHRONOUS: [&str; 4] = ["off", "normal", "full", "extra"];

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// `PRAGMA journal_mode`.
    pub journal_mode: &'static str,
    /// `PRAGMA synchronous`.
    pub synchronous: &'static str,
}

impl Cell {
    /// All settings, row by row.
    pub fn all() -> impl Iterator<Item = Self> {
        SYNCHRONOUS.into_iter().flat_map(|synchronous| {
            JOURNAL_MODES.into_iter().map(move |journal_mode| Self {
                journal_mode,
                synchronous,
            })
        })
    }

    /// The target's options for it.
    pub fn options(self) -> BTreeMap<String, String> {
        [
            ("journal_mode", self.journal_mode),
            ("synchronous", self.synchronous),
            ("judged_by", "durable"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}
