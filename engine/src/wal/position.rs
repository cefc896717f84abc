//! Where things lie in the log. Pure arithmetic, for lengths that `WalConfig::check` has let through.

use crate::disk_format::frame::{FRAME_ALIGNMENT, FRAME_HEADER_LEN};
use crate::error::StorageError;
use crate::ids::{Lsn, SegmentSeq};

/// The log's directory.
pub(super) const DIRECTORY: &str = "wal";
/// A block: the unit that a sync closes. The first of a segment holds its header.
pub(super) const BLOCK: u64 = 4096;
/// Length of a frame's header in bytes.
pub(super) const HEADER: u64 = FRAME_HEADER_LEN as u64;

/// A block for the header, and one for frames.
const SEGMENT_LEN_MIN: u64 = 2 * BLOCK;
/// So that lengths and offsets within a segment fit 32 bits.
const SEGMENT_LEN_MAX: u64 = 1 << 30;

/// What a database's log was created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalConfig {
    /// Length of a segment's file in bytes: a multiple of 4 KiB, from 8 KiB to 1 GiB.
    pub segment_len: u64,
    /// Random, the database's own: frames of another one are none here.
    pub salt: u64,
}

impl WalConfig {
    /// Refuses a length that no log can have.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        let limit = |needed, allowed| StorageError::limit("segment_len", needed, allowed);
        if self.segment_len < SEGMENT_LEN_MIN {
            return Err(limit(SEGMENT_LEN_MIN, self.segment_len));
        }
        if self.segment_len > SEGMENT_LEN_MAX || !self.segment_len.is_multiple_of(BLOCK) {
            return Err(limit(self.segment_len, SEGMENT_LEN_MAX));
        }
        Ok(())
    }

    /// The largest sequence number whose positions all fit an `Lsn`.
    pub(super) fn seq_max(&self) -> SegmentSeq {
        SegmentSeq(u64::MAX / self.segment_len - 1)
    }

    /// Whether a log can have a segment of that number.
    pub(super) fn is_seq(&self, seq: SegmentSeq) -> bool {
        seq.0 >= 1 && seq <= self.seq_max()
    }

    /// The segment in which a record that ends at `lsn` lies.
    pub(super) fn segment_of(&self, lsn: Lsn) -> SegmentSeq {
        SegmentSeq(lsn.0.saturating_sub(1) / self.segment_len)
    }

    /// The offset of `lsn` in the segment that [`Self::segment_of`] names; the segment's length at its end.
    pub(super) fn offset_of(&self, lsn: Lsn) -> u64 {
        lsn.0
            .saturating_sub(self.segment_len.saturating_mul(self.segment_of(lsn).0))
    }

    /// The position at an offset in a segment.
    pub(super) fn at(&self, seq: SegmentSeq, offset: u64) -> Lsn {
        Lsn(seq
            .0
            .saturating_mul(self.segment_len)
            .saturating_add(offset))
    }

    /// How much payload a segment's one frame could hold.
    pub(super) fn capacity(&self) -> u64 {
        self.segment_len - BLOCK - HEADER
    }
}

/// The next place for a frame at or after an offset.
pub(super) fn next_frame(offset: u64) -> u64 {
    offset.next_multiple_of(FRAME_ALIGNMENT)
}

/// The next start of a block at or after an offset.
pub(super) fn next_block(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_segment_lengths_are_refused() {
        let check = |segment_len| {
            WalConfig {
                segment_len,
                salt: 0,
            }
            .check()
        };
        for bad in [0, 4096, 10 * 1024, 20_000, (1 << 30) + 4096, u64::MAX] {
            assert!(check(bad).is_err(), "{bad}");
        }
        check(8 * 1024).unwrap();
        check(1 << 30).unwrap();
    }

    #[test]
    fn a_position_at_the_end_of_a_segment_belongs_to_it() {
        let config = WalConfig {
            segment_len: 16_384,
            salt: 0,
        };
        assert_eq!(config.segment_of(Lsn(2 * 16_384)), SegmentSeq(1));
        assert_eq!(config.offset_of(Lsn(2 * 16_384)), 16_384);
        assert_eq!(config.segment_of(Lsn(2 * 16_384 + 1)), SegmentSeq(2));
        assert_eq!(config.offset_of(Lsn(2 * 16_384 + 4096)), 4096);
        assert_eq!(config.at(SegmentSeq(2), 4096), Lsn(2 * 16_384 + 4096));
        assert_eq!(config.segment_of(Lsn(0)), SegmentSeq(0));
        assert_eq!(config.segment_of(Lsn(u64::MAX)).0, u64::MAX / 16_384);
    }
}
