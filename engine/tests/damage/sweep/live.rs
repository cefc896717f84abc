//! Which bytes of the files matter, computed from the format alone.

use std::ops::Range;

use lightning_db::disk_format::codec::checksum;
use lightning_db::disk_format::frame::{FRAME_HEADER_LEN, FrameHeader};
use lightning_db::disk_format::segment::{SEGMENT_HEADER_LEN, SegmentHeader};
use lightning_db::disk_format::{
    MAP_FANOUT, MAP_PAGE_LEN, MapKind, MapPage, MapPageId, SUPERBLOCK_LEN, SUPERBLOCK_OFFSETS,
    Superblock, level_len,
};
use lightning_db::ids::{LogPosition, Lsn, PageNo, SegmentSeq};

use super::database::Image;

/// What lies somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Superblock,
    MapPage(MapPageId),
    Page(PageNo),
    SegmentHeader,
    /// The last one is not proven durable by anything after it.
    Frame {
        is_last: bool,
    },
}

/// A structure that recovery or a reader needs.
#[derive(Clone, Debug)]
pub struct Live {
    pub file: String,
    pub range: Range<u64>,
    pub what: What,
}

pub fn superblock(image: &Image) -> Superblock {
    let copies = ["map", "data"].into_iter().flat_map(|file| {
        SUPERBLOCK_OFFSETS.map(|at| {
            let at = usize::try_from(at).unwrap();
            Superblock::decode(&image[file][at..at + SUPERBLOCK_LEN])
        })
    });
    let newest = copies.flatten().max_by_key(|copy| copy.checkpoint);
    newest.unwrap()
}

/// The highest level of a node in use.
pub fn highest_level(image: &Image) -> u8 {
    let level = |live: &Live| {
        let at = usize::try_from(live.range.start).unwrap();
        let page = &image[&live.file][at..at + 32];
        // Kinds 1 and 2 are nodes.
        matches!(live.what, What::Page(_) if page[13] < 3).then_some(page[12])
    };
    live(image).iter().filter_map(level).max().unwrap()
}

pub fn live(image: &Image) -> Vec<Live> {
    let superblock = superblock(image);
    let mut all = Vec::new();
    for file in ["map", "data"] {
        for at in SUPERBLOCK_OFFSETS {
            all.push(piece(file, at, SUPERBLOCK_LEN, What::Superblock));
        }
    }
    maps(image, &superblock, &mut all);
    log(image, &superblock, &mut all);
    all
}

fn piece(file: &str, at: u64, len: usize, what: What) -> Live {
    Live {
        file: file.to_owned(),
        range: at..at + len as u64,
        what,
    }
}

fn maps(image: &Image, superblock: &Superblock, all: &mut Vec<Live>) {
    let trees = [
        (MapKind::Pages, superblock.map, superblock.page_count),
        (MapKind::Slots, superblock.bitmap, superblock.slot_count),
    ];
    for (kind, root, count) in trees {
        for level in 0..root.height {
            for index in 0..level_len(kind, level, count) {
                let id = MapPageId { kind, level, index };
                all.push(piece("map", id.home(), MAP_PAGE_LEN, What::MapPage(id)));
                if kind == MapKind::Pages && level == 0 {
                    pages(image, superblock, id, all);
                }
            }
        }
    }
}

fn pages(image: &Image, superblock: &Superblock, id: MapPageId, all: &mut Vec<Live>) {
    let at = usize::try_from(id.home()).unwrap();
    let leaf = MapPage::decode(id, &image["map"][at..at + MAP_PAGE_LEN]).unwrap();
    let geometry = superblock.geometry;
    for position in 0..MAP_FANOUT {
        let (slot, _) = leaf.entry(position);
        if slot.get() != 0 {
            let page = What::Page(PageNo(id.index * MAP_FANOUT + position));
            let len = geometry.page_size as usize;
            all.push(piece("data", geometry.slot_offset(slot), len, page));
        }
    }
}

/// A frame at an offset of a segment, if it continues the log.
fn frame(
    segment: &[u8],
    superblock: &Superblock,
    (seq, chain): (SegmentSeq, u32),
    offset: u64,
) -> Option<(u64, u32)> {
    let len = superblock.geometry.segment_len;
    let at = usize::try_from(offset).unwrap();
    let (header, crc) = FrameHeader::decode(segment.get(at..)?).ok()?;
    let payload = segment.get(at + FRAME_HEADER_LEN..)?;
    let payload = payload.get(..header.payload_len as usize)?;
    let is_next = header.salt == superblock.geometry.salt
        && header.segment == seq
        && header.position == Lsn(seq.get() * len + offset)
        && header.prev_chain == chain
        && checksum(&[payload]) == header.payload_crc;
    is_next.then_some((FRAME_HEADER_LEN as u64 + payload.len() as u64, crc))
}

fn log(image: &Image, superblock: &Superblock, all: &mut Vec<Live>) {
    let len = superblock.geometry.segment_len;
    let files = image.iter().filter(|(name, _)| name.starts_with("wal/"));
    let segments: Vec<_> = files
        .filter_map(|(name, bytes)| Some((name, bytes, SegmentHeader::decode(bytes).ok()?)))
        .collect();
    let LogPosition { lsn, mut chain } = superblock.log_start;
    let mut seq = SegmentSeq((lsn.get() - 1) / len);
    let mut offset = lsn.get() - seq.get() * len;
    loop {
        let found = segments
            .iter()
            .find(|(_, _, (header, _))| header.seq == seq);
        let (name, bytes, _) = found.unwrap();
        all.push(piece(name, 0, SEGMENT_HEADER_LEN, What::SegmentHeader));
        let places = |end: u64| [end.next_multiple_of(64), end.next_multiple_of(4096)];
        while let Some((at, (size, crc))) = places(offset)
            .into_iter()
            .find_map(|at| Some((at, frame(bytes, superblock, (seq, chain), at)?)))
        {
            let size = usize::try_from(size).unwrap();
            all.push(piece(name, at, size, What::Frame { is_last: false }));
            (offset, chain) = (at + size as u64, crc);
        }
        let end = Lsn(seq.get() * len + offset);
        let next = segments
            .iter()
            .map(|(_, _, head)| head)
            .find(|(header, _)| {
                header.seq > seq && header.continues == end && header.continues_chain == chain
            });
        let Some((header, start)) = next else { break };
        (seq, chain, offset) = (header.seq, *start, 4096);
    }
    let last = all
        .iter_mut()
        .rev()
        .find(|live| matches!(live.what, What::Frame { .. }));
    if let Some(last) = last {
        last.what = What::Frame { is_last: true };
    }
}
