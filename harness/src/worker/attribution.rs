//! What a worker's death says about the case that it was at.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::batch::{CaseId, Finding};
use crate::scenario::CheckKind;

/// Names what happens before the first case of a batch: the workload itself.
pub const BEFORE_ANY_CASE: &str = "workload";

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) signal: Option<i32>,
    how: String,
    printed: String,
}

impl Death {
    pub(super) fn new(status: ExitStatus, printed: String) -> Self {
        let signal = status.signal();
        let how = match signal {
            Some(signal) => format!("signal {signal}{}", signal_name(signal)),
            None => format!("exit code {}", status.code().unwrap_or_default()),
        };
        Self {
            signal,
            how,
            printed,
        }
    }

    /// Whether the process was interrupted from the keyboard, as the parent was.
    pub(super) fn is_interrupt(&self) -> bool {
        self.signal == Some(2)
    }

    /// Whether something outside, such as the system short of memory, may have ended the process.
    pub(super) fn may_come_from_outside(&self) -> bool {
        matches!(self.signal, Some(9 | 15))
    }

    pub(super) fn describe(&self) -> String {
        match self.printed.lines().next_back() {
            Some(line) => format!("the process ended with {}: {line}", self.how),
            None => format!("the process ended with {}", self.how),
        }
    }

    pub(super) fn finding(&self, case: CaseId) -> Finding {
        let last_line = self.printed.lines().next_back().unwrap_or_default();
        Finding {
            check: CheckKind::NoPanic,
            fingerprint: format!("no-panic: {}: {}", self.how, without_numbers(last_line)),
            case,
            title: format!("the process ended with {}", self.how),
            crash_point: 0,
            generation: 1,
            expected: "every call returns, with an error where it must".to_owned(),
            actual: if self.printed.is_empty() {
                self.describe()
            } else {
                self.printed.clone()
            },
            timeline: Vec::new(),
            assumptions: Vec::new(),
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

/// Replaces each run of digits, so that equal causes have equal fingerprints.
fn without_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match (c.is_ascii_digit(), plain.ends_with('#')) {
            (true, true) => {}
            (true, false) => plain.push('#'),
            (false, _) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_that_differ_in_numbers_only_have_one_fingerprint() {
        let death = |printed: &str| {
            Death::new(ExitStatus::from_raw(6), printed.to_owned()).finding(CaseId("p1.s0".into()))
        };
        let (one, two) = (
            death("allocation of 800 bytes"),
            death("allocation of 16 bytes"),
        );
        assert_eq!(one.fingerprint, two.fingerprint);
        assert_eq!(
            one.fingerprint,
            "no-panic: signal 6 (SIGABRT): allocation of # bytes"
        );
        assert_ne!(one.fingerprint, death("stack overflow").fingerprint);
    }
}
