//! A name for what a scenario says, whatever its comments and layout.

use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

use super::Scenario;

/// Digest of a parsed scenario: equal for equal meaning, so that a replay can be refused when the file
/// has changed since. Not made to resist forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScenarioDigest(u64);

impl Scenario {
    /// The scenario's digest: xxh3 over its canonical JSON.
    pub fn digest(&self) -> ScenarioDigest {
        // Maps are ordered and keys are strings, so this cannot fail; an empty text would only make
        // every replay be refused.
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        ScenarioDigest(xxh3_64(&canonical))
    }
}

impl fmt::Display for ScenarioDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ScenarioDigest {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
