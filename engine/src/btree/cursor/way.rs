//! The way from the root to a leaf: at each node, which child it goes on to.
//!
//! It holds no page. A node on the way is found again by its number, in memory as a rule; that is less than holding it, which
//! every cursor would pay, and most never come back.

use std::cmp::Ordering;

use crate::ids::PageNo;

/// Nodes on a way that need no allocation: enough for hundreds of millions of entries.
const NEAR_MAX: usize = 4;

/// A node on the way, and the child that the way goes on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) no: PageNo,
    pub(super) index: u32,
}

/// The inner nodes above a leaf; the root first.
#[derive(Debug)]
pub(super) struct Way {
    near: [Turn; NEAR_MAX],
    near_len: usize,
    /// Those below the ones in `near`.
    far: Vec<Turn>,
}

impl Way {
    pub(super) const fn new() -> Self {
        let none = Turn {
            no: PageNo(0),
            index: 0,
        };
        Self {
            near: [none; NEAR_MAX],
            near_len: 0,
            far: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, turn: Turn) {
        match self.near.get_mut(self.near_len) {
            Some(place) => {
                *place = turn;
                self.near_len += 1;
            }
            None => self.far.push(turn),
        }
    }

    pub(super) fn pop(&mut self) {
        if self.far.pop().is_none() {
            self.near_len = self.near_len.saturating_sub(1);
        }
    }

    /// The leaf's parent.
    #[inline]
    pub(super) fn last_mut(&mut self) -> Option<&mut Turn> {
        match self.far.last_mut() {
            Some(turn) => Some(turn),
            None => self.near.get_mut(self.near_len.checked_sub(1)?),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.near_len == 0
    }

    /// The order of the two leaves, of one tree.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        self.indexes().cmp(other.indexes())
    }

    fn indexes(&self) -> impl Iterator<Item = u32> {
        let near = self.near.iter().take(self.near_len);
        near.chain(&self.far).map(|turn| turn.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_of_any_length_is_walked_back_as_it_came() {
        let turn = |number: u32| Turn {
            no: PageNo(number),
            index: number * 3,
        };
        let mut way = Way::new();
        for number in 0..10 {
            assert_eq!(way.is_empty(), number == 0);
            way.push(turn(number));
        }
        let mut other = Way::new();
        for number in (0..10).rev() {
            assert_eq!(way.last_mut().copied(), Some(turn(number)));
            way.last_mut().unwrap().index += 1;
            other = Way::new();
            (0..=number).for_each(|number| other.push(turn(number)));
            assert_eq!(way.cmp(&other), Ordering::Greater);
            way.pop();
        }
        assert!(way.last_mut().is_none() && way.is_empty());
        assert_eq!(way.cmp(&other), Ordering::Less);
    }
}
