//! What a run is asked to do.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use crate::scenario::{Scenario, ScenarioReadError};
use crate::worker::WorkerLimits;

/// The seed of a run that names none: fixed, so that every run can be repeated.
pub const DEFAULT_SEED: u64 = 1;

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The target engine's name.
    pub target: String,
    /// Options that take the place of those that scenarios draw.
    pub options: BTreeMap<String, String>,
    /// The seed.
    pub seed: u64,
    /// Worker processes.
    pub jobs: NonZeroUsize,
    /// Whether the first scenario that fails ends the run.
    pub fail_fast: bool,
    /// How workers are started and given up.
    pub workers: WorkerLimits,
}

/// A scenario with the text and name of its file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file as reports name it: relative, with forward slashes.
    pub file: String,
    /// The file's text.
    pub text: Arc<str>,
    /// What it says.
    pub scenario: Arc<Scenario>,
}

impl Loaded {
    /// Reads a scenario file that reports are to call `file`.
    pub fn read(path: &Path, file: String) -> Result<Self, ScenarioReadError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScenarioReadError::Io {
            path: path.to_owned(),
            source,
        })?;
        let scenario = Scenario::parse(&file, &text)?;
        Ok(Self {
            file,
            text: text.into(),
            scenario: Arc::new(scenario),
        })
    }
}
