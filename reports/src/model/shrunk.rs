//! The smallest case found of a finding, and what it says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The smallest case found that shows a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shrunk {
    /// The whole command line that replays it.
    pub replay: String,
    /// Path of its case file, relative to the report.
    pub case_file: String,
    /// Steps of transactions, their ends, and what else clients ask for.
    pub operations: u64,
    /// As many there were before.
    pub operations_before: u64,
    /// Power cuts and other faults.
    pub faults: u64,
    /// States that were tried on the way.
    pub tried: u64,
    /// Why it went no further.
    pub end: String,
    /// What clients do, where the power is cut and what survives, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenario: Vec<String>,
    /// What was there.
    #[serde(default)]
    pub actual: String,
    /// What of the disk differs from what it held before the cut, in hexadecimal, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difference: Vec<String>,
    /// What storage must not keep for the finding to be possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<Assumption>,
    /// Additions to the protocol, each of which, or all of which together, end the finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<Repair>,
    /// What would have to reach the disk before something else, where no single sync ends the finding: all of them together end it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orderings: Vec<Repair>,
}

/// Something that storage may promise, held against the states that show a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assumption {
    /// What is assumed, such as `a write survives whole or not at all`.
    pub what: String,
    /// How many of the failing states violate it.
    pub violated: u64,
    /// How many failing states there are.
    pub failing: u64,
}

/// Something that the target could add.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repair {
    /// What and where, such as ``sync `wal/000001` after operation 17``.
    pub what: String,
    /// How many failing states it, with the repairs before it, takes away.
    pub removed: u64,
    /// How many failing states there were.
    pub failing: u64,
    /// The number of the same operation in the trace, if a planted bug drops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
}
