//! What SQLite's documentation says of a setting, and whether what was found agrees.
//!
//! From the documentation of `PRAGMA synchronous` and of write-ahead logging. `normal` with a rollback journal: "a very small
//! (though non-zero) chance that a power failure at just the wrong time could corrupt the database in
//! `journal_mode=DELETE` on an older filesystem"; nothing is said of TRUNCATE and PERSIST. Which are older is not said either: ext4, which shows
//! zeroes where appended bytes did not come (docs/decisions/0013), is taken for one. MEMORY and OFF: if the application, or the machine, crashes "in the middle of a transaction", then
//! "the database file will very likely go corrupt"; nothing is said of commits that were acknowledged.

use super::{Cell, Found, Table};

/// What is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Documented {
    /// Acknowledged commits survive, whole.
    Ok,
    /// They may be lost.
    Lost,
    /// They may be lost, and the database may be damaged.
    LostAndCorrupt,
    /// The database may be damaged.
    Corrupt,
    /// Nothing, or nothing clear.
    Open,
}

/// Whether what was found agrees with what is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// It does.
    Agrees,
    /// Nothing is documented; now it is known.
    Decided,
    /// It does not.
    Differs,
    /// Too few states to say.
    TooFew,
}

impl Documented {
    /// What is said of a setting.
    pub fn of(cell: Cell, table: Table) -> Self {
        match (table, cell.synchronous, cell.journal_mode) {
            (_, _, "memory" | "off") => Self::Corrupt,
            (Table::ProcessCrash, ..) => Self::Ok,
            (_, "off", _) | (_, "normal", "delete") => Self::LostAndCorrupt,
            (_, "normal", "wal") | (_, "full", "delete") => Self::Lost,
            (_, "normal", _) => Self::Open,
            _ => Self::Ok,
        }
    }

    /// As the table shows it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Lost => "L",
            Self::LostAndCorrupt => "L C",
            Self::Corrupt => "C",
            Self::Open => "?",
        }
    }

    /// Compares with what was found in at least `states_min` states.
    pub fn compare(self, found: &Found, states_min: u64) -> Agreement {
        if found.states < states_min {
            return Agreement::TooFew;
        }
        let found = (found.lost.is_some(), found.corrupt.is_some());
        match (self, found) {
            (Self::Open, _) => Agreement::Decided,
            (Self::Ok, (false, false))
            | (Self::Lost, (true, false))
            | (Self::LostAndCorrupt, (true, true))
            | (Self::Corrupt, (_, true)) => Agreement::Agrees,
            _ => Agreement::Differs,
        }
    }
}
