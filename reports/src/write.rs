//! Writing a report and all its renderings into a directory.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::{html, junit, markdown, model::Report};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A file or directory could not be written.
    #[error("write {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The report could not be turned into JSON.
    #[error("serialize the report")]
    Json(#[from] serde_json::Error),
    /// The report could not be turned into `JUnit` XML.
    #[error("serialize the JUnit report")]
    Junit(#[from] quick_junit::SerializeError),
}

/// Where the files of a report are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// `index.html`: the page for people.
    pub html: PathBuf,
    /// `junit.xml`: for CI systems.
    pub junit: PathBuf,
    /// `summary.md`: for a CI job's summary.
    pub summary: PathBuf,
    /// `report.json`: the report itself, written last: where it is new, the others are.
    pub json: PathBuf,
}

/// Writes `report` and its renderings into `dir`, which is created if it is missing.
///
/// Each file is written beside its place and renamed into it: a reader sees the old file or the
/// new one, never a part. All are rendered before the first is written.
pub fn write_all(report: &Report, dir: &Path) -> Result<Written, WriteError> {
    let json = report.to_json()?;
    let html = html::render(report);
    let junit = junit::render(report)?;
    let summary = markdown::render(report);
    std::fs::create_dir_all(dir).map_err(|e| at(dir, e))?;
    Ok(Written {
        html: replace(dir, "index.html", &html)?,
        junit: replace(dir, "junit.xml", &junit)?,
        summary: replace(dir, "summary.md", &summary)?,
        json: replace(dir, "report.json", &json)?,
    })
}

fn replace(dir: &Path, name: &str, text: &str) -> Result<PathBuf, WriteError> {
    let path = dir.join(name);
    write_beside(dir, text)
        .and_then(|file| file.persist(&path).map_err(|e| e.error))
        .map_err(|e| at(&path, e))?;
    Ok(path)
}

fn write_beside(dir: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut file = builder().tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(unix)]
fn builder() -> Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut builder = Builder::new();
    builder.permissions(std::fs::Permissions::from_mode(0o666));
    builder
}

#[cfg(not(unix))]
fn builder() -> Builder<'static, 'static> {
    Builder::new()
}

fn at(path: &Path, source: io::Error) -> WriteError {
    WriteError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_written_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("a/b");
        let report = Report::new("7".into(), "engine".into(), vec![]);
        write_all(&report, &nested).unwrap();
        let written = write_all(&report, &nested).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(&nested)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["index.html", "junit.xml", "report.json", "summary.md"]
        );
        assert_eq!(Report::read(&written.json).unwrap(), report);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("taken");
        std::fs::write(&file, "x").unwrap();
        let report = Report::new("7".into(), "engine".into(), vec![]);
        let error = write_all(&report, &file).unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
    }
}
