//! The double-write buffer: the changed map pages and the superblock of one checkpoint, under one seal.
//!
//! Layout: a header of one sector: magic [8] | format u32 | state u32 | checkpoint u64 | `body_len` u64 | body CRC32C u32 |
//! zeroes | CRC32C u32 over all before it, at 508. Then the body: the superblock's sector, then for each map page a length
//! u16 and its bytes up to the last that is not zero.
//!
//! The header's sector is the seal: it names the body by length and checksum. A buffer in the state *void* holds
//! nothing but the highest id seen when it was voided, so that no id is used twice. *Closed* names the
//! checkpoint that was durable at home before this was written, and (in place of `body_len`) the highest id used, and holds
//! nothing either: what it replaced is not needed any more.

use super::codec::{FormatError, expect};
use super::fields::{crc_without, put, u32_at, u64_at};
use super::map_page::{MAP_PAGE_LEN, MapPage, MapPageId, level_len};
use super::superblock::{FORMAT_VERSION, SUPERBLOCK_LEN, Superblock};
use crate::ids::CheckpointId;

/// Bytes of the buffer's header: one sector.
pub const BUFFER_HEADER_LEN: usize = 512;

const MAGIC: &[u8; 8] = b"LDBLWRIT";
const STATE_SEALED: u32 = 1;
const STATE_VOID: u32 = 2;
const STATE_CLOSED: u32 = 3;
const CRC: usize = BUFFER_HEADER_LEN - 4;
/// Page header bytes are never trimmed, so that a record always names its page.
const RECORD_LEN_MIN: usize = 32;

/// What the first sector of the buffer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferHeader {
    /// Nothing was ever written here.
    Empty,
    /// A rejected buffer was here; no checkpoint id above this one was seen then.
    Void(CheckpointId),
    /// The database was closed.
    Closed(Closing),
    /// A body should follow.
    Sealed(Seal),
    /// An undamaged header of a format that this engine does not know.
    Newer(u32),
    /// Anything else.
    Damaged,
}

/// What the header says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The checkpoint in the body.
    pub checkpoint: CheckpointId,
    /// Bytes of the body.
    pub body_len: u64,
    /// Its checksum.
    pub body_crc: u32,
}

/// What a buffer says that is not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The checkpoint that was durable at home when this was written.
    pub last: CheckpointId,
    /// No id above this one had been used then.
    pub highest: CheckpointId,
}

impl BufferHeader {
    /// Reads a header sector.
    pub fn decode(sector: &[u8]) -> Self {
        if sector.iter().all(|&byte| byte == 0) {
            return Self::Empty;
        }
        let is_ours = sector.len() == BUFFER_HEADER_LEN
            && sector.starts_with(MAGIC)
            && u32_at(sector, CRC) == crc_without(sector, CRC);
        let format = u32_at(sector, 8);
        if is_ours && format != FORMAT_VERSION {
            return Self::Newer(format);
        }
        let checkpoint = CheckpointId(u64_at(sector, 16));
        match u32_at(sector, 12) {
            STATE_SEALED if is_ours => Self::Sealed(Seal {
                checkpoint,
                body_len: u64_at(sector, 24),
                body_crc: u32_at(sector, 32),
            }),
            STATE_VOID if is_ours => Self::Void(checkpoint),
            STATE_CLOSED if is_ours => Self::Closed(Closing {
                last: checkpoint,
                highest: CheckpointId(u64_at(sector, 24)),
            }),
            _ => Self::Damaged,
        }
    }
}

fn encode_header(state: u32, seal: Seal) -> [u8; BUFFER_HEADER_LEN] {
    let mut sector = [0; BUFFER_HEADER_LEN];
    put(&mut sector, 0, MAGIC);
    put(&mut sector, 8, &FORMAT_VERSION.to_le_bytes());
    put(&mut sector, 12, &state.to_le_bytes());
    put(&mut sector, 16, &seal.checkpoint.get().to_le_bytes());
    put(&mut sector, 24, &seal.body_len.to_le_bytes());
    put(&mut sector, 32, &seal.body_crc.to_le_bytes());
    let crc = crc_without(&sector, CRC);
    put(&mut sector, CRC, &crc.to_le_bytes());
    sector
}

