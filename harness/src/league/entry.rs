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
    pub confirmed: Vec<Confirmed>,
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

/// A finding that holds beyond the simulated disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// The scenario's id.
    pub scenario: String,
    /// How its fingerprint begins.
    pub fingerprint: String,
    /// How it was checked.
    pub how: String,
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
    /// How a finding was confirmed, if it was.
    pub fn confirmation(&self, scenario: &str, fingerprint: &str) -> Option<&Confirmed> {
        let mut confirmed = self.confirmed.iter();
        confirmed.find(|one| one.scenario == scenario && fingerprint.starts_with(&one.fingerprint))
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
