//! What there is to exercise, whatever a run did.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The faults and checks that the harness knows, and which of them have nothing to do with each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grid {
    /// The faults, as `kind` or `kind: variety`.
    pub faults: Vec<String>,
    /// The checks.
    pub checks: Vec<String>,
    /// What cannot be exercised.
    pub impossible: Vec<Impossible>,
}

/// A check that has nothing to look at under a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Impossible {
    /// The fault; a kind stands for all its varieties.
    pub fault: String,
    /// The check.
    pub check: String,
    /// Why.
    pub reason: String,
}

impl Grid {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Why a check has nothing to look at under a fault, if it hasn't.
    pub fn why_not(&self, fault: &str, check: &str) -> Option<&str> {
        let concerns = |what: &str| {
            let variety = fault.strip_prefix(what);
            variety.is_some_and(|rest| rest.is_empty() || rest.starts_with(": "))
        };
        let mut impossible = self.impossible.iter();
        let found = impossible.find(|one| one.check == check && concerns(&one.fault));
        found.map(|one| one.reason.as_str())
    }
}