/// The header of a buffer that holds nothing; `highest` is the highest checkpoint id seen.
pub fn encode_void(highest: CheckpointId) -> [u8; BUFFER_HEADER_LEN] {
    encode_header(
        STATE_VOID,
        Seal {
            checkpoint: highest,
            body_len: 0,
            body_crc: 0,
        },
    )
}

/// The header of a buffer that is not needed any more.
pub fn encode_closed(closing: Closing) -> [u8; BUFFER_HEADER_LEN] {
    encode_header(
        STATE_CLOSED,
        Seal {
            checkpoint: closing.last,
            body_len: closing.highest.get(),
            body_crc: 0,
        },
    )
}

/// The content of a sealed buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBuffer {
    /// The checkpoint's superblock.
    pub superblock: Superblock,
    /// The map pages that it changed, each sealed.
    pub pages: Vec<(MapPageId, MapPage)>,
}

impl SealedBuffer {
    /// The whole buffer: header and body.
    pub fn encode(&self) -> Vec<u8> {
        let lens = self
            .pages
            .iter()
            .map(|(_, page)| 2 + trim(page.bytes()).len());
        let mut bytes =
            Vec::with_capacity(BUFFER_HEADER_LEN + SUPERBLOCK_LEN + lens.sum::<usize>());
        bytes.resize(BUFFER_HEADER_LEN, 0);
        bytes.extend_from_slice(&self.superblock.encode());
        for (_, page) in &self.pages {
            let content = trim(page.bytes());
            // At most MAP_PAGE_LEN, so it always fits.
            let len = u16::try_from(content.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(content);
        }
        let body = bytes.split_at(BUFFER_HEADER_LEN).1;
        let seal = Seal {
            checkpoint: self.superblock.checkpoint,
            body_len: body.len() as u64,
            body_crc: crc32c::crc32c(body),
        };
        put(&mut bytes, 0, &encode_header(STATE_SEALED, seal));
        bytes
    }

    /// Reads the body that `seal` names.
    pub fn decode(seal: Seal, body: &[u8]) -> Result<Self, FormatError> {
        expect("buffer length", seal.body_len, body.len() as u64)?;
        expect(
            "buffer checksum",
            seal.body_crc.into(),
            crc32c::crc32c(body).into(),
        )?;
        let (sector, mut rest) = body.split_at(SUPERBLOCK_LEN.min(body.len()));
        let superblock = Superblock::decode(sector)
            .map_err(|_| FormatError::new("superblock in the buffer", 1, 0))?;
        let (named, found) = (seal.checkpoint, superblock.checkpoint);
        expect("checkpoint in the buffer", named.get(), found.get())?;
        let mut pages = Vec::new();
        while !rest.is_empty() {
            pages.push(take_page(&superblock, &mut rest)?);
        }
        Ok(Self { superblock, pages })
    }
}

fn trim(page: &[u8]) -> &[u8] {
    let content = page
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    page.split_at(content.clamp(RECORD_LEN_MIN.min(page.len()), page.len()))
        .0
}

fn take_page(
    superblock: &Superblock,
    rest: &mut &[u8],
) -> Result<(MapPageId, MapPage), FormatError> {
    let cut = FormatError::new("record length", 2, rest.len() as u64);
    let (len, after) = rest.split_first_chunk().ok_or(cut)?;
    let len = usize::from(u16::from_le_bytes(*len));
    if len > after.len() || len > MAP_PAGE_LEN {
        let room = after.len().min(MAP_PAGE_LEN) as u64;
        return Err(FormatError::new(
            "record length of at most",
            room,
            len as u64,
        ));
    }
    let (content, after) = after.split_at(len);
    *rest = after;
    let mut bytes = [0; MAP_PAGE_LEN];
    put(&mut bytes, 0, content);
    let (id, page) =
        MapPage::identify(&bytes).ok_or(FormatError::new("map page in the buffer", 1, 0))?;
    if !superblock.has_map_page(id) {
        return Err(FormatError::new(
            "map page inside its tree",
            0,
            id.index.into(),
        ));
    }
    Ok((id, page))
}

impl Superblock {
    /// Whether `id` is a page of this checkpoint's trees.
    pub fn has_map_page(&self, id: MapPageId) -> bool {
        let (height, count) = match id.kind {
            super::MapKind::Pages => (self.map.height, self.page_count),
            super::MapKind::Slots => (self.bitmap.height, self.slot_count),
        };
        id.level < height && id.index < level_len(id.kind, id.level, count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Digest, Geometry, MapKind, Root};
    use super::*;
    use crate::ids::{LogPosition, Slot, Version};

    fn superblock() -> Superblock {
        Superblock {
            geometry: Geometry {
                page_size: 4096,
                segment_len: 1 << 20,
                salt: 7,
            },
            checkpoint: CheckpointId(9),
            version: Version(8),
            log_start: LogPosition::default(),
            map: Root { height: 2, crc: 1 },
            bitmap: Root { height: 1, crc: 2 },
            page_count: 1000,
            slot_count: 3000,
            predecessor: Digest {
                id: CheckpointId(8),
                crc: 3,
            },
        }
    }

    fn buffer(entries: &[(u32, u32)]) -> SealedBuffer {
        let leaf = MapPageId {
            kind: MapKind::Pages,
            level: 0,
            index: 1,
        };
        let mut page = MapPage::new(leaf);
        for &(position, value) in entries {
            page.set_entry(position, Slot(value), value);
        }
        page.seal();
        let empty = MapPageId {
            kind: MapKind::Slots,
            level: 0,
            index: 0,
        };
        let mut zeroes = MapPage::new(empty);
        zeroes.seal();
        SealedBuffer {
            superblock: superblock(),
            pages: vec![(leaf, page), (empty, zeroes)],
        }
    }

    fn decode(bytes: &[u8]) -> Option<SealedBuffer> {
        let (header, body) = bytes.split_at(BUFFER_HEADER_LEN.min(bytes.len()));
        match BufferHeader::decode(header) {
            BufferHeader::Sealed(seal) => SealedBuffer::decode(seal, body).ok(),
            _ => None,
        }
    }

    #[test]
    fn a_small_checkpoint_needs_few_sectors() {
        assert!(buffer(&[(0, 5)]).encode().len() < 3 * 512);
    }

    #[test]
    fn a_void_buffer_keeps_the_highest_id() {
        let void = encode_void(CheckpointId(77));
        assert_eq!(
            BufferHeader::decode(&void),
            BufferHeader::Void(CheckpointId(77))
        );
        let closing = Closing {
            last: CheckpointId(78),
            highest: CheckpointId(80),
        };
        let closed = BufferHeader::decode(&encode_closed(closing));
        assert_eq!(closed, BufferHeader::Closed(closing));
        assert_eq!(BufferHeader::decode(&[0; 512]), BufferHeader::Empty);
        assert_eq!(BufferHeader::decode(&[1; 512]), BufferHeader::Damaged);
    }

    #[test]
    fn a_page_outside_the_checkpoints_trees_is_refused() {
        let mut outside = buffer(&[]);
        let id = MapPageId {
            kind: MapKind::Pages,
            level: 0,
            index: 2,
        };
        let mut page = MapPage::new(id);
        page.seal();
        outside.pages.push((id, page));
        assert_eq!(decode(&outside.encode()), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            entries in prop::collection::vec((0_u32..508, any::<u32>()), 0..20),
        ) {
            let buffer = buffer(&entries);
            prop_assert_eq!(decode(&buffer.encode()), Some(buffer));
        }

        #[test]
        fn a_flipped_bit_breaks_the_seal(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = buffer(&[(3, 4), (300, 5)]).encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(decode(&bytes), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            header: Vec<u8>,
            body in prop::collection::vec(any::<u8>(), 0..2000),
            has_superblock: bool,
        ) {
            prop_assert!(!matches!(BufferHeader::decode(&header), BufferHeader::Sealed(_)));
            // A right seal over arbitrary bytes must be refused too, not trusted.
            let start = if has_superblock { superblock().encode().to_vec() } else { Vec::new() };
            let body = [start, body].concat();
            let seal = Seal {
                checkpoint: CheckpointId(9),
                body_len: body.len() as u64,
                body_crc: crc32c::crc32c(&body),
            };
            let decoded = SealedBuffer::decode(seal, &body);
            prop_assert!(decoded.is_err() || body.len() == SUPERBLOCK_LEN);
        }
    }
}
