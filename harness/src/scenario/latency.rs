//! Operations of storage that take long.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FileGlob, IoOperation, OneOrMany, TimeSpan};

/// Some operations are slow, in the simulated disk's own time. Where clients have threads of their own, the others go on meanwhile. Beside a
/// power loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Which operations.
    #[serde(default = "all_operations")]
    pub operation: OneOrMany<IoOperation>,
    /// The files they concern, relative to the database's directory; `.` is the directory itself.
    #[serde(default = "all_files")]
    pub file: FileGlob,
    /// One in so many of them is slow.
    #[serde(default = "one_in")]
    pub every: NonZeroU32,
    /// How long a slow one takes.
    pub takes: TimeSpan,
    /// How long a commit, or the opening of the database, may take: one that takes longer hangs.
    pub within: TimeSpan,
}

impl Latency {
    /// Whether it is about an operation on a file.
    pub fn concerns(&self, operation: IoOperation, name: &str) -> bool {
        let mut asked = self.operation.as_slice().iter();
        asked.any(|&one| one == IoOperation::All || one == operation) && self.file.matches(name)
    }
}

fn all_operations() -> OneOrMany<IoOperation> {
    OneOrMany::one(IoOperation::All)
}

fn all_files() -> FileGlob {
    FileGlob::everything()
}

fn one_in() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(7)
}
