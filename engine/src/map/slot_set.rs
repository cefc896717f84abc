//! A set of slots, one bit each; as large as its largest member needs.

use crate::ids::Slot;

/// A set of slots. Slot 0 is no slot and never a member.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotSet {
    words: Vec<u64>,
    len: u32,
}

const fn place(slot: Slot) -> (usize, u64) {
    ((slot.0 / 64) as usize, 1 << (slot.0 % 64))
}

impl SlotSet {
    /// The set without a member.
    pub(super) const EMPTY: Self = Self {
        words: Vec::new(),
        len: 0,
    };

    /// Members.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a slot; `false` if it was there, or is slot 0.
    pub(super) fn insert(&mut self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        if slot.get() == 0 || self.contains(slot) {
            return false;
        }
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
            self.len += 1;
        }
        true
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        if let Some(word) = self.words.get_mut(word).filter(|word| **word & bit != 0) {
            *word &= !bit;
            self.len -= 1;
        }
    }

    /// The lowest slot from `from` on that is not a member; `None` past the last slot there can be.
    pub(super) fn next_absent(&self, from: Slot) -> Option<Slot> {
        let from = from.get().max(1);
        let (first, bit) = place(Slot(from));
        let mut below = bit - 1;
        for index in first..self.words.len() {
            let absent = !(self.word(index) | below);
            if absent != 0 {
                return slot_at(index, absent.trailing_zeros());
            }
            below = 0;
        }
        let end = self.words.len().saturating_mul(64);
        u32::try_from(end).ok().map(|end| Slot(end.max(from)))
    }

    /// The highest member.
    pub(super) fn last(&self) -> Option<Slot> {
        let index = self.words.iter().rposition(|&word| word != 0)?;
        slot_at(index, self.word(index).ilog2())
    }

    /// How many words there are: past them no slot is a member.
    pub(super) const fn words(&self) -> usize {
        self.words.len()
    }

    /// 64 members' bits, zero past the end.
    pub(super) fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// Adds the 64 slots' bits of a bitmap.
    pub(super) fn add_word(&mut self, index: usize, bits: u64) {
        if bits == 0 {
            return;
        }
        if self.words.len() <= index {
            self.words.resize(index + 1, 0);
        }
        if let Some(word) = self.words.get_mut(index) {
            self.len += (bits & !*word).count_ones();
            *word |= bits;
        }
    }

    /// The lowest slot that is in exactly one of the two.
    pub(super) fn first_difference(&self, other: &Self) -> Option<Slot> {
        let words = self.words.len().max(other.words.len());
        let index = (0..words).find(|&index| self.word(index) != other.word(index))?;
        slot_at(
            index,
            (self.word(index) ^ other.word(index)).trailing_zeros(),
        )
    }

    /// The members, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let all = self.words.iter().enumerate();
        all.filter(|(_, word)| **word != 0)
            .flat_map(|(index, &word)| {
                let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
                bits.filter_map(move |bit| slot_at(index, bit))
            })
    }
}

fn slot_at(word: usize, bit: u32) -> Option<Slot> {
    let first = u32::try_from(word.saturating_mul(64)).ok()?;
    first.checked_add(bit).map(Slot)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_behaves_as_a_sorted_set(steps in prop::collection::vec((0_u32..200, any::<bool>()), 0..300)) {
            let (mut set, mut model) = (SlotSet::default(), BTreeSet::new());
            for (slot, adds) in steps {
                if adds {
                    prop_assert_eq!(set.insert(Slot(slot)), slot > 0 && model.insert(slot));
                } else {
                    set.remove(Slot(slot));
                    model.remove(&slot);
                }
                let absent = (slot.max(1)..=201).find(|slot| !model.contains(slot)).map(Slot);
                prop_assert_eq!(set.next_absent(Slot(slot)), absent);
            }
            prop_assert_eq!(set.len() as usize, model.len());
            prop_assert_eq!(set.last(), model.last().copied().map(Slot));
            prop_assert_eq!(set.iter().map(Slot::get).collect::<BTreeSet<_>>(), model);
        }
    }
}
