//! Slots that old snapshots still read: freed or not, they are not written.

use std::collections::BTreeMap;

use crate::ids::Slot;
use crate::sync::{Mutex, MutexGuard, lock};

/// How often each slot is pinned.
#[derive(Debug, Default)]
pub(super) struct Pins {
    counts: Mutex<BTreeMap<Slot, u32>>,
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

    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.counts().contains_key(&slot)
    }

    pub(super) fn last(&self) -> Option<Slot> {
        self.counts().last_key_value().map(|(slot, _)| *slot)
    }

    pub(super) fn len(&self) -> usize {
        self.counts().len()
    }
}
