//! Violations of calls that did not return as they should, and findings made of violations.

use super::caught::PanicNote;
use super::timeline;
use crate::batch::{CaseId, Finding};
use crate::oracle::Violation;
use crate::scenario::CheckKind;
use crate::target::{Breakdown, BreakdownKind, TargetError};
use crate::trace::{DiskState, Trace, TracePosition};

const SHAPE_LEN_MAX: usize = 80;

/// A panic.
pub(super) fn no_panic(call: &str, note: &PanicNote) -> Violation {
    Violation::new(
        CheckKind::NoPanic,
        format!("{call}/{}", note.location),
        format!("{call} returns"),
        format!("it panics at {}: {}", note.location, note.message),
    )
}

/// A call that used up the budget.
pub(super) fn no_hang(call: &str, calls: u64) -> Violation {
    Violation::new(
        CheckKind::NoHang,
        call,
        format!("{call} returns within its budget of disk operations"),
        format!("{calls} operations, and no end"),
    )
}

/// What took longer than the disk's slowness excuses.
pub(super) fn too_late(late: &str) -> Violation {
    let expected = "commits and openings end within their time, however slow the disk is";
    Violation::new(CheckKind::NoHang, "late", expected, late)
}

/// A target's own process that is of no more use.
pub(super) fn broke_down(call: &str, breakdown: &Breakdown) -> Violation {
    let (check, expected) = match breakdown.how {
        BreakdownKind::Died => (CheckKind::NoPanic, "the driver answers, and goes on"),
        BreakdownKind::Hung => (CheckKind::NoHang, "the driver answers"),
        BreakdownKind::Babbled => (CheckKind::NoPanic, "an answer as the protocol has it"),
    };
    let shape = format!("{call}/{}", shape_of(&breakdown.text));
    let said = match breakdown.said.as_str() {
        "" => String::new(),
        said => format!("; its standard error ends: {said}"),
    };
    Violation::new(check, shape, expected, format!("{}{said}", breakdown.text))
}

/// How a state ended in which this is wrong.
pub(super) fn outcome_of(violations: &[Violation]) -> &'static str {
    let is = |check: CheckKind| violations.iter().any(|one| one.check == check);
    match violations.first() {
        None => "survived",
        Some(_) if is(CheckKind::NoHang) => "hung",
        Some(_) if is(CheckKind::NoPanic) => "panicked",
        Some(first) if first.shape.starts_with("cannot-open") => "cannot-open",
        Some(_) => "wrong",
    }
}

/// Threads that wait for each other, or never end.
pub(super) fn no_end(hang: &str) -> Violation {
    let expected = "the threads go on, and come to an end";
    Violation::new(CheckKind::NoHang, "threads", expected, hang)
}

/// A thread that panicked outside of any call.
pub(super) fn thread_panicked(text: &str) -> Violation {
    let shape = format!("thread/{}", shape_of(text));
    Violation::new(CheckKind::NoPanic, shape, "the thread ends by itself", text)
}

/// A call that failed though nothing was broken.
pub(super) fn refused(check: CheckKind, shape: &str, error: &TargetError) -> Violation {
    Violation::new(
        check,
        format!("{shape}/{}/{}", error.kind, shape_of(&error.text)),
        "success: nothing is broken but what the crash took",
        error.to_string(),
    )
}

/// A text without its accidental numbers, decimal or hexadecimal.
pub(super) fn shape_of(text: &str) -> String {
    let mut shape = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let number = number_len(rest);
        if number > 0 {
            shape.push('#');
            rest = &rest[number..];
        } else {
            shape.push(c);
            rest = &rest[c.len_utf8()..];
        }
        if shape.len() >= SHAPE_LEN_MAX {
            break;
        }
    }
    shape
}

/// The length of the number that a text starts with.
fn number_len(text: &str) -> usize {
    let (start, is_digit): (_, fn(&char) -> bool) = match text.strip_prefix("0x") {
        Some(_) => (2, char::is_ascii_hexdigit),
        None => (0, char::is_ascii_digit),
    };
    let digits = text[start..].chars().take_while(is_digit).count();
    if digits == 0 { 0 } else { start + digits }
}

/// A state that fails.
pub(super) struct Failed<'a> {
    pub(super) case: &'a CaseId,
    /// The boot that was cut, from 0.
    pub(super) generation: usize,
    pub(super) at: TracePosition,
    pub(super) trace: &'a Trace,
    /// Before the crash.
    pub(super) before: &'a DiskState,
    /// After it.
    pub(super) after: &'a DiskState,
    /// Whether it took media worse than POSIX has them to get there.
    pub(super) spoilt: bool,
    /// Whether `posix` allows what no journaling file system leaves.
    pub(super) unordered: bool,
}

impl Failed<'_> {
    /// The finding about one broken invariant. The timeline is left out where enough like it were shown.
    pub(super) fn finding(&self, violation: Violation, with_timeline: bool) -> Finding {
        let timeline = if with_timeline {
            timeline::of(self.trace, self.at, self.before, self.after)
        } else {
            Vec::new()
        };
        Finding {
            timeline,
            crash_point: self.at.0.saturating_sub(1),
            generation: u32::try_from(self.generation + 1).unwrap_or(u32::MAX),
            assumptions: self.assumptions(),
            ..finding(self.case, violation)
        }
    }

    /// What storage must lack for the state to be possible.
    fn assumptions(&self) -> Vec<String> {
        let whole = "sectors that are written whole, and zeroes where a file grew (model media)";
        let order = "a journal that keeps names and lengths in order (POSIX asks for none; ext4 and xfs have one)";
        let lacking = [(self.spoilt, whole), (self.unordered, order)];
        let lacking = lacking.into_iter().filter(|(lacks, _)| *lacks);
        lacking.map(|(_, what)| what.to_owned()).collect()
    }
}

/// A finding without a crash.
pub(super) fn finding(case: &CaseId, violation: Violation) -> Finding {
    let fingerprint = violation.fingerprint();
    Finding {
        check: violation.check,
        title: violation.shape.clone(),
        fingerprint,
        case: case.clone(),
        crash_point: 0,
        generation: 1,
        expected: violation.expected,
        actual: violation.actual,
        timeline: Vec::new(),
        assumptions: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_no_numbers() {
        assert_eq!(
            shape_of("damage at 4096 in wal/000001"),
            "damage at # in wal/#"
        );
    }
}
