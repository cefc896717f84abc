//! Patterns over names of files.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pattern over names relative to the database's directory.
///
/// `*` stands for any run of characters without `/`, `**` for any run with it, `?` for one character
/// that is not `/`. The pattern `.` names the directory itself, whose name is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileGlob(String);

impl FileGlob {
    /// Covers every name, and the directory itself.
    pub fn everything() -> Self {
        Self("**".to_owned())
    }

    /// Whether the pattern covers this name.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.as_str() {
            "." => name.is_empty(),
            pattern => covers(pattern.as_bytes(), name.as_bytes()),
        }
    }
}

/// Backtracks over stars only; patterns are short.
fn covers(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', b'*', rest @ ..], _) => (0..=name.len()).any(|cut| covers(rest, &name[cut..])),
        ([b'*', rest @ ..], _) => {
            let reach = name
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(name.len());
            (0..=reach).any(|cut| covers(rest, &name[cut..]))
        }
        ([b'?', rest @ ..], [first, others @ ..]) => *first != b'/' && covers(rest, others),
        ([wanted, rest @ ..], [first, others @ ..]) => wanted == first && covers(rest, others),
        _ => false,
    }
}

impl TryFrom<String> for FileGlob {
    type Error = String;

    fn try_from(pattern: String) -> Result<Self, String> {
        const STARS_MAX: usize = 8;
        let wrong = if pattern.is_empty() {
            "the pattern is empty: expected a name, or \".\" for the directory itself"
        } else if pattern.starts_with('/') {
            "the pattern starts with `/`: names are relative to the database's directory"
        } else if pattern.matches('*').count() > STARS_MAX {
            "the pattern has more than 8 stars"
        } else {
            return Ok(Self(pattern));
        };
        Err(wrong.to_owned())
    }
}

impl From<FileGlob> for String {
    fn from(glob: FileGlob) -> Self {
        glob.0
    }
}

impl fmt::Display for FileGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for FileGlob {
    fn schema_name() -> Cow<'static, str> {
        "FileGlob".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Names relative to the database's directory, with *, ** and ?; `.` is the directory.",
            "type": "string",
            "pattern": "^[^/]"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        FileGlob::try_from(pattern.to_owned())
            .unwrap()
            .matches(name)
    }

    #[test]
    fn a_star_stays_within_a_directory() {
        assert!(matches("wal/*", "wal/000001"));
        assert!(!matches("wal/*", "wal/old/000001"));
        assert!(!matches("*", "wal/000001"));
        assert!(matches("**", "wal/000001"));
    }

    #[test]
    fn other_characters_stand_for_themselves() {
        assert!(matches("data", "data"));
        assert!(!matches("data", "data2"));
        assert!(matches("wal/00000?", "wal/000007"));
        assert!(!matches("da?", "da"));
    }

    #[test]
    fn a_dot_is_the_directory_itself() {
        assert!(matches(".", ""));
        assert!(!matches(".", "."));
        assert!(!matches("*", "wal/"));
    }

    #[test]
    fn an_empty_pattern_is_refused() {
        assert!(FileGlob::try_from(String::new()).is_err());
    }
}
