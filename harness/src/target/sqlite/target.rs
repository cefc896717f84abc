//! SQLite's options, and what its documentation promises for them.
//!
//! | after a power cut | DELETE, TRUNCATE, PERSIST | WAL | MEMORY, OFF |
//! |---|---|---|---|
//! | `synchronous=off` | nothing | nothing | nothing |
//! | `normal` | nothing: "a very small chance" of damage | prefix: "might roll back" | nothing |
//! | `full`, `extra` | durable | durable | nothing |
//!
//! `full` with `delete` counts as durable, since it is the default of a library that says so of itself; that it is not, until
//! the directory is synced, is only implied by what the documentation of `extra` says (docs/decisions/0010). After
//! the end of the process alone all keep everything, but MEMORY and OFF, which may damage the database. With OFF, `ROLLBACK` "behaves
//! in an undefined way": none is asked for.

use std::sync::Arc;

use lightning_db::disk::Disk;

use super::super::{
    Ability, Durability, KnownOption, Mode, OptionKind, Options, Promise, Promises, Session,
    Target, TargetError,
};
use super::session::SqliteSession;

const JOURNAL_MODES: &[&str] = &["delete", "truncate", "persist", "wal", "memory", "off"];
const SYNCHRONOUS: &[&str] = &["off", "normal", "full", "extra"];

const KNOWN: &[KnownOption] = &[
    KnownOption {
        name: "journal_mode",
        kind: OptionKind::Word(JOURNAL_MODES),
    },
    KnownOption {
        name: "synchronous",
        kind: OptionKind::Word(SYNCHRONOUS),
    },
    KnownOption {
        name: "page_size",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "cache_pages",
        kind: OptionKind::Number,
    },
    KnownOption {
        name: "wal_autocheckpoint",
        kind: OptionKind::Number,
    },
    KnownOption {
        name: "judged_by",
        kind: OptionKind::Word(&["documentation", "durable"]),
    },
];

/// SQLite.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sqlite;

impl Target for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::Interleave
            | Ability::Savepoints
            | Ability::Ranges
            | Ability::Tables
            | Ability::Compact
            | Ability::Backup
            | Ability::Threads
            | Ability::Failpoints => false,
            Ability::Checkpoint | Ability::Verify => true,
        }
    }

    fn known_options(&self) -> &'static [KnownOption] {
        KNOWN
    }

    fn promises(&self, options: &Options) -> Promises {
        let (process, power) = if word(options, "judged_by", "documentation") == "durable" {
            (Promise::Durable, Promise::Durable)
        } else {
            documented(journal_mode(options), synchronous(options))
        };
        let promises = Promises::none()
            .with(Durability::Sync, process, power)
            .serializable()
            .without_any_word_of_damage();
        if journal_mode(options) == "off" {
            promises.without_rollback()
        } else {
            promises
        }
    }

    fn variants(&self) -> Vec<Options> {
        let mut variants = Vec::new();
        for journal_mode in JOURNAL_MODES {
            for synchronous in SYNCHRONOUS {
                let pairs = [("journal_mode", journal_mode), ("synchronous", synchronous)];
                let pairs = pairs.map(|(name, value)| (name.to_owned(), (*value).to_owned()));
                variants.push(Options::from(pairs));
            }
        }
        variants
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        Ok(Box::new(SqliteSession::open(disk, options, mode)?))
    }
}

/// What an option says, or by default.
pub(super) fn word<'a>(options: &'a Options, name: &str, default: &'a str) -> &'a str {
    options.get(name).map_or(default, String::as_str)
}

pub(super) fn journal_mode(options: &Options) -> &str {
    word(options, "journal_mode", "delete")
}

pub(super) fn synchronous(options: &Options) -> &str {
    word(options, "synchronous", "full")
}

/// After the end of the process, and after a power cut.
fn documented(journal_mode: &str, synchronous: &str) -> (Promise, Promise) {
    let power = match (journal_mode, synchronous) {
        ("memory" | "off", _) => return (Promise::Nothing, Promise::Nothing),
        ("wal", "normal") => Promise::Prefix,
        (_, "off" | "normal") => Promise::Nothing,
        _ => Promise::Durable,
    };
    (Promise::Durable, power)
}
