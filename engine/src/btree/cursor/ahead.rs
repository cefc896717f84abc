//! How far to read ahead of a scan. It knows no pages.

/// Leaves that one read-ahead asks for, at most.
const AHEAD_MAX: u8 = 32;

/// How far to read ahead: not at all after a first miss, and twice as far each time that what was read ahead is used up
/// and the next leaf is missing too.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Leaves that were asked for at the last miss.
    count: u8,
    /// Those of them that were not reached yet.
    left: u8,
}

impl Ahead {
    /// The next leaf is not in memory. How many to ask for, it among them.
    pub(super) fn miss(&mut self) -> usize {
        // What was read ahead and is gone already was too much.
        let is_too_far = self.left > 0;
        self.count = if is_too_far {
            1
        } else {
            self.count.saturating_mul(2).clamp(1, AHEAD_MAX)
        };
        self.left = self.count.saturating_sub(1);
        usize::from(self.count)
    }

    /// The next leaf is in memory.
    #[inline]
    pub(super) fn hit(&mut self) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.count = 0,
        }
    }
}
