//! How fast a checkpoint writes: as fast as it can where nobody waits for the disk, and in small pieces with rests between
//! where others sync the log meanwhile.
//!
//! A sync waits for all that the disk has taken and not yet made durable, whoever wrote it, so what others wait for is one
//! piece. And a thread that is awake all the time keeps a processor from those that wake up twice a sync: it rests as long as
//! it worked. Who commits without a sync, or waits for this checkpoint to end, is no company.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::sync::{Moment, now, sleep};

/// After so many bytes these are made durable. A sync of all of them at the end would keep the disk from others' for as long as it
/// takes.
const PIECE_ALONE: u64 = 1 << 20;
/// And after so many where somebody syncs the log meanwhile.
const PIECE_IN_COMPANY: u64 = 64 << 10;
/// The disk begins with them half-way then, so that less is left to be done while others wait.
const BEGIN_IN_COMPANY: u64 = PIECE_IN_COMPANY / 2;
/// Who syncs the log is thought to do so again until so many bytes are written.
const COMPANY_LASTS: u64 = 4 << 20;
/// A disk that takes long for a piece is not left alone for as long.
const REST_MAX: Duration = Duration::from_millis(2);

/// What is to be done before more is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// The disk is to begin with what was written.
    Begin,
    /// What was written is to be made durable.
    Sync,
}

/// Counts what a checkpoint writes, and watches whether others sync the log meanwhile.
#[derive(Debug)]
pub struct Pace<'a> {
    /// How often they did; none if nobody does.
    syncs: Option<&'a AtomicU64>,
    seen: u64,
    /// Bytes to be written before they are thought to be gone.
    lasts: u64,
    /// Bytes written since the last sync.
    unsynced: u64,
    /// Bytes written since the disk was last asked to begin.
    unbegun: u64,
    /// When the last rest ended.
    rested: Moment,
}

impl Default for Pace<'_> {
    fn default() -> Self {
        Self {
            syncs: None,
            seen: 0,
            lasts: 0,
            unsynced: 0,
            unbegun: 0,
            rested: now(),
        }
    }
}

impl<'a> Pace<'a> {
    /// Of a checkpoint beside others, of whose syncs of the log `syncs` is the count.
    pub fn beside(syncs: &'a AtomicU64) -> Self {
        Self {
            syncs: Some(syncs),
            seen: syncs.load(Relaxed),
            ..Self::default()
        }
    }

    /// What is due before `more` bytes are written.
    pub fn due(&mut self, more: u64) -> Due {
        let in_company = self.look(more);
        let piece = if in_company {
            PIECE_IN_COMPANY
        } else {
            PIECE_ALONE
        };
        if self.unsynced >= piece {
            Due::Sync
        } else if in_company && self.unbegun >= BEGIN_IN_COMPANY {
            Due::Begin
        } else {
            Due::Nothing
        }
    }

    /// How many bytes may be written before they are made durable.
    pub fn piece(&mut self) -> usize {
        let piece = if self.look(PIECE_IN_COMPANY) {
            PIECE_IN_COMPANY
        } else {
            PIECE_ALONE
        };
        usize::try_from(piece).unwrap_or(usize::MAX)
    }

    /// Looks whether somebody synced the log since it last did, or not long ago.
    fn look(&mut self, more: u64) -> bool {
        let syncs = self.syncs.map_or(0, |syncs| syncs.load(Relaxed));
        self.lasts = if syncs == self.seen {
            self.lasts.saturating_sub(more)
        } else {
            COMPANY_LASTS
        };
        self.seen = syncs;
        self.has_company()
    }

    /// Whether others synced the log not long ago.
    pub const fn has_company(&self) -> bool {
        self.lasts > 0
    }

    /// The last sync of the log was nobody else's.
    pub fn overlook(&mut self) {
        self.seen = self.syncs.map_or(0, |syncs| syncs.load(Relaxed));
    }

    /// So many bytes were written.
    pub const fn wrote(&mut self, len: u64) {
        self.unsynced = self.unsynced.saturating_add(len);
        self.unbegun = self.unbegun.saturating_add(len);
    }

    /// The disk was asked to begin.
    pub const fn begun(&mut self) {
        self.unbegun = 0;
    }

    /// All that was written is durable.
    pub const fn synced(&mut self) {
        (self.unsynced, self.unbegun) = (0, 0);
    }

    /// Rests as long as the work since the last rest took, in company.
    pub fn rest(&mut self) {
        if self.has_company() {
            let worked = self.rested.until(now());
            if !worked.is_zero() {
                sleep(worked.min(REST_MAX));
            }
        }
        self.rested = now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_company_a_piece_is_a_mebibyte() {
        let mut pace = Pace::default();
        pace.wrote(PIECE_ALONE - 1);
        assert_eq!(pace.due(4096), Due::Nothing);
        pace.wrote(1);
        assert_eq!(pace.due(4096), Due::Sync);
    }

    #[test]
    fn company_makes_pieces_small_until_nobody_was_seen_for_a_while() {
        let syncs = AtomicU64::new(7);
        let mut pace = Pace::beside(&syncs);
        pace.wrote(PIECE_IN_COMPANY);
        assert_eq!(pace.due(4096), Due::Nothing, "nobody synced since it began");
        syncs.store(8, Relaxed);
        assert_eq!(pace.due(4096), Due::Sync);
        pace.synced();
        pace.wrote(BEGIN_IN_COMPANY);
        assert_eq!(pace.due(4096), Due::Begin);
        pace.begun();
        assert_eq!(pace.due(4096), Due::Nothing);
        pace.wrote(PIECE_IN_COMPANY);
        assert_eq!(pace.due(COMPANY_LASTS), Due::Nothing, "they are gone");
    }

    #[test]
    fn a_sync_of_its_own_is_no_company() {
        let syncs = AtomicU64::new(0);
        let mut pace = Pace::beside(&syncs);
        syncs.store(1, Relaxed);
        pace.overlook();
        pace.wrote(PIECE_IN_COMPANY);
        assert_eq!(pace.due(4096), Due::Nothing);
        assert_eq!(pace.piece(), usize::try_from(PIECE_ALONE).unwrap());
    }
}
