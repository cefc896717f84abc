//! The crashes that there is a table for.

/// A table: what ends SQLite, and what that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// A power cut, on any POSIX file system.
    PowerLoss,
    /// A power cut, on a file system with a journal.
    JournalingFileSystem,
    /// The end of the process alone.
    ProcessCrash,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::PowerLoss,
        Self::JournalingFileSystem,
        Self::ProcessCrash,
    ];

    /// The scenario that is run for each setting.
    pub fn scenario_file(self) -> &'static str {
        match self {
            Self::PowerLoss => "scenarios/truth/sqlite-power-loss.toml",
            Self::JournalingFileSystem => "scenarios/truth/sqlite-journaling-file-system.toml",
            Self::ProcessCrash => "scenarios/truth/sqlite-process-crash.toml",
        }
    }

    /// What stands above it.
    pub fn heading(self) -> &'static str {
        match self {
            Self::PowerLoss => {
                "SQLite after a power cut, model posix: sectors of 512 bytes, sizes and names that no sync covered survive \
                 each for itself.\nFound (documented), distinct states. L: an acknowledged commit is lost. C: the \
                 database is damaged. ok: neither. ?: not documented clearly."
            }
            Self::JournalingFileSystem => {
                "SQLite after a power cut, model journaled: as ext4 and xfs have it, names and lengths survive in order."
            }
            Self::ProcessCrash => "SQLite after the end of its process alone.",
        }
    }
}
