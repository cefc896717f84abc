//! Slots that old snapshots still read, one by one, and those of whole checkpoints that are being copied: freed or not,
//! they are not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::slot_set::SlotSet;
use crate::ids::Slot;
use crate::sync::{Mutex, MutexGuard, lock};

/// How often each slot is pinned. `counts` is locked before `checkpoints`.
#[derive(Debug, Default)]
pub(super) struct Pins {
    counts: Mutex<BTreeMap<Slot, u32>>,
    checkpoints: Mutex<Vec<Arc<SlotSet>>>,
}

impl Pins {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<Slot, u32>> {
        // The map is whole between any two calls on it.
        lock(&self.counts)
    }

    pub(super) fn pin(&self, slot: Slot) {
        let mut counts = self.counts();
        let count = counts.entry(slot).or_insert(0);
        *count = count.saturating_add(1);
    }

    pub(super) fn unpin(&self, slot: Slot) {
        let mut counts = self.counts();
        let Some(count) = counts.get_mut(&slot) else {
            debug_assert!(false, "slot {slot} is not pinned");
            return;
        };
        *count -= 1;
        if *count == 0 {
            counts.remove(&slot);
        }
    }

    /// Pins all slots of a set.
    pub(super) fn pin_all(&self, slots: &Arc<SlotSet>) {
        lock(&self.checkpoints).push(Arc::clone(slots));
    }

    /// Takes that pin off again.
    pub(super) fn unpin_all(&self, slots: &Arc<SlotSet>) {
        lock(&self.checkpoints).retain(|pinned| !Arc::ptr_eq(pinned, slots));
    }

    pub(super) fn contains(&self, slot: Slot) -> bool {
        let is_in_one = || {
            lock(&self.checkpoints)
                .iter()
                .any(|slots| slots.contains(slot))
        };
        self.counts().contains_key(&slot) || is_in_one()
    }

    pub(super) fn last(&self) -> Option<Slot> {
        let single = self.counts().last_key_value().map(|(slot, _)| *slot);
        let checkpoints = lock(&self.checkpoints);
        single.max(checkpoints.iter().filter_map(|slots| slots.last()).max())
    }

    /// No more slots than this are pinned.
    pub(super) fn most(&self) -> u64 {
        let single = self.len() as u64;
        let checkpoints = lock(&self.checkpoints);
        let whole = checkpoints.iter().map(|slots| u64::from(slots.len()));
        whole.fold(single, u64::saturating_add)
    }

    /// How many pinned slots are not in `used`.
    pub(super) fn outside(&self, used: &SlotSet) -> u64 {
        let single = self.counts();
        let checkpoints = lock(&self.checkpoints);
        let is_in_one = |slot: Slot| checkpoints.iter().any(|slots| slots.contains(slot));
        let single = single.keys().copied();
        let single = single.filter(|slot| !used.contains(*slot) && !is_in_one(*slot));
        let words = checkpoints.iter().map(|slots| slots.words()).max();
        let in_word = |index| {
            let pinned = |bits, slots: &Arc<SlotSet>| bits | slots.word(index);
            let pinned = checkpoints.iter().fold(0, pinned);
            u64::from((pinned & !used.word(index)).count_ones())
        };
        let whole = (0..words.unwrap_or(0)).map(in_word);
        whole.fold(single.count() as u64, u64::saturating_add)
    }

    pub(super) fn len(&self) -> usize {
        self.counts().len()
    }
}
