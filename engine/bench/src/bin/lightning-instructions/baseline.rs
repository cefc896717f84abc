//! Counts that were kept, and how far new ones are from them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Counts as they were when somebody decided that they may stay so.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// How far a count may be from what is kept, in percent: compilers and the standard library change a little.
    pub tolerated_percent: f64,
    /// The compiler they were counted with; another one shifts them.
    pub compiler: String,
    /// Instructions by operation.
    pub instructions: BTreeMap<String, u64>,
}

/// One count beside what is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drift {
    /// Nothing is kept for it.
    New,
    /// As far as it may be.
    Within(f64),
    /// Better by more than is tolerated: what is kept should be renewed.
    Less(f64),
    /// Worse by more than is tolerated.
    More(f64),
}

impl Baseline {
    /// Reads what is kept.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no baseline", path.display()))
    }

    /// Keeps it.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let head = "# Kept by `lightning-instructions --keep`, compared by `--compare`.\n";
        std::fs::write(path, format!("{head}{}", toml::to_string(self)?))
            .with_context(|| format!("writing {}", path.display()))
    }

    /// Compares one count.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn drift(&self, operation: &str, count: u64) -> Drift {
        let Some(kept) = self.instructions.get(operation) else {
            return Drift::New;
        };
        let percent = (count as f64 / (*kept).max(1) as f64 - 1.0) * 100.0;
        match percent {
            p if p > self.tolerated_percent => Drift::More(p),
            p if p < -self.tolerated_percent => Drift::Less(p),
            p => Drift::Within(p),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_beyond_the_tolerance_is_told_by_its_direction() {
        let baseline = Baseline {
            tolerated_percent: 3.0,
            compiler: String::new(),
            instructions: [("get".to_owned(), 1000)].into(),
        };
        assert_eq!(baseline.drift("put", 1), Drift::New);
        assert!(matches!(baseline.drift("get", 1020), Drift::Within(_)));
        assert!(matches!(baseline.drift("get", 1100), Drift::More(_)));
        assert!(matches!(baseline.drift("get", 900), Drift::Less(_)));
    }

    #[test]
    fn what_is_kept_in_the_repository_names_every_operation() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml");
        let kept = Baseline::read(&path).unwrap().instructions;
        for (name, _) in crate::operations::OPERATIONS {
            assert!(kept.contains_key(name), "{name}");
        }
        assert_eq!(kept.len(), crate::operations::OPERATIONS.len());
    }
}
