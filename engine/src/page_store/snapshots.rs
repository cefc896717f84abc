//! The published version and the snapshots that readers hold.
//!
//! Invariants:
//! 1. A registered snapshot's version is at least every floor that `advance_floor` returned while it was
//!    registered, so what only versions below the floor need may be freed.
//! 2. Floors never go down.
//! 3. What `visible` did not name as seen, and was superseded at or below the version it was asked at, is seen by
//!    no snapshot ever again; but by expired ones, whose readers look at the mark after every read.
//!
//! Protocol (R2 of the design): a reader stores its version in a slot, then looks at the announced
//! floor; if that has passed it, it takes the newer published version and looks again. The cleaner
//! announces its floor before it reads the slots. All of it is sequentially consistent, so one of the
//! two always sees the other.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU64, AtomicUsize};

use smallvec::SmallVec;

use crate::error::StorageError;
use crate::ids::Version;

/// A slot on a cache line of its own: neighbours would slow each other down about four times.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot {
    version: AtomicU64,
    /// Handles of the snapshot that has this slot.
    handles: AtomicUsize,
    /// Pages read by the snapshots that had this slot. Only about right if several threads share one.
    page_reads: AtomicU64,
}

/// An empty slot. No snapshot has version 0: an empty database is published at 1.
const EMPTY: u64 = 0;

thread_local! {
    /// Where this thread found a slot last time.
    static HINT: Cell<usize> = const { Cell::new(0) };
}

/// The register of snapshots of one database.
#[derive(Debug)]
pub struct Snapshots {
    slots: Box<[Slot]>,
    published: AtomicU64,
    announced_floor: AtomicU64,
    /// One more than the highest slot ever claimed.
    claimed_end: AtomicUsize,
    /// Snapshots below this version are expired.
    expired_below: AtomicU64,
    /// How many there have been.
    expired: AtomicU64,
}

/// The versions that snapshots see.
#[derive(Clone, Debug)]
pub struct Visible {
    /// Ascending, without those that are expired.
    versions: SmallVec<[u64; 8]>,
    /// Snapshots yet to come see this one or a newer one.
    published: u64,
}

impl Visible {
    /// The newest version seen that is at least `from` and below `below`.
    pub fn newest_within(&self, from: Version, below: Version) -> Option<Version> {
        if below.get() > self.published {
            return Some(Version(self.published));
        }
        let end = self.versions.partition_point(|seen| *seen < below.get());
        let newest = self.versions.get(end.checked_sub(1)?)?;
        (*newest >= from.get()).then_some(Version(*newest))
    }

    /// Whether a snapshot sees exactly `version`.
    pub fn contains(&self, version: Version) -> bool {
        self.versions.binary_search(&version.get()).is_ok()
    }

    /// The oldest version seen, if it is not the published one.
    pub fn oldest(&self) -> Option<Version> {
        let oldest = self.versions.first().copied();
        oldest
            .filter(|oldest| *oldest < self.published)
            .map(Version)
    }
}

impl Snapshots {
    /// A register for at most `limit` snapshots at a time, at published version `version`.
    pub fn new(limit: usize, version: Version) -> Arc<Self> {
        let slots = (0..limit.max(1)).map(|_| Slot::default()).collect();
        let version = AtomicU64::new(version.get().max(1));
        Arc::new(Self {
            slots,
            published: version,
            announced_floor: AtomicU64::new(0),
            claimed_end: AtomicUsize::new(0),
            expired_below: AtomicU64::new(0),
            expired: AtomicU64::new(0),
        })
    }

    /// The newest published version.
    pub fn published(&self) -> Version {
        Version(self.published.load(SeqCst))
    }

    /// Publishes `version`. Callers publish one at a time, in order.
    pub fn publish(&self, version: Version) {
        self.published.store(version.get(), SeqCst);
    }

    /// Registers a snapshot of the newest published version, with one handle, which is to be given back.
    #[inline]
    pub fn register(&self) -> Result<Seat, StorageError> {
        let mut version = self.published.load(SeqCst);
        let (index, slot) = self.claim(version).ok_or_else(|| self.all_taken())?;
        slot.handles.store(1, Relaxed);
        while self.announced_floor.load(SeqCst) > version {
            version = self.published.load(SeqCst);
            slot.version.store(version, SeqCst);
        }
        Ok(Seat {
            slot: index,
            version: Version(version),
        })
    }

