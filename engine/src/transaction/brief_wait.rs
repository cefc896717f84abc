//! Whether a follower looks for its turn for some microseconds before it parks.
//!
//! A group that nobody syncs is written in a few microseconds: less than it takes to park and be woken. So the first of the next group,
//! who will lead it, waits awake; one thread at a time, and never for a disk. Where that fails, because the leader was
//! itself put aside or waits for something, it becomes rare.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use crate::sync::takes_part;

/// Looks, each some tens of nanoseconds after the other.
const LOOKS: u32 = 400;
/// After a wait that failed no more than so many turns are waited for asleep at once.
const PAUSE_MAX: u32 = 256;

/// What the last waits teach. Threads that meet here lose count, which does no harm.
#[derive(Debug)]
pub struct BriefWait {
    is_single: bool,
    /// Turns to be waited for asleep.
    pause: AtomicU32,
    /// Turns that were, after the last wait that failed.
    penalty: AtomicU32,
}

impl Default for BriefWait {
    fn default() -> Self {
        let processors = std::thread::available_parallelism();
        Self {
            is_single: processors.is_ok_and(|count| count.get() < 2),
            pause: AtomicU32::new(0),
            penalty: AtomicU32::new(0),
        }
    }
}

impl BriefWait {
    /// Waits until it `is_there`, or long enough.
    pub fn wait_for(&self, is_there: impl Fn() -> bool) {
        // Whoever decides which thread runs decides this too.
        if self.is_single || takes_part() {
            return;
        }
        let pause = self.pause.load(Relaxed);
        if pause > 0 {
            self.pause.store(pause - 1, Relaxed);
            return;
        }
        for _ in 0..LOOKS {
            if is_there() {
                self.penalty.store(0, Relaxed);
                return;
            }
            std::hint::spin_loop();
        }
        let penalty = self.penalty.load(Relaxed).saturating_mul(2);
        let penalty = penalty.clamp(1, PAUSE_MAX);
        self.penalty.store(penalty, Relaxed);
        self.pause.store(penalty, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn waits_that_fail_become_rare_and_one_that_succeeds_makes_them_frequent() {
        let brief = BriefWait {
            is_single: false,
            ..BriefWait::default()
        };
        let tries = |turns: u32, comes_after: u32| {
            let mut tried = 0;
            for _ in 0..turns {
                let looks = Cell::new(0);
                brief.wait_for(|| {
                    looks.set(looks.get() + 1);
                    looks.get() > comes_after
                });
                tried += u32::from(looks.get() > 0);
            }
            tried
        };
        assert_eq!(tries(10, 3), 10);
        assert!(tries(1000, u32::MAX) < 20);
        // At most the longest pause later.
        assert!(tries(2 * PAUSE_MAX, 3) >= PAUSE_MAX);
        assert_eq!(tries(10, 3), 10);
    }
}
