//! Lightning DB's options as scenarios and the command line give them.
//!
//! 1. `frames` is memory counted in pages, of whatever size the run has: it takes the place of `memory`.
//! 2. The engine has 16 pages of memory at least. Less counts as 16, so that one figure goes with every page size.

use lightning_db::sync::takes_part;
use lightning_db::{CheckpointMode, Database, Isolation, Limits, OpenError};

use crate::target::{KnownOption, OptionError, OptionKind, Options, parse_size};

const SALT: u64 = 0x006c_6967_6874_6e69;
const PAGE_SIZE: u64 = 4096;
const FRAMES_MIN: u64 = 16;

pub(super) const KNOWN: &[KnownOption] = &[
    KnownOption {
        name: "page_size",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "log_segment",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "checkpoint_after",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "checkpoint_mode",
        kind: OptionKind::Word(&["inline", "manual", "background"]),
    },
    KnownOption {
        name: "wal_bytes",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "dirty_bytes",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "disk_bytes",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "memory",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "frames",
        kind: OptionKind::Number,
    },
    KnownOption {
        name: "archive",
        kind: OptionKind::Switch,
    },
    KnownOption {
        name: "isolation",
        kind: OptionKind::Word(&["snapshot", "serializable"]),
    },
];

/// The engine's options.
pub(super) fn engine_options(asked: &Options) -> lightning_db::Options {
    let size = |name: &str| size(asked, name);
    let mode = match asked.get("checkpoint_mode").map(String::as_str) {
        Some("manual") => CheckpointMode::Manual,
        Some("background") if takes_part() => CheckpointMode::Background,
        _ => CheckpointMode::Inline,
    };
    let isolation = if is_serializable(asked) {
        Isolation::Serializable
    } else {
        Isolation::Snapshot
    };
    let mut limits = Limits::default();
    limits.wal_bytes = size("wal_bytes").unwrap_or(limits.wal_bytes);
    limits.dirty_bytes = size("dirty_bytes").unwrap_or(limits.dirty_bytes);
    limits.disk_bytes = size("disk_bytes").unwrap_or(limits.disk_bytes);
    limits.memory = memory(asked).unwrap_or(limits.memory);
    let mut options = lightning_db::Options::new()
        .salt(SALT)
        .checkpoint_mode(mode)
        .isolation(isolation)
        .limits(limits);
    if let Some(bytes) = size("page_size") {
        options = options.page_size(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
    if let Some(bytes) = size("log_segment") {
        options = options.log_segment(bytes);
    }
    if let Some(bytes) = size("checkpoint_after") {
        options = options.checkpoint_after(bytes);
    }
    options
}

/// Whether transactions are to be serializable.
pub(super) fn is_serializable(asked: &Options) -> bool {
    asked.get("isolation").map(String::as_str) == Some("serializable")
}

/// Whether the log is archived.
pub(super) fn is_archived(asked: &Options) -> bool {
    asked.get("archive").map(String::as_str) == Some("true")
}

/// The engine's options for a database that is made of backups: one of its own, which must have a salt of its own.
pub(super) fn of_restored(asked: &Options) -> lightning_db::Options {
    engine_options(asked).salt(SALT + 1)
}

/// Refuses values that the engine refuses, alone or together.
pub(super) fn check(asked: &Options) -> Result<(), OptionError> {
    match Database::in_memory(engine_options(asked)) {
        Err(OpenError::Options(reason)) => {
            let blamed = asked.keys().find(|name| reason.starts_with(name.as_str()));
            let name = blamed.cloned().unwrap_or_default();
            Err(OptionError { name, reason })
        }
        _ => Ok(()),
    }
}

fn size(asked: &Options, name: &str) -> Option<u64> {
    asked.get(name).and_then(|value| parse_size(value))
}

fn memory(asked: &Options) -> Option<u64> {
    let page_size = size(asked, "page_size").unwrap_or(PAGE_SIZE);
    let frames = asked.get("frames").and_then(|value| value.parse().ok());
    let bytes = frames.map(|frames: u64| frames.saturating_mul(page_size));
    let bytes = bytes.or_else(|| size(asked, "memory"))?;
    Some(bytes.max(page_size.saturating_mul(FRAMES_MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> Options {
        let pairs = given.iter();
        pairs
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn frames_are_pages_of_the_size_that_the_run_has() {
        let asked = |given: &[(&str, &str)]| memory(&options(given));
        assert_eq!(asked(&[("page_size", "4 KiB")]), None);
        assert_eq!(asked(&[("frames", "16")]), Some(16 * 4096));
        let large = [
            ("frames", "20"),
            ("page_size", "64 KiB"),
            ("memory", "1 GiB"),
        ];
        assert_eq!(asked(&large), Some(20 * 65_536));
        let little = [("memory", "64 KiB"), ("page_size", "32 KiB")];
        assert_eq!(asked(&little), Some(16 * 32_768), "16 pages at least");
        assert_eq!(asked(&[("memory", "1 MiB")]), Some(1 << 20));
    }

    #[test]
    fn what_the_engine_refuses_is_refused_with_the_options_name() {
        assert_eq!(
            check(&options(&[("frames", "1"), ("page_size", "64 KiB")])),
            Ok(())
        );
        let wrong = [
            ("page_size", "5000"),
            ("page_size", "128 KiB"),
            ("log_segment", "20000"),
        ];
        for (name, value) in wrong {
            let refused = check(&options(&[(name, value)])).unwrap_err();
            assert_eq!(refused.name, name, "{refused}");
        }
    }
}
