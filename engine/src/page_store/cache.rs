//! What is changed together with the chains: the memory they hold, and the order in which they give it up.
//!
//! Everything here runs under the page table's lock and touches no disk.
//!
//! Invariants:
//! 1. An image is given up only if it can be read again: the newest version if it is no newer than the last
//!    completed checkpoint (R5), a superseded one from slots that are pinned for it.
//! 2. The slots of a superseded version are pinned before a checkpoint completes that frees them.

use std::sync::Arc;

use crate::ids::{PageNo, Version};

use super::content::{Content, Kind, Stored};
use super::disk_pages::DiskPages;
use super::link::Item;
use super::page_table::{Chains, Edit, Fate, Seen};
use super::policy::{Outcome, Policy};

/// Freed images of this many bytes are worth hurrying the epoch's garbage.
const GARBAGE_BYTES: u64 = 256 << 10;
/// Besides its bytes an image takes one in so many: about 250 for a page of 4 KiB.
const IMAGE_EXTRA: u64 = 16;

/// The memory that chains hold.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub(super) policy: Policy,
    /// The version of the last completed checkpoint.
    pub(super) durable: Version,
    /// A checkpoint is about to switch the map: what `durable` says and what the map says may differ.
    pub(super) is_switching: bool,
    /// Bytes of images in chains.
    pub(super) resident: u64,
    /// Bytes among them of superseded versions.
    pub(super) superseded: u64,
    /// Bytes that a commit group holds besides.
    pub(super) private: u64,
    /// Up to which version a checkpoint is writing; 0 if none is.
    pub(super) writing: Version,
    /// Bytes of images that left their chains while that checkpoint still holds them.
    orphaned: u64,
    /// Images given up.
    pub(super) evictions: u64,
    garbage: u64,
}

/// The chains and what changes with them.
pub(super) type Editing<'t> = Edit<'t, Content, Cache>;

impl Cache {
    /// With nothing in memory, over a checkpoint of `durable`.
    pub(super) fn new(durable: Version) -> Self {
        Self {
            durable,
            ..Self::default()
        }
    }

    /// An image entered a chain.
    pub(super) fn add(&mut self, bytes: u64, is_newest: bool) {
        self.resident = self.resident.saturating_add(bytes);
        if !is_newest {
            self.superseded = self.superseded.saturating_add(bytes);
        }
    }

    /// The newest version is no longer that.
    pub(super) fn supersede(&mut self, bytes: u64) {
        self.superseded = self.superseded.saturating_add(bytes);
    }

    /// An image left a chain.
    pub(super) fn remove(&mut self, bytes: u64, was_newest: bool) {
        self.resident = self.resident.saturating_sub(bytes);
        if !was_newest {
            self.superseded = self.superseded.saturating_sub(bytes);
        }
        self.garbage = self.garbage.saturating_add(bytes);
    }

    /// A superseded version of so many bytes left its chain. If a checkpoint is writing it, its memory is still in use.
    pub(super) fn prune(&mut self, version: Version, newer: Version, bytes: u64) {
        self.remove(bytes, false);
        if version > self.durable && version <= self.writing && newer > self.writing {
            self.orphaned = self.orphaned.saturating_add(bytes);
        }
    }

    /// The checkpoint is over, and with it what it held.
    pub(super) fn written(&mut self) {
        self.writing = Version(0);
        self.orphaned = 0;
    }

    /// What images take, with what comes along with each: the allocator's and its chain's part.
    pub(super) fn used(&self) -> u64 {
        let images = self.resident.saturating_add(self.private);
        let images = images.saturating_add(self.orphaned);
        images.saturating_add(images / IMAGE_EXTRA)
    }

    /// Whether the map holds this superseded version. Its successor may be newer than the last checkpoint though
    /// another one, dropped since, was between them: versions that a checkpoint passed over are marked.
    fn is_mapped(&self, seen: &Seen<'_, Content>) -> bool {
        let is_passed = seen
            .item
            .image()
            .is_none_or(|(_, resident)| resident.is_unmapped());
        let newer = seen.newer.is_some_and(|newer| newer > self.durable);
        newer && seen.version <= self.durable && !is_passed
    }
}

/// Gives up images until no more than `memory` bytes are held, or nothing more can be.
pub(super) fn make_room(edit: &mut Editing<'_>, disk: &DiskPages, memory: u64) {
    let (mut chains, cache) = edit.parts();
    // Readers may hit pages faster than this loop forgets their hits.
    let mut patience = cache.policy.len().saturating_mul(5);
    while cache.used() > memory {
        let Some(candidate) = cache.policy.candidate() else {
            break;
        };
        let stays = patience > 0 && {
            patience -= 1;
            was_hit(&mut chains, candidate.page, |hits| candidate.judge(hits))
        };
        let outcome = if stays {
            Outcome::Hit
        } else {
            failpoint!("cache.evict");
            give_up(&mut chains, cache, disk, candidate.page)
        };
        cache.policy.settle(&candidate, outcome);
    }
    if cache.garbage >= GARBAGE_BYTES {
        let rounds = std::mem::take(&mut cache.garbage) / GARBAGE_BYTES;
        Chains::<Content>::collect(rounds);
    }
}

/// Whether one of the page's images was hit often enough; `judge` says how many hits are then left.
fn was_hit(
    chains: &mut Chains<'_, Content>,
    page: PageNo,
    judge: impl Fn(u8) -> Option<u8>,
) -> bool {
    let mut stays = false;
    chains.retain(page, |seen| {
        if let Some((_, resident)) = seen.item.image()
            && let Some(left) = judge(resident.hits())
        {
            resident.set_hits(left);
            stays = true;
        }
        Fate::Keep
    });
    stays
}

/// Gives up all images of a page that can be read again.
pub(super) fn give_up(
    chains: &mut Chains<'_, Content>,
    cache: &mut Cache,
    disk: &DiskPages,
    page: PageNo,
) -> Outcome {
    let mut outcome = Outcome::Gone;
    chains.retain(page, |seen| {
        let Some((kind, resident)) = seen.item.image() else {
            return Fate::Keep;
        };
        let is_newest = seen.newer.is_none();
        let fate = if is_newest {
            let is_dirty = seen.version > cache.durable;
            match (is_dirty, seen.is_oldest) {
                (true, _) => Fate::Keep,
                (false, true) => Fate::Drop,
                (false, false) => Fate::Replace(Item::Other(Content::Mapped)),
            }
        } else {
            let stored = resident.stored.cloned();
            let stored = stored.or_else(|| pin_mapped(cache, disk, page, kind, &seen));
            stored.map_or(Fate::Keep, |stored| {
                Fate::Replace(Item::Other(Content::Stored(stored)))
            })
        };
        match fate {
            Fate::Keep if is_newest => outcome = Outcome::Dirty,
            Fate::Keep => {}
            Fate::Drop | Fate::Replace(_) => {
                cache.remove(seen.item.bytes(), is_newest);
                cache.evictions = cache.evictions.saturating_add(1);
                if outcome == Outcome::Gone {
                    outcome = Outcome::Evicted;
                }
            }
        }
        fate
    });
    outcome
}

/// Pins the slots of a superseded version that the map still holds.
pub(super) fn pin_mapped(
    cache: &Cache,
    disk: &DiskPages,
    page: PageNo,
    kind: Kind,
    seen: &Seen<'_, Content>,
) -> Option<Arc<Stored>> {
    if cache.is_switching || !cache.is_mapped(seen) {
        return None;
    }
    disk.pin(page, kind, seen.version, seen.item.bytes())
}
