//! Whether the leader of a commit group waits for more members.
//!
//! Clients that commit one transaction after the other come back soon after their group is acknowledged. A leader that waits
//! for them spares a sync: without it they split into two groups that take turns. Clients that come when they like gain
//! nothing, so waits that fail become rare, and only a run of waits that succeed makes them frequent again.
//!
//! It waits for as many as the last group had, and for those who came while that was being written: all of them are there
//! already if the leader was among them, and none if it was the first to come. The wait holds no lock that anybody who comes needs.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::sync::{now, takes_part, yield_now};

/// After a wait that failed no more than so many groups are written without one.
const PAUSE_MAX: u32 = 256;
/// So many waits in a row that succeed halve the pause after the next one that fails.
const STREAK: u32 = 4;

/// What the last groups teach.
#[derive(Debug)]
pub struct GroupSize {
    patience: Duration,
    last: usize,
    /// Groups to be written without a wait.
    pause: u32,
    /// Groups that were, after the last wait that failed.
    penalty: u32,
    streak: u32,
}

impl GroupSize {
    /// A leader waits no longer than `patience` (`Options::group_wait`).
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            last: 0,
            pause: 0,
            penalty: 0,
            streak: 0,
        }
    }

    /// Waits, if that is worth it, until `gathered` has grown. `has_waited` says that the leader came while the last group
    /// was being written.
    pub fn gather(&mut self, gathered: &AtomicUsize, has_waited: bool) {
        let here = gathered.load(Relaxed);
        let more = if has_waited { here } else { 0 };
        let target = self.last.saturating_add(more);
        // Whoever decides which thread runs decides this too: there a wait has no end.
        if target <= here || self.patience.is_zero() || takes_part() {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        let began = now();
        while gathered.load(Relaxed) < target {
            if began.until(now()) >= self.patience {
                self.has_failed();
                return;
            }
            yield_now();
        }
        self.has_succeeded();
    }

    /// Notes how large a group has become.
    pub fn note(&mut self, members: usize) {
        self.last = members;
    }

    fn has_failed(&mut self) {
        self.streak = 0;
        self.penalty = self.penalty.saturating_mul(2).clamp(1, PAUSE_MAX);
        self.pause = self.penalty;
    }

    fn has_succeeded(&mut self) {
        self.streak = self.streak.saturating_add(1);
        if self.streak >= STREAK {
            self.streak = 0;
            self.penalty /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the next `groups` waits are tried, if none of them succeeds.
    fn tries(size: &mut GroupSize, groups: u32) -> u32 {
        let alone = AtomicUsize::new(1);
        let mut tried = 0;
        for _ in 0..groups {
            let before = size.pause;
            size.gather(&alone, false);
            tried += u32::from(before == 0);
        }
        tried
    }

    #[test]
    fn without_patience_nobody_waits_and_nothing_is_learnt() {
        let mut size = GroupSize::new(Duration::ZERO);
        size.note(2);
        assert_eq!(tries(&mut size, 10), 10);
        assert_eq!((size.streak, size.penalty), (0, 0));
    }

    #[test]
    fn who_was_alone_last_time_waits_for_nobody() {
        let mut size = GroupSize::new(Duration::from_micros(100));
        size.note(1);
        size.gather(&AtomicUsize::new(1), false);
        assert_eq!((size.streak, size.penalty), (0, 0));
    }

    #[test]
    fn waits_that_fail_become_rare() {
        let mut size = GroupSize::new(Duration::from_micros(100));
        size.note(2);
        assert!(tries(&mut size, 1000) <= 12);
        assert!(tries(&mut size, 1000) <= 4);
    }

    #[test]
    fn a_run_of_waits_that_succeed_makes_them_frequent_again() {
        let mut size = GroupSize::new(Duration::from_micros(100));
        size.note(2);
        tries(&mut size, 1000);
        for _ in 0..40 {
            size.has_succeeded();
        }
        assert_eq!(size.penalty, 0);
    }

    #[test]
    fn a_group_that_is_complete_is_not_waited_for() {
        let mut size = GroupSize::new(Duration::from_micros(100));
        size.note(3);
        size.gather(&AtomicUsize::new(3), false);
        assert_eq!((size.penalty, size.pause), (0, 0));
    }
}
