//! Compositions that were worth keeping, one a line: `SEED NUMBER # why`.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file of compositions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// Seed and number of each, in the order in which they came, with what it was kept for.
    pub kept: Vec<(u64, u64, String)>,
}

/// A corpus that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The file.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line.
    #[error("{}, line {line}: expected a seed and a number, found `{text}`", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1 on.
        line: usize,
        /// What it says.
        text: String,
    },
}

impl Corpus {
    /// Reads a file; one that is not there is empty.
    pub fn read(path: &Path) -> Result<Self, CorpusError> {
        let text = match fs::read_to_string(path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                let path = path.to_owned();
                return Err(CorpusError::Io { path, source });
            }
            Ok(text) => text,
        };
        let mut kept = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let (numbers, why) = line.split_once('#').unwrap_or((line, ""));
            if numbers.trim().is_empty() {
                continue;
            }
            let parsed = parse(numbers);
            let (seed, composition) = parsed.ok_or_else(|| CorpusError::Line {
                path: path.to_owned(),
                line: number,
                text: line.to_owned(),
            })?;
            kept.push((seed, composition, why.trim().to_owned()));
        }
        Ok(Self { kept })
    }

    /// Whether a composition is kept.
    pub fn has(&self, seed: u64, number: u64) -> bool {
        self.kept
            .iter()
            .any(|kept| (kept.0, kept.1) == (seed, number))
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# Compositions that were worth keeping: seed, number, and what each was the first to do.\n",
        );
        for (seed, number, why) in &self.kept {
            let _ = writeln!(text, "{seed} {number} # {why}");
        }
        text
    }
}

fn parse(text: &str) -> Option<(u64, u64)> {
    let (seed, number) = text.trim().split_once(char::is_whitespace)?;
    Some((seed.parse().ok()?, number.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_reads_back_and_a_wrong_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("corpus.txt");
        assert_eq!(Corpus::read(&path).unwrap(), Corpus::default());
        let corpus = Corpus {
            kept: vec![(1, 5, "first".to_owned()), (u64::MAX, 0, String::new())],
        };
        fs::write(&path, corpus.text()).unwrap();
        assert_eq!(Corpus::read(&path).unwrap(), corpus);
        assert!(corpus.has(1, 5) && !corpus.has(5, 1));
        fs::write(&path, "1 2\nthree\n").unwrap();
        let error = Corpus::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("line 2") && error.contains("three"),
            "{error}"
        );
    }
}