    #[cold]
    fn all_taken(&self) -> StorageError {
        let slots = self.slots.len() as u64;
        StorageError::limit("snapshots", slots + 1, slots)
    }

    #[inline]
    fn claim(&self, version: u64) -> Option<(usize, &Slot)> {
        let hint = HINT.get();
        match self.slots.get(hint) {
            Some(slot) if self.take(hint, slot, version) => Some((hint, slot)),
            _ => self.claim_another(hint, version),
        }
    }

    #[cold]
    fn claim_another(&self, hint: usize, version: u64) -> Option<(usize, &Slot)> {
        let start = hint.min(self.slots.len());
        let (before, after) = self.slots.split_at_checked(start)?;
        let mut order = (start..).zip(after).chain((0..).zip(before));
        let taken = order.find(|(index, slot)| self.take(*index, slot, version))?;
        HINT.set(taken.0);
        Some(taken)
    }

    #[inline]
    fn take(&self, index: usize, slot: &Slot, version: u64) -> bool {
        if slot.version.load(SeqCst) != EMPTY {
            return false;
        }
        // Before the slot is taken: a cleaner that does not look this far has announced its floor before.
        if self.claimed_end.load(SeqCst) <= index {
            self.claimed_end.fetch_max(index + 1, SeqCst);
        }
        let taken = slot
            .version
            .compare_exchange(EMPTY, version, SeqCst, SeqCst);
        taken.is_ok()
    }

    /// Takes another handle of a snapshot that has one.
    #[inline]
    pub fn share(&self, seat: Seat) -> Seat {
        if let Some(slot) = self.slots.get(seat.slot) {
            slot.handles.fetch_add(1, Relaxed);
        }
        seat
    }

    /// Gives a handle back. The last one ends the snapshot.
    #[inline]
    pub fn release(&self, seat: Seat) {
        let Some(slot) = self.slots.get(seat.slot) else {
            return;
        };
        // A handle is made from another one only, so of a single one nobody else can make a second. What was read through handles
        // that were given back comes before the end.
        if slot.handles.load(Acquire) == 1 || slot.handles.fetch_sub(1, AcqRel) == 1 {
            slot.version.store(EMPTY, Release);
        }
    }

    /// Whether a snapshot was given up, so that what was read through it since may be gone. Looked at after a read.
    #[inline]
    pub fn is_expired(&self, seat: Seat) -> bool {
        self.expired_below.load(Acquire) > seat.version.get()
    }

    /// Counts pages read. Threads that share a snapshot may lose each other's counts.
    #[inline]
    pub fn note_page_reads(&self, seat: Seat, pages: u64) {
        if let Some(slot) = self.slots.get(seat.slot) {
            let reads = slot.page_reads.load(Relaxed);
            slot.page_reads.store(reads.wrapping_add(pages), Relaxed);
        }
    }

    /// The version below which no snapshot can see, expired ones included.
    pub fn advance_floor(&self) -> Version {
        let candidate = self.announce();
        let oldest = self.registered().min().unwrap_or(candidate);
        Version(oldest.min(candidate))
    }

    /// The versions that snapshots see, and may come to see.
    pub fn visible(&self) -> Visible {
        let published = self.announce();
        let expired_below = self.expired_below.load(SeqCst);
        let live = self
            .registered()
            .filter(|version| *version >= expired_below);
        let mut versions: SmallVec<[u64; 8]> = live.collect();
        versions.sort_unstable();
        versions.dedup();
        Visible {
            versions,
            published,
        }
    }

    fn announce(&self) -> u64 {
        let candidate = self.published.load(SeqCst);
        self.announced_floor.fetch_max(candidate, SeqCst);
        candidate
    }

    /// Expires all snapshots at or below `version`, which is below the published one.
    pub fn expire(&self, version: Version) {
        debug_assert!(version < self.published(), "only old snapshots expire");
        let end = version.get().saturating_add(1);
        let before = self.expired_below.fetch_max(end, SeqCst);
        let count = self
            .registered()
            .filter(|version| (before..end).contains(version))
            .count();
        self.expired.fetch_add(count as u64, Relaxed);
    }

