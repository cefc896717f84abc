//! Reading a report back.

use std::{fs, io, path::Path, path::PathBuf};

use serde::Deserialize;

use crate::model::{Report, SCHEMA_VERSION};

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be read.
    #[error("read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not a report.
    #[error("parse the report")]
    Json(#[from] serde_json::Error),
    /// The report was written by a newer version of this crate.
    #[error(
        "read a report of schema version {found}: this build knows versions up to {known}; use a newer build"
    )]
    NewerSchema {
        /// The report's version.
        found: u32,
        /// The newest version that this build reads.
        known: u32,
    },
}

#[derive(Deserialize)]
struct VersionOnly {
    schema_version: u32,
}

impl Report {
    /// Reads the report at `path`.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = fs::read_to_string(path).map_err(|source| ReadError::Io {
            path: path.to_owned(),
            source,
        })?;
        Self::from_json(&text)
    }

    /// Reads a report from the text of `report.json`. The version is looked at first, so that a newer
    /// report is named as such whatever else changed in it.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let VersionOnly {
            schema_version: found,
        } = serde_json::from_str(text)?;
        if found > SCHEMA_VERSION {
            return Err(ReadError::NewerSchema {
                found,
                known: SCHEMA_VERSION,
            });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The text of `report.json`.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_named_whatever_else_changed() {
        let error =
            Report::from_json(r#"{"schema_version": 2, "verdict": {"new": true}}"#).unwrap_err();
        assert!(
            matches!(error, ReadError::NewerSchema { found: 2, known: 1 }),
            "{error}"
        );
    }

    #[test]
    fn text_that_is_no_report_is_an_error() {
        for text in ["", "[]", "{}", r#"{"schema_version": 1}"#] {
            assert!(
                matches!(Report::from_json(text), Err(ReadError::Json(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Report::read(Path::new("no/such/report.json")).unwrap_err();
        assert!(error.to_string().contains("no/such/report.json"));
    }
}
