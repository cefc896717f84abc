//! The superblock: where everything else starts. One 512-byte sector, four copies.
//!
//! Layout: magic [8] | format u32 | `page_size` u32 | `segment_len` u64 | salt u64 | checkpoint u64 | version u64 | log
//! start: lsn u64, chain u32 | map height u8, bitmap height u8, 0 u16 | map root CRC u32 | bitmap root CRC u32 |
//! page count u32 | slot count u32 | predecessor: id u64, crc u32 | zeroes | CRC32C u32 over all before it, at 508.
//!
//! Invariant kept by every format: magic, format number and the checksum stay where they are, so that an
//! older engine can tell a newer database from a damaged one.

use super::fields::{crc_without, put, u8_at, u32_at, u64_at};
use super::map_page::{MapKind, height_of};
use crate::ids::{CheckpointId, LogPosition, Lsn, PageNo, Slot, Version};

/// Bytes of a superblock: one sector, so that a write of it is not torn.
pub const SUPERBLOCK_LEN: usize = 512;
/// Where the two copies stand in each of `map` and `data`.
pub const SUPERBLOCK_OFFSETS: [u64; 2] = [0, 16 << 10];
/// The format that this engine writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;
/// The smallest page.
pub const PAGE_SIZE_MIN: u32 = 512;
/// The largest page: offsets in a page have 16 bits.
pub const PAGE_SIZE_MAX: u32 = 64 << 10;

const MAGIC: &[u8; 8] = b"LIGHTNDB";
const CRC: usize = SUPERBLOCK_LEN - 4;

/// What is fixed when a database is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Bytes a page: a power of two.
    pub page_size: u32,
    /// Bytes a log segment.
    pub segment_len: u64,
    /// A random number that tells this database's log from any other's.
    pub salt: u64,
}

impl Geometry {
    /// Whether the page size is one that this format has.
    pub fn is_valid(&self) -> bool {
        self.page_size.is_power_of_two()
            && (PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&self.page_size)
    }

    /// Where `slot` is in `data`. Slot 1 is the first; there is no slot 0.
    pub fn slot_offset(&self, slot: Slot) -> u64 {
        self.slots_start() + u64::from(slot.get().saturating_sub(1)) * u64::from(self.page_size)
    }

    /// Where the slots begin in `data`, behind the superblock copies.
    pub fn slots_start(&self) -> u64 {
        u64::from(self.page_size).max(32 << 10)
    }
}

/// Names one state of a superblock: two checkpoints never share a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest {
    /// The checkpoint.
    pub id: CheckpointId,
    /// Its superblock's checksum.
    pub crc: u32,
}

/// The top of a checksum tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Root {
    /// Levels of the tree; 0 if it has no page.
    pub height: u8,
    /// The checksum of its topmost page; 0 if there is none.
    pub crc: u32,
}

/// One completed checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Superblock {
    /// What was fixed at creation.
    pub geometry: Geometry,
    /// The checkpoint's id.
    pub checkpoint: CheckpointId,
    /// All commits up to this one are in the checkpoint.
    pub version: Version,
    /// Where the log continues behind the checkpoint.
    pub log_start: LogPosition,
    /// The page map.
    pub map: Root,
    /// The slot bitmap.
    pub bitmap: Root,
    /// No page number in use is as high.
    pub page_count: u32,
    /// No slot in use is as high.
    pub slot_count: u32,
    /// The checkpoint before this one.
    pub predecessor: Digest,
}

/// Why 512 bytes are not a superblock that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuperblockError {
    /// No superblock, or a damaged one.
    #[error("{0}")]
    Invalid(&'static str),
    /// An undamaged superblock of a format that this engine does not know.
    #[error("format {0}, this engine reads {FORMAT_VERSION}")]
    UnknownFormat(u32),
}

impl Superblock {
    /// The checkpoint's digest.
    pub fn digest(&self) -> Digest {
        Digest {
            id: self.checkpoint,
            crc: u32_at(&self.encode(), CRC),
        }
    }

    /// The sector that says this.
    pub fn encode(&self) -> [u8; SUPERBLOCK_LEN] {
        let mut sector = [0; SUPERBLOCK_LEN];
        let fields: [&[u8]; 18] = [
            MAGIC,
            &FORMAT_VERSION.to_le_bytes(),
            &self.geometry.page_size.to_le_bytes(),
            &self.geometry.segment_len.to_le_bytes(),
            &self.geometry.salt.to_le_bytes(),
            &self.checkpoint.get().to_le_bytes(),
            &self.version.get().to_le_bytes(),
            &self.log_start.lsn.get().to_le_bytes(),
            &self.log_start.chain.to_le_bytes(),
            &self.map.height.to_le_bytes(),
            &self.bitmap.height.to_le_bytes(),
            &[0; 2],
            &self.map.crc.to_le_bytes(),
            &self.bitmap.crc.to_le_bytes(),
            &self.page_count.to_le_bytes(),
            &self.slot_count.to_le_bytes(),
            &self.predecessor.id.get().to_le_bytes(),
            &self.predecessor.crc.to_le_bytes(),
        ];
        let mut at = 0;
        for field in fields {
            put(&mut sector, at, field);
            at += field.len();
        }
        let crc = crc_without(&sector, CRC);
        put(&mut sector, CRC, &crc.to_le_bytes());
        sector
    }