    /// How many snapshots were given up so far.
    pub fn expired(&self) -> u64 {
        self.expired.load(Relaxed)
    }

    /// Pages read by all snapshots so far.
    pub fn page_reads(&self) -> u64 {
        let slots = self.slots.iter();
        slots
            .map(|slot| slot.page_reads.load(Relaxed))
            .fold(0, u64::wrapping_add)
    }

    /// The number of registered snapshots and the oldest one's version.
    pub fn held(&self) -> (usize, Option<Version>) {
        let count = self.registered().count();
        (count, self.registered().min().map(Version))
    }

    fn registered(&self) -> impl Iterator<Item = u64> + '_ {
        let end = self.claimed_end.load(SeqCst);
        self.slots
            .iter()
            .take(end)
            .map(|slot| slot.version.load(SeqCst))
            .filter(|version| *version != EMPTY)
    }
}

/// A registered version: what it sees stays readable until its last handle is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    slot: usize,
    version: Version,
}

impl Seat {
    /// The version it sees.
    #[inline]
    pub const fn version(self) -> Version {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_waits_for_the_oldest_snapshot() {
        let register = Snapshots::new(4, Version(5));
        let old = register.register().unwrap();
        register.publish(Version(9));
        let young = register.register().unwrap();
        assert_eq!((old.version(), young.version()), (Version(5), Version(9)));
        assert_eq!(register.advance_floor(), Version(5));
        let shared = register.share(old);
        register.release(old);
        assert_eq!(register.advance_floor(), Version(5), "one handle is left");
        register.release(shared);
        assert_eq!(register.advance_floor(), Version(9));
    }

    #[test]
    fn more_snapshots_than_the_limit_are_refused_by_name() {
        let register = Snapshots::new(2, Version(1));
        let _held = [register.register().unwrap(), register.register().unwrap()];
        let refused = register.register().unwrap_err();
        assert!(refused.to_string().contains("snapshots"), "{refused}");
    }

    /// Every interleaving of one reader's steps with one cleaner's, in a sequentially consistent
    /// model of the protocol above. `recheck: false` is the planted bug: the model must find it.
    fn some_interleaving_frees_what_a_reader_sees(recheck: bool) -> bool {
        #[derive(Clone, Copy)]
        struct State {
            slot: u64,
            floor_announced: u64,
            reader_version: u64,
            reader_step: u8,
            cleaner_step: u8,
            published: u64,
            freed_below: u64,
        }
        fn reader(mut s: State, recheck: bool) -> Option<State> {
            match s.reader_step {
                0 => s.reader_version = s.published,
                1 => s.slot = s.reader_version,
                2 if recheck && s.floor_announced > s.reader_version => {
                    s.reader_version = s.published;
                    s.reader_step = 0;
                }
                2 => {}
                _ => return None,
            }
            s.reader_step += 1;
            Some(s)
        }
        fn cleaner(mut s: State) -> Option<State> {
            match s.cleaner_step {
                0 => s.published = 2,
                1 => s.floor_announced = s.published,
                2 => {
                    let oldest = if s.slot == 0 { s.published } else { s.slot };
                    s.freed_below = oldest.min(s.published);
                }
                _ => return None,
            }
            s.cleaner_step += 1;
            Some(s)
        }
        fn explore(s: State, recheck: bool) -> bool {
            let next = [reader(s, recheck), cleaner(s)];
            if next.iter().all(Option::is_none) {
                return s.reader_version < s.freed_below;
            }
            next.into_iter().flatten().any(|s| explore(s, recheck))
        }
        let start = State {
            slot: 0,
            floor_announced: 0,
            reader_version: 0,
            reader_step: 0,
            cleaner_step: 0,
            published: 1,
            freed_below: 0,
        };
        explore(start, recheck)
    }

    #[test]
    fn no_interleaving_frees_a_version_that_a_reader_registered() {
        assert!(!some_interleaving_frees_what_a_reader_sees(true));
        assert!(
            some_interleaving_frees_what_a_reader_sees(false),
            "the model sees nothing"
        );
    }
}
