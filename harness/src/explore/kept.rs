//! Backups and restore points that a crash leaves, and what restoring them must show.
//!
//! 1. One that was done before the crash must be restored to the state that it was taken of.
//! 2. One that was being taken may be there or not. If it can be restored, it is a state of the time in which it was taken.

use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3;

use super::trial::Trial;
use crate::oracle::{History, Judgement, Obligations, Observed, Violation};
use crate::rng::Rng;
use crate::scenario::{CheckKind, Feature};
use crate::target::TargetError;
use crate::trace::TracePosition;
use crate::workload::Taken;

/// What restoring copies showed, if nothing was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    /// There was nothing to restore, or it was refused as it may be.
    Nothing,
    /// Rows that may be there.
    Rows,
    /// Rows of which nobody knows whether they may be there.
    Undecided,
}

/// A backup or restore point, and what was asked of the database in the life in which it was taken.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) taken: Rc<Taken>,
    pub(super) history: Rc<History>,
    /// Whether it was done before the crash.
    pub(super) is_owed: bool,
    /// The last moment at which it can have been taken.
    until: TracePosition,
}

impl Kept {
    /// What a crash at `at` leaves of one that was taken in the life before it; nothing if it had not been asked for.
    pub(super) fn at(taken: &Rc<Taken>, history: &Rc<History>, at: TracePosition) -> Option<Self> {
        let is_owed = taken.to.is_some_and(|to| to <= at);
        let was_asked_for = taken.from <= at && (is_owed || taken.point.is_none());
        was_asked_for.then(|| Self {
            taken: Rc::clone(taken),
            history: Rc::clone(history),
            is_owed,
            until: taken.to.filter(|_| is_owed).unwrap_or(at),
        })
    }

    fn obligations(&self) -> Obligations {
        Obligations::of_copy(&self.history, self.taken.from, self.until)
    }

    /// Restores it on another disk. Nothing if something was wrong.
    fn check(&self, trial: &mut Trial<'_>, tables: &[String]) -> Option<Seen> {
        let restored = trial.restored(&self.taken, tables)?;
        let verdict = self.judge(restored);
        verdict
            .map_err(|violation| trial.violations.push(violation))
            .ok()
    }

    /// Whether what restoring it came to is right.
    pub(super) fn judge(&self, restored: Result<Observed, TargetError>) -> Result<Seen, Violation> {
        let name = self.taken.text();
        let violation = |shape: &str, expected: &str, actual: String| {
            let expected = format!("{name}: {expected}");
            Violation::new(CheckKind::Backup, shape, expected, actual)
        };
        let observed = match restored {
            Ok(observed) => observed,
            Err(_) if !self.is_owed => return Ok(Seen::Nothing),
            Err(error) => {
                let shape = format!("cannot-restore/{}", super::evidence::shape_of(&error.text));
                let expected = "what was done before the crash can be restored";
                return Err(violation(&shape, expected, error.to_string()));
            }
        };
        let first = match self.obligations().judge(&self.history, &observed) {
            Judgement::Legal => return Ok(Seen::Rows),
            Judgement::Undecided => return Ok(Seen::Undecided),
            Judgement::Illegal(violations) => violations.into_iter().next(),
        };
        let first = first.map_or_else(String::new, |first| {
            format!("{}: {}", first.expected, first.actual)
        });
        let actual = format!("{} rows that are not those; {first}", observed.len());
        let expected = "the rows of the moment at which it was taken";
        Err(violation("restored-to-another-state", expected, actual))
    }
}

/// Restores what is [`chosen`].
pub(super) fn check(
    kept: &[Kept],
    trial: &mut Trial<'_>,
    tables: &[String],
    rng: &Rng,
) -> Option<Seen> {
    let mut seen = Seen::Nothing;
    for kept in chosen(kept, rng) {
        let one = kept.check(trial, tables)?;
        if one == Seen::Rows {
            *trial.features.entry(Feature::Restores).or_default() += 1;
        }
        seen = seen.max(one);
    }
    Some(seen)
}

/// What was being taken, the newest that was done, and one of the others.
pub(super) fn chosen<'k>(kept: &'k [Kept], rng: &Rng) -> Vec<&'k Kept> {
    let mut rng = rng.split("restored", 0);
    let (mut owed, mut chosen): (Vec<_>, Vec<_>) = kept.iter().partition(|kept| kept.is_owed);
    chosen.extend(owed.pop());
    chosen.extend(rng.pick(&owed).copied());
    chosen
}

/// What tells the backups of two crashes apart, if they are not the same.
pub(super) fn digest(kept: &[Kept]) -> u128 {
    let mut hasher = Xxh3::new();
    for one in kept {
        hasher.update(one.taken.text().as_bytes());
        hasher.update(&[u8::from(one.is_owed)]);
        let state = one.obligations().digest(&one.history);
        hasher.update(&state.to_le_bytes());
    }
    hasher.digest128()
}
