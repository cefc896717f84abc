//! A case in a file of its own, with its scenario's text in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CaseIdentity;
use crate::explore::ExactCase;

/// A case file: all that a replay needs besides the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The version of the file format.
    pub format: u32,
    /// The case.
    pub case: CaseIdentity,
    /// The scenario.
    pub scenario: ScenarioText,
    /// The case with nothing in it drawn, if it was shrunk; then the case above is the one that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<ExactCase>,
}

/// A scenario's text inside a case file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioText {
    /// As the file has it.
    pub text: String,
}

/// A case file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no case file.
    #[error("{} is no case file: {}", path.display(), source.message())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Why.
        source: toml::de::Error,
    },
    /// It was written by another version.
    #[error("{} has case format {found}: expected {}", path.display(), CaseFile::FORMAT)]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
}

impl CaseFile {
    /// The version of the file format.
    pub const FORMAT: u32 = 2;
    /// The oldest version that is read.
    const FORMAT_MIN: u32 = 1;

    /// A case file for a case of the scenario with this text.
    pub fn new(case: CaseIdentity, scenario_text: &str) -> Self {
        let scenario = ScenarioText {
            text: scenario_text.to_owned(),
        };
        Self {
            format: Self::FORMAT,
            case,
            scenario,
            exact: None,
        }
    }

    /// The file's text.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let body = toml::to_string_pretty(self)?;
        Ok(format!("# Replay with: chaos replay THIS-FILE\n{body}"))
    }

    /// Reads a case file.
    pub fn read(path: &Path) -> Result<Self, CaseFileError> {
        let text = fs::read_to_string(path).map_err(|source| CaseFileError::Io {
            path: path.to_owned(),
            source,
        })?;
        let file: Self = toml::from_str(&text).map_err(|source| CaseFileError::Toml {
            path: path.to_owned(),
            source,
        })?;
        if !(Self::FORMAT_MIN..=Self::FORMAT).contains(&file.format) {
            return Err(CaseFileError::Format {
                path: path.to_owned(),
                found: file.format,
            });
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{CaseId, PlantSwitch};

    #[test]
    fn a_case_file_reads_back_with_any_scenario_text_in_it() {
        let case = CaseIdentity {
            commit: "0.1".to_owned(),
            scenario_digest: "00".to_owned(),
            target: "lightning".to_owned(),
            seed: u64::MAX,
            run: 0,
            plants: PlantSwitch::Healthy,
            case: CaseId("p1.s1".to_owned()),
            scenario_file: "a.toml".to_owned(),
            given: std::collections::BTreeSet::new(),
            options: [("page_size".to_owned(), "4 KiB".to_owned())].into(),
        };
        let text = "id = \"a\" # '''\n\"\"\"\\\n\ttab\n";
        let file = CaseFile::new(case, text);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.toml");
        fs::write(&path, file.to_toml().unwrap()).unwrap();
        assert_eq!(CaseFile::read(&path).unwrap(), file);
    }
}
