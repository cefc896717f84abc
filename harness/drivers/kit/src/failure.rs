//! How a request fails.

use std::error::Error;
use std::io;

use serde_json::{Value, json};

/// A failure as the oracle understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: Kind,
    text: String,
    is_not_applied: bool,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Another transaction was in the way.
    Conflict,
    /// Somebody else uses the database.
    Busy,
    /// There is no space.
    Full,
    /// The storage failed.
    Io,
    /// The engine found damage.
    Corruption,
    /// This is not offered.
    Unsupported,
    /// Something else.
    Other,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            is_not_applied: false,
        }
    }

    /// What is not offered.
    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, text)
    }

    /// What is neither the storage's fault nor damage.
    pub fn other(text: impl Into<String>) -> Self {
        Self::new(Kind::Other, text)
    }

    /// An engine's error: `full` or `io` if an error of the operating system is among its causes, else of the kind given.
    pub fn of(error: &(dyn Error + 'static), otherwise: Kind) -> Self {
        let mut texts = vec![error.to_string()];
        let mut kind = kind_of_io(error);
        let mut source = error.source();
        while let Some(cause) = source {
            kind = kind.or_else(|| kind_of_io(cause));
            let text = cause.to_string();
            if !texts.iter().any(|known| known.contains(&text)) {
                texts.push(text);
            }
            source = cause.source();
        }
        Self::new(kind.unwrap_or(otherwise), texts.join(": "))
    }

    /// The transaction certainly did not happen.
    #[must_use]
    pub fn not_applied(mut self) -> Self {
        self.is_not_applied = true;
        self
    }

    /// What the failure means.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn members(&self) -> Value {
        let mut members = json!({"ok": false, "kind": self.kind.name(), "error": self.text});
        if self.is_not_applied {
            members["applied"] = "no".into();
        }
        members
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::of(&error, Kind::Io)
    }
}

impl Kind {
    /// What an error of the operating system means.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Io => "io",
            Self::Corruption => "corruption",
            Self::Unsupported => "unsupported",
            Self::Other => "other",
        }
    }
}

/// Only errors that the system gave count: engines put their own findings into `io::Error` as well.
fn kind_of_io(error: &(dyn Error + 'static)) -> Option<Kind> {
    let error = error.downcast_ref::<io::Error>()?;
    error.raw_os_error().map(|_| Kind::of_io(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        for (number, kind) in [(28, Kind::Full), (122, Kind::Full), (5, Kind::Io)] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(Failure::of(&error, Kind::Other).kind(), kind);
        }
        let own = io::Error::other("checksum");
        let failure = Failure::of(&own, Kind::Corruption);
        assert_eq!(failure.kind(), Kind::Corruption);
    }
}