    /// Reads a sector that must be an undamaged superblock of this format.
    pub fn decode(sector: &[u8]) -> Result<Self, SuperblockError> {
        if sector.len() != SUPERBLOCK_LEN || !sector.starts_with(MAGIC) {
            return Err(SuperblockError::Invalid("no superblock"));
        }
        if crc_without(sector, CRC) != u32_at(sector, CRC) {
            return Err(SuperblockError::Invalid(
                "a superblock with a wrong checksum",
            ));
        }
        let format = u32_at(sector, 8);
        if format != FORMAT_VERSION {
            return Err(SuperblockError::UnknownFormat(format));
        }
        let superblock = Self::read_fields(sector);
        if !superblock.is_consistent() {
            return Err(SuperblockError::Invalid(
                "a superblock that contradicts itself",
            ));
        }
        Ok(superblock)
    }

    fn read_fields(sector: &[u8]) -> Self {
        Self {
            geometry: Geometry {
                page_size: u32_at(sector, 12),
                segment_len: u64_at(sector, 16),
                salt: u64_at(sector, 24),
            },
            checkpoint: CheckpointId(u64_at(sector, 32)),
            version: Version(u64_at(sector, 40)),
            log_start: LogPosition {
                lsn: Lsn(u64_at(sector, 48)),
                chain: u32_at(sector, 56),
            },
            map: Root {
                height: u8_at(sector, 60),
                crc: u32_at(sector, 64),
            },
            bitmap: Root {
                height: u8_at(sector, 61),
                crc: u32_at(sector, 68),
            },
            page_count: u32_at(sector, 72),
            slot_count: u32_at(sector, 76),
            predecessor: Digest {
                id: CheckpointId(u64_at(sector, 80)),
                crc: u32_at(sector, 88),
            },
        }
    }

    fn is_consistent(&self) -> bool {
        self.geometry.is_valid()
            && self.predecessor.id < self.checkpoint
            && self.map.height == height_of(MapKind::Pages, self.page_count)
            && self.bitmap.height == height_of(MapKind::Slots, self.slot_count)
    }

    /// Whether `page` can be mapped.
    pub fn covers(&self, page: PageNo) -> bool {
        page.get() < self.page_count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_superblock()(
            ids in any::<[u64; 4]>(),
            crcs in any::<[u32; 4]>(),
            counts in any::<[u32; 2]>(),
            page_bits in 9_u32..=16,
            checkpoint in 1_u64..,
        ) -> Superblock {
            let [segment_len, salt, version, lsn] = ids;
            Superblock {
                geometry: Geometry { page_size: 1 << page_bits, segment_len, salt },
                checkpoint: CheckpointId(checkpoint),
                version: Version(version),
                log_start: LogPosition { lsn: Lsn(lsn), chain: crcs[0] },
                map: Root { height: height_of(MapKind::Pages, counts[0]), crc: crcs[1] },
                bitmap: Root { height: height_of(MapKind::Slots, counts[1]), crc: crcs[2] },
                page_count: counts[0],
                slot_count: counts[1],
                predecessor: Digest { id: CheckpointId(checkpoint - 1), crc: crcs[3] },
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(superblock in any_superblock()) {
            prop_assert_eq!(Superblock::decode(&superblock.encode()), Ok(superblock));
        }

        #[test]
        fn a_flipped_bit_is_refused(superblock in any_superblock(), bit in 0_usize..4096) {
            let mut sector = superblock.encode();
            sector[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(matches!(Superblock::decode(&sector), Err(SuperblockError::Invalid(_))));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, mut tail in prop::collection::vec(any::<u8>(), 500)) {
            prop_assert!(Superblock::decode(&bytes).is_err());
            // With the checksum right, the fields themselves must be safe to read.
            let mut sector = MAGIC.to_vec();
            sector.append(&mut tail);
            sector.extend([0; 4]);
            let crc = crc_without(&sector, CRC);
            sector[CRC..].copy_from_slice(&crc.to_le_bytes());
            let decoded = Superblock::decode(&sector);
            let is_ours = sector[8..12] == FORMAT_VERSION.to_le_bytes();
            prop_assert!(is_ours || matches!(decoded, Err(SuperblockError::UnknownFormat(_))));
        }
    }

    #[test]
    fn slots_start_behind_the_superblocks_whatever_the_page_size() {
        for page_size in [512, 4096, 32 << 10, 64 << 10] {
            let geometry = Geometry {
                page_size,
                segment_len: 1,
                salt: 1,
            };
            let first = geometry.slot_offset(Slot(1));
            assert!(first >= SUPERBLOCK_OFFSETS[1] + SUPERBLOCK_LEN as u64);
            assert_eq!(first % u64::from(page_size), 0);
            assert_eq!(geometry.slot_offset(Slot(2)), first + u64::from(page_size));
        }
    }
}
