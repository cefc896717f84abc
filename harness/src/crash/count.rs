//! How many legal states a crash point has under `posix`.
//!
//! Files that survive multiply, choices of names and of a size add up. Two choices that give the same names and sizes and
//! the same bytes in each sector are one. With more than `NAME_CHANGES_MAX` pending changes of names the count is an
//! upper bound: every subset of them, with all files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::trace::{DiskState, Entry, FileState, InodeId, LostCuts, Name, Order};

/// Above this many pending changes of names their legal subsets are not enumerated.
const NAME_CHANGES_MAX: usize = 8;

/// A number of states.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StateCount {
    /// The number, or `u128::MAX` if that is too small for it.
    pub states: u128,
    /// Its binary logarithm, whatever its size.
    pub log2: f64,
    /// Whether it is the number, or an upper bound of it.
    pub exact: bool,
}

impl StateCount {
    const NONE: Self = Self {
        states: 0,
        log2: f64::NEG_INFINITY,
        exact: true,
    };
    const ONE: Self = Self {
        states: 1,
        log2: 0.0,
        exact: true,
    };

    fn of(count: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a logarithm of a small number")]
        let log2 = (count as f64).log2();
        Self {
            states: count as u128,
            log2,
            exact: true,
        }
    }

    fn times(self, other: Self) -> Self {
        Self {
            states: self.states.saturating_mul(other.states),
            log2: self.log2 + other.log2,
            exact: self.exact && other.exact,
        }
    }

    fn plus(self, other: Self) -> Self {
        let (low, high) = (self.log2.min(other.log2), self.log2.max(other.log2));
        let log2 = if low == f64::NEG_INFINITY {
            high
        } else {
            high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2
        };
        let states = self.states.saturating_add(other.states);
        Self {
            states,
            log2,
            exact: self.exact && other.exact,
        }
    }
}

/// The number of legal states of a power cut under `posix`.
pub fn choices_count(state: &DiskState) -> StateCount {
    let changes = state.names().pending().len();
    if changes > NAME_CHANGES_MAX {
        let files = state.files().map(|(_, file)| of_file(file));
        let subsets = (0..changes).fold(StateCount::ONE, |all, _| all.times(StateCount::of(2)));
        return StateCount {
            exact: false,
            ..files.fold(subsets, StateCount::times)
        };
    }
    names(state)
        .iter()
        .map(|files| of_files(state, files))
        .fold(StateCount::NONE, StateCount::plus)
}

/// The names that may survive, each choice once, with what they stand for.
fn names(state: &DiskState) -> BTreeSet<Vec<(Name, Option<InodeId>)>> {
    let choices = 0..1_u32 << state.names().pending().len();
    choices
        .map(|choice| {
            let mut bits = choice;
            let survivor = state.names().survivor(|_| {
                let keeps = bits & 1 == 1;
                bits >>= 1;
                keeps
            });
            let entries = survivor.iter().map(|(name, entry)| match entry {
                Entry::File(inode) => (Arc::clone(name), Some(inode)),
                Entry::Directory => (Arc::clone(name), None),
            });
            entries.collect()
        })
        .collect()
}

fn of_files(state: &DiskState, files: &[(Name, Option<InodeId>)]) -> StateCount {
    let counts = files
        .iter()
        .filter_map(|(_, inode)| Some(of_file(state.file((*inode)?)?)));
    counts.fold(StateCount::ONE, StateCount::times)
}

fn of_file(file: &FileState) -> StateCount {
    // Of several operations that gave one length the last allows all that the others do.
    let lens: BTreeMap<u64, Order> = file.sizes().map(|size| (size.len, size.order)).collect();
    lens.iter()
        .map(|(&len, &order)| of_len(file, len, &file.cuts_after(order)))
        .fold(StateCount::NONE, StateCount::plus)
}

fn of_len(file: &FileState, len: u64, cuts: &LostCuts) -> StateCount {
    let counts = file.pending_sectors().map(|(offset, versions)| {
        let kept = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
        StateCount::of(
            versions
                .without(|order| cuts.took(offset, order))
                .distinct(kept),
        )
    });
    counts.fold(StateCount::ONE, StateCount::times)
}
