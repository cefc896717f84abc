//! How many free segments are worth their space.
//!
//! A file costs milliseconds of the disk to be made and as much to be removed, which commits feel: their syncs wait for it. So the log
//! keeps what it took between two of the last checkpoints, and not only between the last two.

/// So many checkpoints are remembered.
const REMEMBERED: usize = 8;

/// How many segments were asked for until each of the last checkpoints was done: those in use, and one made ahead of its use.
#[derive(Debug, Default)]
pub(super) struct Demand {
    asked_for: [usize; REMEMBERED],
    next: usize,
    was_ordered: bool,
}

impl Demand {
    /// One is made ahead of its use.
    pub(super) fn note_order(&mut self) {
        self.was_ordered = true;
    }

    /// A checkpoint is done, before which so many were `in_use`.
    pub(super) fn note(&mut self, in_use: usize) {
        let ordered = usize::from(std::mem::take(&mut self.was_ordered));
        if let Some(oldest) = self.asked_for.get_mut(self.next) {
            *oldest = in_use.saturating_add(ordered);
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// So many are kept free: the most that were asked for.
    pub(super) fn segments(&self) -> usize {
        self.asked_for.iter().copied().max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_ahead_is_kept_and_not_made_again_each_time() {
        let mut demand = Demand::default();
        demand.note_order();
        demand.note(3);
        demand.note(3);
        assert_eq!(demand.segments(), 4);
    }

    #[test]
    fn what_was_in_use_counts_for_eight_checkpoints() {
        let mut demand = Demand::default();
        assert_eq!(demand.segments(), 0);
        demand.note(5);
        for _ in 1..REMEMBERED {
            demand.note(2);
            assert_eq!(demand.segments(), 5);
        }
        demand.note(2);
        assert_eq!(demand.segments(), 2);
    }
}
