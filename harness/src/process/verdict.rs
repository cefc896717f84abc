//! What a life showed, held against what the lives before it owe, and what it leaves to the next one.

use super::child::PANICKED;
use super::host::{Ended, Way};
use super::job::End;
use super::journal::{Entry, Failure, Life};
use super::plan::Ordeal;
use crate::oracle::{CrashKinds, History, Judgement, Obligations, Violation};
use crate::scenario::{CheckKind, ResourceKind};
use crate::target::{CrashKind, Promises};
use crate::trace::TracePosition;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;

/// What is owed to the next life.
#[derive(Debug, Default)]
pub(super) struct Owed {
    ground: Option<Ground>,
    /// Whether the target ever said that the database is there.
    pub(super) exists: bool,
}

#[derive(Debug)]
struct Ground {
    history: History,
    at: TracePosition,
    kinds: CrashKinds,
}

/// What a life came to.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) violations: Vec<Violation>,
    /// Whether what was to befall it did.
    pub(super) fired: bool,
    /// Checks that had something to look at.
    pub(super) seen: Vec<CheckKind>,
    /// Why there is no verdict, if there is none.
    pub(super) undecided: Option<&'static str>,
}

impl Owed {
    /// Transactions so far have lower sequence numbers.
    pub(super) fn next_sequence(&self) -> u32 {
        self.ground
            .as_ref()
            .map_or(1, |ground| ground.history.next_sequence().max(1))
    }

    /// Judges a life, and goes on to what is owed after it.
    pub(super) fn take(&mut self, ended: &Ended, promises: &Promises, ordeal: &Ordeal) -> Verdict {
        let mut verdict = Verdict {
            seen: vec![CheckKind::NoPanic, CheckKind::NoHang],
            ..Verdict::default()
        };
        verdict.judge_way(ended, ordeal);
        verdict.judge_calls(&ended.life, ordeal);
        verdict.judge_entries(&ended.life);
        if let Some(rival) = &ended.rival {
            verdict.judge_rival(&ended.life, rival);
        }
        // What was lost with the file system's journal is lost as in a power cut.
        let kind = if ordeal.is_short_of(ResourceKind::ReadOnly) {
            CrashKind::Power
        } else {
            CrashKind::Process
        };
        self.judge_rows(&mut verdict, &ended.life, promises);
        self.go_on(&ended.life, kind);
        verdict
    }

    fn judge_rows(&self, verdict: &mut Verdict, life: &Life, promises: &Promises) {
        let (Some(ground), Some(observed)) = (&self.ground, life.rows()) else {
            return;
        };
        verdict.seen.push(CheckKind::NoGarbage);
        if !ground.history.transactions().is_empty() || !ground.history.base().is_empty() {
            verdict.seen.extend([
                CheckKind::Durability,
                CheckKind::Atomicity,
                CheckKind::PrefixOrder,
            ]);
        }
        let obligations = Obligations::new(&ground.history, promises, ground.at, ground.kinds);
        match obligations.judge(&ground.history, &observed) {
            Judgement::Legal => {}
            Judgement::Illegal(violations) => verdict.violations.extend(violations),
            Judgement::Undecided => {
                verdict.undecided =
                    Some("overlapping transactions have more orders than are tried");
            }
        }
    }

    fn go_on(&mut self, life: &Life, kind: CrashKind) {
        self.exists |= life.is_open();
        let before = self.ground.take();
        self.ground = match (life.rows(), before) {
            // What was seen is fixed.
            (Some(observed), before) => {
                let first = before.map_or(1, |before| before.history.next_sequence().max(1));
                Some(Ground {
                    history: life.history(History::continued(observed.to_map(), first)),
                    at: life.end(),
                    kinds: CrashKinds::one(kind),
                })
            }
            (None, Some(before)) => Some(Ground {
                kinds: before.kinds.and(kind),
                ..before
            }),
            (None, None) => {
                let mut history = History::new();
                history.opened(TracePosition(0));
                Some(Ground {
                    history,
                    at: TracePosition(1),
                    kinds: CrashKinds::one(kind),
                })
            }
        };
    }
}

impl Verdict {
    fn accuse(&mut self, check: CheckKind, shape: &str, expected: &str, actual: &str) {
        self.violations
            .push(Violation::new(check, shape, expected, actual));
    }

    /// How the process ended.
    fn judge_way(&mut self, ended: &Ended, ordeal: &Ordeal) {
        let lives_on = matches!(ordeal.end, End::Close | End::Leave | End::PausesAt(_));
        let lacks_memory = ordeal.is_short_of(ResourceKind::AddressSpace);
        let has_failed = ended.life.failures().any(|(_, _, is_lifted)| !is_lifted);
        self.fired = ordeal.limit.is_some() && (has_failed || ended.life.fired() > 0);
        if matches!(ordeal.end, End::PausesAt(_)) {
            // Else it came to its end before.
            self.fired = ended.rival.is_some();
        }
        match ended.way {
            Way::Exit(0) => {}
            Way::Signal(SIGKILL) if !lives_on || ordeal.is_short_of(ResourceKind::CgroupMemory) => {
                self.fired = true;
            }
            Way::Signal(SIGABRT) if ordeal.is_short_of(ResourceKind::Allocation) => {
                self.fired = true;
            }
            // A stack that cannot grow ends a process by a signal of its own.
            Way::Signal(SIGABRT | SIGSEGV) if lacks_memory => self.fired = true,
            Way::Exit(PANICKED) | Way::Signal(_) => {
                let actual = format!("{:?}: {}", ended.way, ended.printed.trim());
                let expected = "the process does not break down";
                self.accuse(CheckKind::NoPanic, "process", expected, &actual);
            }
            Way::Exit(_) => self.undecided = Some("the process could not be set up"),
            Way::Stuck => self.undecided = Some("the process did not come to its end in time"),
        }
    }

    /// Calls may fail while something lacks; with nothing lacking they succeed.
    fn judge_calls(&mut self, life: &Life, ordeal: &Ordeal) {
        if life.entries.contains(&Entry::Lifted) {
            self.seen.push(CheckKind::Liveness);
        }
        let is_starved = ordeal.is_short_of(ResourceKind::Processor);
        for (call, failure, is_lifted) in life.failures() {
            let Failure { kind, text, .. } = failure;
            let shape = format!("{call}/{kind}");
            if ordeal.limit.is_none() || is_starved {
                let expected = "success: nothing is broken";
                self.accuse(CheckKind::Durability, &shape, expected, text);
            } else if is_lifted {
                let expected = "success: what the process lacked is there again";
                self.accuse(CheckKind::Liveness, &shape, expected, text);
            }
        }
    }

    fn judge_entries(&mut self, life: &Life) {
        for entry in &life.entries {
            match entry {
                Entry::Verified(problems) => {
                    self.seen.push(CheckKind::Integrity);
                    if let Some(first) = problems.first() {
                        let expected = "the target's own check finds nothing";
                        self.accuse(CheckKind::Integrity, "verify", expected, first);
                    }
                }
                Entry::StillRead => self.seen.push(CheckKind::ReadsGoOn),
                Entry::Wrong {
                    check,
                    shape,
                    expected,
                    actual,
                } => self.accuse(*check, shape, expected, actual),
                _ => {}
            }
        }
    }

    /// While a process that has the database open is stopped, no other may open it.
    fn judge_rival(&mut self, life: &Life, rival: &Life) {
        if life.is_open() && rival.is_open() {
            let expected = "it is locked by a process that is stopped";
            self.accuse(
                CheckKind::Integrity,
                "two-processes",
                expected,
                "it is open twice",
            );
        }
    }
}
