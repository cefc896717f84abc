//! Everything that a case depends on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::COMMIT;
use crate::batch::{CaseId, PlantSwitch};
use crate::scenario::Scenario;

/// Everything that a case depends on: the same identity is the same case, bit by bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseIdentity {
    /// The code, as [`COMMIT`] has it.
    pub commit: String,
    /// The scenario's digest.
    pub scenario_digest: String,
    /// The target engine's name.
    pub target: String,
    /// The seed of the invocation, in decimal.
    #[serde(with = "decimal")]
    pub seed: u64,
    /// Which run of the scenario.
    pub run: u32,
    /// Whether the scenario's plants were active.
    pub plants: PlantSwitch,
    /// The case.
    pub case: CaseId,
    /// Where the scenario's file was.
    pub scenario_file: String,
    /// The options of the run: those that it drew, implied by the rest and compared with it, and those that were given.
    pub options: BTreeMap<String, String>,
    /// Which of the options were given, in the place of what the run would have drawn.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub given: BTreeSet<String>,
}

/// Why a case cannot be replayed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Other code.
    #[error("the case was recorded by commit {recorded}, this program is {here}")]
    Commit {
        /// As recorded.
        recorded: String,
        /// As built.
        here: String,
    },
    /// Another scenario.
    #[error(
        "the scenario has changed: the case was recorded with digest {recorded}, {file} has {here}"
    )]
    Scenario {
        /// The file.
        file: String,
        /// As recorded.
        recorded: String,
        /// As it is.
        here: String,
    },
    /// Other options.
    #[error("the run draws other options: recorded {recorded:?}, drawn {here:?}")]
    Options {
        /// As recorded.
        recorded: BTreeMap<String, String>,
        /// As drawn.
        here: BTreeMap<String, String>,
    },
}

impl CaseIdentity {
    /// The options that were given, with their values.
    pub fn given_options(&self) -> BTreeMap<String, String> {
        let mut options = self.options.clone();
        options.retain(|name, _| self.given.contains(name));
        options
    }

    /// Refuses other code than that which recorded the case.
    pub fn check_commit(&self) -> Result<(), Mismatch> {
        if self.commit == COMMIT {
            return Ok(());
        }
        Err(Mismatch::Commit {
            recorded: self.commit.clone(),
            here: COMMIT.to_owned(),
        })
    }

    /// Refuses another scenario than the one the case belongs to.
    pub fn check_scenario(&self, scenario: &Scenario) -> Result<(), Mismatch> {
        let here = scenario.digest().to_string();
        if self.scenario_digest == here {
            return Ok(());
        }
        Err(Mismatch::Scenario {
            file: self.scenario_file.clone(),
            recorded: self.scenario_digest.clone(),
            here,
        })
    }

    /// Refuses other options than the recorded ones.
    pub fn check_options(&self, drawn: &BTreeMap<String, String>) -> Result<(), Mismatch> {
        if self.options == *drawn {
            return Ok(());
        }
        Err(Mismatch::Options {
            recorded: self.options.clone(),
            here: drawn.clone(),
        })
    }
}

/// TOML's integers end at 2^63.
mod decimal {
    use serde::de::{Deserializer, Error as _};
    use serde::ser::Serializer;
    use serde::{Deserialize as _, Serialize as _};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it like this"
    )]
    pub fn serialize<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        seed.to_string().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
