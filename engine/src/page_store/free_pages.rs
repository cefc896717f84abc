//! The page numbers that are free, as runs.
//!
//! Invariant: runs are disjoint, not empty, and no two of them touch.

use std::collections::BTreeMap;

use crate::ids::PageNo;

/// A set of free page numbers. The lowest are handed out first, so that a database stays small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreePages {
    runs: BTreeMap<u32, u32>,
}

impl FreePages {
    /// Takes the lowest run of `count` consecutive numbers, if there is one.
    pub fn take(&mut self, count: u32) -> Option<PageNo> {
        let (start, len) = self
            .runs
            .iter()
            .map(|(s, l)| (*s, *l))
            .find(|(_, len)| *len >= count)?;
        self.runs.remove(&start);
        if len > count {
            self.runs.insert(start.saturating_add(count), len - count);
        }
        Some(PageNo(start))
    }

    /// Adds `count` numbers from `first` on. None of them is in the set already.
    pub fn give(&mut self, first: PageNo, count: u32) {
        if count == 0 {
            return;
        }
        let (mut start, mut len) = (first.get(), count);
        let before = self.runs.range(..start).next_back().map(|(s, l)| (*s, *l));
        if let Some((s, l)) = before.filter(|(s, l)| s.saturating_add(*l) == start) {
            self.runs.remove(&s);
            (start, len) = (s, l.saturating_add(len));
        }
        if let Some(l) = self.runs.remove(&start.saturating_add(len)) {
            len = len.saturating_add(l);
        }
        self.runs.insert(start, len);
    }

    /// Takes the run out that reaches up to `end`; where the rest ends then.
    pub fn cut_tail(&mut self, end: PageNo) -> PageNo {
        match self.runs.last_key_value() {
            Some((&start, &len)) if start.saturating_add(len) == end.get() => {
                self.runs.remove(&start);
                PageNo(start)
            }
            _ => end,
        }
    }

    /// How many numbers are free.
    pub fn count(&self) -> u64 {
        self.runs.values().map(|len| u64::from(*len)).sum()
    }

    /// Whether `page` is free.
    pub fn contains(&self, page: PageNo) -> bool {
        let run = self.runs.range(..=page.get()).next_back();
        run.is_some_and(|(start, len)| page.get() - start < *len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_merge_with_both_neighbours() {
        let mut free = FreePages::default();
        free.give(PageNo(1), 2);
        free.give(PageNo(5), 1);
        free.give(PageNo(3), 2);
        assert_eq!(free.runs, BTreeMap::from([(1, 5)]));
        assert_eq!(
            (
                free.count(),
                free.contains(PageNo(5)),
                free.contains(PageNo(6))
            ),
            (5, true, false)
        );
    }

    #[test]
    fn only_the_run_at_the_end_is_cut_off() {
        let mut free = FreePages::default();
        free.give(PageNo(1), 2);
        free.give(PageNo(7), 3);
        assert_eq!(free.cut_tail(PageNo(11)), PageNo(11));
        assert_eq!(free.cut_tail(PageNo(10)), PageNo(7));
        assert_eq!(free.cut_tail(PageNo(7)), PageNo(7));
        assert_eq!(free.runs, BTreeMap::from([(1, 2)]));
        assert_eq!(free.cut_tail(PageNo(3)), PageNo(1));
    }

    #[test]
    fn the_lowest_run_that_fits_is_taken() {
        let mut free = FreePages::default();
        free.give(PageNo(1), 1);
        free.give(PageNo(4), 3);
        assert_eq!(free.take(2), Some(PageNo(4)));
        assert_eq!(free.take(2), None);
        assert_eq!(free.take(1), Some(PageNo(1)));
        assert_eq!(free.take(1), Some(PageNo(6)));
        assert_eq!(free, FreePages::default());
    }
}
