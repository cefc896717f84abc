//! What came of one version.

/// How a run of a version ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This was found.
    Found(String),
    /// Nothing was found.
    Clean,
    /// It could not be run, for this reason.
    NotRun(String),
}

impl Outcome {
    /// Whether it is what the row says; nothing if it was not run.
    pub fn is_as_expected(&self, must_fail: bool) -> Option<bool> {
        match self {
            Self::Found(_) => Some(must_fail),
            Self::Clean => Some(!must_fail),
            Self::NotRun(_) => None,
        }
    }

    /// What was found, in words.
    pub fn text(&self) -> &str {
        match self {
            Self::Found(what) => what,
            Self::Clean => "nothing",
            Self::NotRun(reason) => reason,
        }
    }
}
