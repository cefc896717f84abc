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

/// One way in which storage fails in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Which combination of what the fault leaves open.
    pub(super) variant: usize,
    /// The matching operation that is the first to fail, from 1.
    pub(super) first: u64,
}

/// One damaged place of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Harm {
    /// Which of the fault's kinds.
    pub(super) variant: usize,
    /// The place among all that the kind has, from 0.
    pub(super) place: u64,
}

/// The crashes that lead to a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CasePath {
    /// Which of the scenario's faults, by its place in the file.
    pub(super) fault: usize,
    /// How storage failed before the first crash, and in which of the lives of that run this one is.
    pub(super) trouble: Option<(Trouble, Option<usize>)>,
    /// What was damaged, if that is what the case is about.
    pub(super) harm: Option<Harm>,
    pub(super) crashes: Vec<Crash>,
}

impl CasePath {
    /// No crash yet, of a fault.
    pub(super) fn start(fault: usize) -> Self {
        Self {
            fault,
            ..Self::default()
        }
    }

    /// No crash yet, but trouble: of a life of the run in which it was.
    pub(super) fn troubled(fault: usize, trouble: Trouble, life: Option<usize>) -> Self {
        Self {
            fault,
            trouble: Some((trouble, life)),
            ..Self::default()
        }
    }

    /// No crash, but damage.
    pub(super) fn harmed(harm: Harm) -> Self {
        Self {
            harm: Some(harm),
            ..Self::default()
        }
    }

    /// Whether it is the run's first crash, of a run in which nothing failed.
    pub(super) fn is_start(&self) -> bool {
        self.trouble.is_none() && self.crashes.is_empty()
    }

    /// The same without its crashes.
    pub(super) fn before_crashes(&self) -> Self {
        Self {
            crashes: Vec::new(),
            ..self.clone()
        }
    }

    /// One more crash.
    pub(super) fn then(&self, crash: Crash) -> Self {
        let mut crashes = self.crashes.clone();
        crashes.push(crash);
        Self {
            crashes,
            ..self.clone()
        }
    }

    /// `p12.s3/p4.s1`, or `p12.d0x3.1/p4.s1` where survival was decided lazily; a fault that is not the first is named
    /// before: `f1/p12.s3`. Where storage failed: `e9.v0`, with variant and first operation; `e9.v0.l1/p4.s0` for a crash of life 1 of that.
    /// What was damaged: `x77.v2`, with place and kind.
    pub(super) fn id(&self) -> CaseId {
        let mut id = String::new();
        if self.fault > 0 {
            let _ = write!(id, "f{}", self.fault);
        }
        if let Some((Trouble { variant, first }, life)) = &self.trouble {
            let slash = if id.is_empty() { "" } else { "/" };
            let _ = write!(id, "{slash}e{first}.v{variant}");
            if let Some(life) = life {
                let _ = write!(id, ".l{life}");
            }
        }
        if let Some(Harm { variant, place }) = &self.harm {
            let _ = write!(id, "x{place}.v{variant}");
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
                _ if part.starts_with('x') => path.harm = Some(harm(part)?),
                _ if part.starts_with('e') => path.trouble = Some(trouble(part)?),
                _ => path.crashes.push(Crash::parse(part)?),
            }
        }
        let is_whole = match path.trouble {
            _ if path.harm.is_some() => {
                path.trouble.is_none() && path.crashes.is_empty() && path.fault == 0
            }
            Some((_, Some(_))) | None => !path.crashes.is_empty(),
            Some((_, None)) => path.crashes.is_empty() && path.fault == 0,
        };
        (path.id() == *id && is_whole).then_some(path)
    }
}

fn harm(part: &str) -> Option<Harm> {
    let (place, variant) = part.strip_prefix('x')?.split_once(".v")?;
    let (place, variant) = (place.parse().ok()?, variant.parse().ok()?);
    Some(Harm { variant, place })
}

fn trouble(part: &str) -> Option<(Trouble, Option<usize>)> {
    let (first, rest) = part.strip_prefix('e')?.split_once(".v")?;
    let (variant, life) = match rest.split_once(".l") {
        Some((variant, life)) => (variant, Some(life.parse().ok()?)),
        None => (rest, None),
    };
    let (first, variant) = (first.parse().ok()?, variant.parse().ok()?);
    Some((Trouble { variant, first }, life))
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
            "e12.v0",
            "x77.v2",
            "e12.v3.l1/p4.s0",
            "f1/e12.v3.l1/p4.s0/p5.s1",
        ] {
            let id = CaseId(id.to_owned());
            assert_eq!(CasePath::parse(&id).map(|path| path.id()), Some(id));
        }
        for wrong in [
            "",
            "live",
            "p1",
            "p1.s",
            "p01.s1",
            "f0/p1.s1",
            "p1.s1/",
            "f1",
            "p1.s1/f1",
            "p1.d",
            "p1.d1.0",
            "p1.x3",
            "e1",
            "e1.v",
            "e1.v0.l0",
            "e1.v0/p1.s1",
            "f1/e1.v0",
            "e01.v0",
            "p1.s1/e1.v0",
        ] {
            assert_eq!(CasePath::parse(&CaseId(wrong.to_owned())), None, "{wrong}");
        }
    }
}
