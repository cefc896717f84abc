//! What SQLite's documentation says of a setting, and whether what was found agrees.
//!
//! From the documentation of `PRAGMA synchronous` and of write-ahead logging. `normal` with a rollback journal: "a very small
//! (though non-zero) chance that a power failure at just the wrong time could corrupt the database in
//! `journal_mode=DELETE` on an older filesystem"; nothing is said of TRUNCATE and PERSIST.

use super::{Cell, Found};
use crate::target::CrashKind;

/// What is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Documented {
    /// Acknowledged commits survive, whole.
    Ok,
    /// They may be lost.
    Lost,
    /// They may be lost, and the database may be damaged.
    LostAndCorrupt,
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
    pub fn of(cell: Cell, crash: CrashKind) -> Self {
        match (crash, cell.synchronous, cell.journal_mode) {
            (CrashKind::Process, ..) => Self::Ok,
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
            | (Self::LostAndCorrupt, (true, true)) => Agreement::Agrees,
            _ => Agreement::Differs,
        }
    }
}
