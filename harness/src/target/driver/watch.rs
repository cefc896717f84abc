//! Telling a process that hangs from one that is slow, on a machine that may be slow itself.
//!
//! A process hangs if none of its threads is running or asks anything of storage for long (one that wakes up to sleep again is not running), or if it takes much of a
//! processor's time over one answer. How long it takes by the clock says nothing.

use std::fs;
use std::time::Duration;

/// How often the process is looked at.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// So many looks in a row at which nothing had happened: a hang. Looks are counted, for we may be the ones who get no time.
const QUIET_LOOKS_MAX: u32 = 80;
/// Ticks from one look to the next of a process that waits.
const TICKS_WHILE_WAITING: u64 = 1;
/// Ticks of a hundredth of a second, by one answer: a hang.
const TICKS_MAX: u64 = 1500;

/// One wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Watch {
    first: Option<Activity>,
    last: Option<Activity>,
    quiet: u32,
}

/// What a process group was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Activity {
    ticks: u64,
    is_running: bool,
    calls: u64,
}

impl Watch {
    /// Looks at a process group, which has made so many calls of its disk. Says what is wrong, if anything is.
    pub(super) fn look(&mut self, group: u32, calls: u64) -> Option<&'static str> {
        let mut now = of_group(group);
        now.calls = calls;
        let first = *self.first.get_or_insert(now);
        let is_quiet = self.last.is_some_and(|last| now.is_quiet_since(last));
        self.quiet = if is_quiet { self.quiet + 1 } else { 0 };
        self.last = Some(now);
        if self.quiet >= QUIET_LOOKS_MAX {
            return Some("all of its threads wait, and nothing happens");
        }
        let spent = now.ticks.saturating_sub(first.ticks);
        (spent >= TICKS_MAX).then_some("it computes without an end")
    }
}

impl Activity {
    /// Whether nothing happened. One that looks at its own state now and then, and sleeps between, waits: that takes hardly any time of a processor.
    fn is_quiet_since(self, last: Self) -> bool {
        let spent = self.ticks.saturating_sub(last.ticks);
        !self.is_running && self.calls == last.calls && spent <= TICKS_WHILE_WAITING
    }
}

fn of_group(group: u32) -> Activity {
    let mut activity = Activity::default();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    for process in processes.filter(|entry| entry.file_name().to_str().is_some_and(is_process)) {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let Some(stat) = Stat::parse(&stat).filter(|stat| stat.group == group) else {
            continue;
        };
        activity.ticks += stat.ticks;
        let threads = fs::read_dir(process.path().join("task"));
        for thread in threads.into_iter().flatten().flatten() {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            activity.is_running |= Stat::parse(&stat).is_some_and(|stat| stat.state == "R");
        }
    }
    activity
}

/// What a line of `/proc/PID/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Stat<'l> {
    state: &'l str,
    group: u32,
    ticks: u64,
}

impl<'l> Stat<'l> {
    /// The name, which comes second, may hold blanks and brackets.
    fn parse(line: &'l str) -> Option<Self> {
        let fields: Vec<_> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
        Some(Self {
            state: fields.first()?,
            group: fields.get(2)?.parse().ok()?,
            ticks: number(11)? + number(12)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_process_is_called() {
        let line = "7 (a b) c) S 1 42 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 5 6 7";
        let (state, group, ticks) = ("S", 42, 42);
        assert_eq!(
            Stat::parse(line),
            Some(Stat {
                state,
                group,
                ticks
            })
        );
        assert_eq!(Stat::parse("7 (a"), None);
    }

    #[test]
    fn a_group_that_does_nothing_for_long_hangs_and_one_that_reads_does_not() {
        let nobody = u32::MAX;
        let mut watch = Watch::default();
        let mut looks = (0..QUIET_LOOKS_MAX * 2).map(|_| watch.look(nobody, 1));
        assert!(looks.any(|look| look.is_some()));
        let mut watch = Watch::default();
        let mut looks = (0..QUIET_LOOKS_MAX * 2).map(|calls| watch.look(nobody, u64::from(calls)));
        assert!(looks.all(|look| look.is_none()));
    }

    #[test]
    fn one_that_wakes_up_to_sleep_again_does_nothing() {
        let last = Activity::default();
        let woken = Activity { ticks: 1, ..last };
        assert!(woken.is_quiet_since(last));
        let works = Activity { ticks: 5, ..last };
        let asks = Activity { calls: 1, ..last };
        assert!(!works.is_quiet_since(last) && !asks.is_quiet_since(last));
    }
}
