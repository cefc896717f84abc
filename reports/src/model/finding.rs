//! One way in which a target broke a promise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shrunk::Shrunk;

/// All cases of a scenario that broke one check in one way, shown by the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What makes two cases the same finding; stable across seeds where the cause is the same.
    pub fingerprint: String,
    /// The check that was broken, as scenario files name it.
    pub check: String,
    /// One sentence for a person; may be empty.
    #[serde(default)]
    pub title: String,
    /// The whole command line that replays the case shown.
    pub replay: String,
    /// Cases with this fingerprint.
    pub count: u64,
    /// The case shown: its id within the scenario.
    pub case: String,
    /// Where the power was cut: the number of the last operation of the trace that had begun. Absent if the
    /// case has no cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_point: Option<u64>,
    /// The boot in which the cut was, counted from 1; absent where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// What the promise allows.
    pub expected: String,
    /// What was observed.
    pub actual: String,
    /// The operations around the cut, in order.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
    /// Assumptions about storage that the crash state violates, such as `512-byte atomicity`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<String>,
    /// Path of the case file, relative to the report, if one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_file: Option<String>,
    /// The smallest case found that shows the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrunk: Option<Shrunk>,
}

/// One line of a finding's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEntry {
    /// Number of the operation in the trace.
    pub seq: u64,
    /// What sort of line this is.
    pub kind: TimelineKind,
    /// What happened, such as `write wal/000001 4096..8192`.
    pub what: String,
    /// What became of the operation's effect in the crash state; absent for what leaves none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fate: Option<Fate>,
    /// More for the reader, such as `sectors 3 and 5 of 8 survived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What sort of line a timeline entry is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum TimelineKind {
    /// A storage operation of the target.
    Operation,
    /// A mark of the workload: a request, an acknowledgement.
    Mark,
    /// A fault entered here, other than the cut.
    Fault,
    /// An operation that a planted bug left out.
    Elided,
    /// The power was cut here.
    Cut,
    /// What recovery, or a reader after it, did or saw.
    Recovery,
}

/// What a crash state kept of an operation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// A sync had made it durable.
    Durable,
    /// It was pending and survived.
    Survived,
    /// It was pending and a part of it survived.
    Torn,
    /// It was pending and is gone.
    Lost,
}
