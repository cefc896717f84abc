//! Who takes part, and by which words each is judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const ENTRIES: &str = include_str!("../../league/engines.toml");

/// An engine at one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name of its files.
    pub id: String,
    /// The name for people.
    pub title: String,
    /// The linked target that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The driver of `harness/drivers` that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// How its driver is built, if not with the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Its setting.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// What its documentation promises.
    #[serde(rename = "promise")]
    pub promises: Vec<Promised>,
    /// What is known, and what is doubtful, of findings under a scenario.
    #[serde(default, rename = "note", skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Findings that somebody has checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<Checked>,
}

/// A promise of a documentation, in our words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promised {
    /// What is promised.
    pub says: String,
    /// Where it is written.
    pub source: String,
}

/// What was thought of findings that nobody has confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The scenario's id.
    pub scenario: String,
    /// What was thought.
    pub says: String,
}

/// A finding that somebody has looked into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// The ids of the scenarios that show it.
    pub scenarios: Vec<String>,
    /// Its fingerprint, or with a `*` at the end how that begins.
    pub fingerprint: String,
    /// What came of it.
    pub is: Check,
    /// How it was checked, with the place in the engine's source or documentation.
    pub how: String,
}

impl Checked {
    fn is_about(&self, fingerprint: &str) -> bool {
        match self.fingerprint.strip_suffix('*') {
            Some(begin) => fingerprint.starts_with(begin),
            None => fingerprint == self.fingerprint,
        }
    }
}

/// What came of looking into a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// It breaks a promise, on real storage as well.
    Confirmed,
    /// Only storage shows it that keeps less order than the file systems that were calibrated.
    PortabilityWarning,
    /// It is so, and nothing is promised to the contrary.
    NotPromised,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    engine: Vec<Entry>,
}

/// All entries, in the order of the table.
pub fn entries() -> Result<Vec<Entry>, toml::de::Error> {
    toml::from_str(ENTRIES).map(|file: File| file.engine)
}

impl Entry {
    /// What is known of a finding under a scenario, if somebody has looked into it.
    pub fn checked(&self, scenario: &str, fingerprint: &str) -> Option<&Checked> {
        let mut checked = self.checked.iter();
        checked
            .find(|one| one.scenarios.iter().any(|id| id == scenario) && one.is_about(fingerprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_one_engine_and_cites_what_it_promises() {
        let entries = entries().unwrap();
        for entry in &entries {
            assert!(
                entry.target.is_some() != entry.driver.is_some(),
                "{}",
                entry.id
            );
            assert!(!entry.promises.is_empty(), "{}", entry.id);
            let sources = entry.promises.iter();
            assert!(
                sources.clone().all(|one| !one.source.is_empty()),
                "{}",
                entry.id
            );
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(entry.id.chars().all(is_plain), "{}", entry.id);
        }
        let mut ids: Vec<_> = entries.iter().map(|entry| &entry.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), entries.len());
    }
}
