//! Names of cases: the crashes that lead to a state.

use std::fmt::Write as _;

use crate::batch::CaseId;
use crate::crash::Sample;
use crate::rng::Rng;
use crate::survival::Decisions;
use crate::trace::TracePosition;

/// The run itself, before any crash.
pub(super) const LIVE: &str = "live";

/// One crash: where, and which of the states it can leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crash {
    pub(super) at: TracePosition,
    pub(super) left: Left,
}

/// Which of the states that a crash can leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// One that was drawn.
    Sample(Sample),
    /// All those in which what the target looks at was decided so.
    Decided(Decisions),
}

/// The crashes that lead to a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CasePath {
    /// Which of the scenario's faults, by its place in the file.
    pub(super) fault: usize,
    pub(super) crashes: Vec<Crash>,
}

impl CasePath {
    /// No crash yet, of a fault.
    pub(super) fn start(fault: usize) -> Self {
        Self {
            fault,
            crashes: Vec::new(),
        }
    }

    /// One more crash.
    pub(super) fn then(&self, crash: Crash) -> Self {
        let mut crashes = self.crashes.clone();
        crashes.push(crash);
        Self {
            fault: self.fault,
            crashes,
        }
    }

    /// `p12.s3/p4.s1`, or `p12.d0x3.1/p4.s1` where survival was decided lazily; a fault that is not the first is named
    /// before: `f1/p12.s3`.
    pub(super) fn id(&self) -> CaseId {
        let mut id = String::new();
        if self.fault > 0 {
            let _ = write!(id, "f{}", self.fault);
        }
        for crash in &self.crashes {
            let slash = if id.is_empty() { "" } else { "/" };
            let _ = write!(id, "{slash}p{}.", crash.at.0);
            let _ = match &crash.left {
                Left::Sample(sample) => write!(id, "s{}", sample.0),
                Left::Decided(decisions) => write!(id, "d{decisions}"),
            };
        }
        CaseId(id)
    }

    /// Reads what `id` wrote.
    pub(super) fn parse(id: &CaseId) -> Option<Self> {
        let mut path = Self::default();
        for (place, part) in id.0.split('/').enumerate() {
            match part.strip_prefix('f') {
                Some(fault) if place == 0 => path.fault = fault.parse().ok()?,
                _ => path.crashes.push(Crash::parse(part)?),
            }
        }
        (path.id() == *id && !path.crashes.is_empty()).then_some(path)
    }
}

impl Crash {
    fn parse(part: &str) -> Option<Self> {
        let (at, left) = part.strip_prefix('p')?.split_once('.')?;
        let at = TracePosition(at.parse().ok()?);
        let left = match left.split_at_checked(1)? {
            ("s", sample) => Left::Sample(Sample(sample.parse().ok()?)),
            ("d", decisions) => Left::Decided(decisions.parse().ok()?),
            _ => return None,
        };
        Some(Self { at, left })
    }

    /// The generator of all that follows from this crash of a life.
    pub(super) fn rng(&self, life: &Rng) -> Rng {
        match &self.left {
            Left::Sample(sample) => life.split("case", self.at.0 << 24 | u64::from(sample.0)),
            Left::Decided(decisions) => life
                .split("lazy case", self.at.0)
                .split(&decisions.to_string(), 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_names_read_back() {
        for id in [
            "p0.s0",
            "p12.s3/p4.s1",
            "f1/p12.s3",
            "f2/p1.s1/p2.s2/p3.s3",
            "p7.d0",
            "p7.d0x12.1.3x2/p4.s1",
        ] {
            let id = CaseId(id.to_owned());
            assert_eq!(CasePath::parse(&id).map(|path| path.id()), Some(id));
        }
        for wrong in [
            "", "live", "p1", "p1.s", "p01.s1", "f0/p1.s1", "p1.s1/", "f1", "p1.s1/f1", "p1.d",
            "p1.d1.0", "p1.x3",
        ] {
            assert_eq!(CasePath::parse(&CaseId(wrong.to_owned())), None, "{wrong}");
        }
    }
}
