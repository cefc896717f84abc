//! What a run leaves in its output directory.

use std::io;
use std::path::Path;

use lightning_report::{Report, WriteError, Written};

use super::execute::Outcome;
use super::files::write_atomically;

/// The output directory cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A case file.
    #[error("cannot write the case file {file}: {source}")]
    Case {
        /// The file, relative to the output directory.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The report.
    #[error("failed to {0}")]
    Report(#[from] WriteError),
}

/// Writes case files, then the report that names them.
pub fn write_run_files(
    report: &Report,
    outcome: &Outcome,
    dir: &Path,
) -> Result<Written, OutputError> {
    for (file, case) in &outcome.cases {
        let text = case.to_toml().map_err(io::Error::other);
        text.and_then(|text| write_atomically(&dir.join(file), &text))
            .map_err(|source| OutputError::Case {
                file: file.clone(),
                source,
            })?;
    }
    Ok(lightning_report::write_all(report, dir)?)
}
