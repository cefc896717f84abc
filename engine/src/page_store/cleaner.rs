//! What is superseded, and what becomes of it.
//!
//! A version is kept while a snapshot sees it: one that is registered between its own version and that of its
//! successor. Others go, also those between an old snapshot and the newest version. A version that must stay waits in
//! a bucket under the newest snapshot that sees it, and is looked at again when that one has ended, so that the work
//! follows what is freed, not what is held.
//!
//! What is due is looked at in parts, so that the commit after a large one, or after a long snapshot, does not pay for all of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::{PageNo, Version};

use super::cache::{Cache, Editing, give_up};
use super::content::Content;
use super::disk_pages::DiskPages;
use super::free_pages::FreePages;
use super::link::ItemRef;
use super::page_table::{Chains, Fate};
use super::snapshots::{Snapshots, Visible};

/// A list of pages that are due, and that has room for more than this, gives it back once it is empty.
const DUE_KEPT: usize = 4096;
/// Pages whose versions are asked for at a time.
const ASKED_FOR: usize = 16;
/// Of so many pages none is asked for: a commit of one has hardly left them.
const FEW: usize = 2;

/// Superseded versions, and page numbers that wait for old snapshots to end.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// Pages to look at, oldest first. The transactions that made the last publication still hold their snapshots.
    due: VecDeque<PageNo>,
    held: BTreeMap<Version, BTreeSet<PageNo>>,
    freed: BTreeMap<PageNo, u32>,
}

impl Cleaner {
    /// A version of `page` was superseded.
    pub(super) fn supersede(&mut self, page: PageNo) {
        self.due.push_back(page);
    }

    /// `count` numbers from `first` on are not used any more.
    pub(super) fn free(&mut self, first: PageNo, count: u32) {
        self.freed.insert(first, count);
        self.due.push_back(first);
    }

    /// The numbers that wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = PageNo> + '_ {
        let runs = self.freed.iter();
        runs.flat_map(|(first, count)| {
            (first.get()..first.get().saturating_add(*count)).map(PageNo)
        })
    }

    /// Frees the versions that no snapshot sees, and the numbers of pages of which no version is left, as far as `at_most` pages
    /// that are due show them. Returns whether there are more.
    pub(super) fn clean(
        &mut self,
        edit: &mut Editing<'_>,
        disk: &DiskPages,
        (visible, at_most): (&Visible, usize),
        free: &mut FreePages,
    ) -> bool {
        let ended: Vec<Version> = self.held.keys().copied().collect();
        for version in ended {
            if !visible.contains(version) {
                self.due
                    .extend(self.held.remove(&version).unwrap_or_default());
            }
        }
        let (mut chains, cache) = edit.parts();
        let count = self.due.len().min(at_most);
        for (at, page) in self.due.iter().take(count).copied().enumerate() {
            if at % ASKED_FOR == 0 && count > FEW {
                let from = |at: usize| {
                    self.due
                        .range(at.min(count)..count)
                        .take(ASKED_FOR)
                        .copied()
                };
                chains.prefetch(from(at.saturating_add(ASKED_FOR)));
                chains.prefetch_older(from(at));
            }
            let held = &mut self.held;
            let is_alone = prune(&mut chains, cache, disk, page, |from, below| {
                let seen_by = visible.newest_within(from, below);
                if let Some(version) = seen_by {
                    held.entry(version).or_default().insert(page);
                }
                seen_by.is_some()
            });
            if is_alone && let Some(count) = self.freed.remove(&page) {
                free.give(page, count);
            }
        }
        self.due.drain(..count);
        if self.due.is_empty() && self.due.capacity() > DUE_KEPT {
            self.due = VecDeque::new();
        }
        !self.due.is_empty()
    }

    /// Sees to it that superseded versions take at most `allowed` bytes: those that can be read again leave memory, and
    /// then the oldest snapshots expire, with what only they see.
    pub(super) fn shed(
        &mut self,
        edit: &mut Editing<'_>,
        disk: &DiskPages,
        (snapshots, allowed): (&Snapshots, u64),
        free: &mut FreePages,
    ) {
        if edit.parts().1.superseded <= allowed {
            return;
        }
        // What nobody sees any more counts against nobody.
        self.clean(edit, disk, (&snapshots.visible(), usize::MAX), free);
        if edit.parts().1.superseded <= allowed {
            return;
        }
        // Somewhat more than needed, so that the next commit does not begin here again.
        let target = allowed / 4 * 3;
        let pages: BTreeSet<PageNo> = self
            .held
            .values()
            .flatten()
            .chain(&self.due)
            .copied()
            .collect();
        for page in pages {
            let (mut chains, cache) = edit.parts();
            if cache.superseded <= target {
                return;
            }
            give_up(&mut chains, cache, disk, page);
        }
        while edit.parts().1.superseded > target {
            let Some(oldest) = snapshots.visible().oldest() else {
                return;
            };
            snapshots.expire(oldest);
            self.clean(edit, disk, (&snapshots.visible(), usize::MAX), free);
        }
    }
}

/// Drops the superseded versions of `page` that nobody `sees`. True if none is left.
fn prune(
    chains: &mut Chains<'_, Content>,
    cache: &mut Cache,
    disk: &DiskPages,
    page: PageNo,
    mut sees: impl FnMut(Version, Version) -> bool,
) -> bool {
    let (mut is_alone, mut is_empty) = (true, false);
    chains.retain(page, |seen| {
        let Some(newer) = seen.newer else {
            is_empty = matches!(seen.item, ItemRef::Other(Content::Freed | Content::Mapped));
            return Fate::Keep;
        };
        if sees(seen.version, newer) {
            is_alone = false;
            return Fate::Keep;
        }
        cache.prune(seen.version, newer, seen.item.bytes());
        if let Some(stored) = seen.item.stored() {
            stored.unpin(&disk.map);
        }
        Fate::Drop
    });
    if is_alone && is_empty {
        forget(chains, cache, page);
    }
    is_alone
}

/// Empties a chain that says no more than the map does.
pub(super) fn forget(chains: &mut Chains<'_, Content>, cache: &Cache, page: PageNo) {
    chains.retain(page, |seen| match seen.item {
        ItemRef::Other(Content::Freed | Content::Mapped)
            if seen.is_oldest && seen.newer.is_none() =>
        {
            if seen.version <= cache.durable {
                Fate::Drop
            } else {
                Fate::Keep
            }
        }
        _ => Fate::Keep,
    });
}
