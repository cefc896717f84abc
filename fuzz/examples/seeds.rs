//! Writes the seed corpora: `cargo run --example seeds` in `fuzz/`.

use std::ops::Bound;
use std::path::Path;
use std::{fs, io};

use lightning_db::disk_format::commit_group::{Action, Encoder, Operation};
use lightning_db::disk_format::frame::FrameHeader;
use lightning_db::disk_format::segment::{Origin, SegmentHeader};
use lightning_db::disk_format::{
    Digest, Geometry, MapKind, MapPage, MapPageId, Root, SealedBuffer, Superblock, encode_void,
    height_of, stamp,
};
use lightning_db::ids::{CheckpointId, LogPosition, Lsn, PageNo, SegmentSeq, Slot, Version};

fn main() -> io::Result<()> {
    let seeds: [(&str, u8, Vec<u8>); 9] = [
        ("frame", 0, frame()),
        ("segment", 1, segment()),
        ("superblock", 2, superblock().encode().to_vec()),
        ("void", 3, encode_void(CheckpointId(5)).to_vec()),
        ("buffer-header", 3, buffer().encode()[..512].to_vec()),
        ("buffer-body", 4, buffer().encode()[512..].to_vec()),
        ("map-page", 5, map_page().bytes()[..96].to_vec()),
        ("page", 6, page()),
        ("commit-group", 7, commit_group()),
    ];
    for (name, choice, bytes) in seeds {
        write("decoders", name, &[&[choice], bytes.as_slice()].concat())?;
    }
    for (name, node) in nodes() {
        write("any_node", name, &node)?;
    }
    for (name, program) in programs() {
        write("open_any_bytes", name, &program)?;
    }
    Ok(())
}

/// Inputs of `any_node`: mode, number of entries, prefix, level, lowest cell, length of the key; the key; what fills the page.
fn nodes() -> [(&'static str, Vec<u8>); 4] {
    let node = |start: [u8; 6], rest: &[u8]| [&start, rest].concat();
    [
        (
            "leaf",
            node([1, 20, 0, 0, 16, 5], b"\0\x0a\0\x02\0\x0a\0\x02\0\0k"),
        ),
        (
            "separators",
            node([1, 60, 1, 1, 64, 6], &[0, 2, 2, 0, 2, 0, 2, 0, 1, 3]),
        ),
        ("wide", node([3, 90, 3, 2, 250, 9], &[7; 40])),
        (
            "unsorted",
            node([0, 33, 0, 0, 40, 4], &[9, 1, 5, 200, 0, 7, 30, 2]),
        ),
    ]
}

/// Inputs of `open_any_bytes`: a mode, then steps of choice, file, place and what the choice takes.
fn programs() -> Vec<(&'static str, Vec<u8>)> {
    let step = |choice: u8, file: u8, at: u32, rest: &[u8]| {
        [&[choice, file], at.to_le_bytes().as_slice(), rest].concat()
    };
    let forged = |field: u32, value: u64| step(7, 0, field << 4 | 0xf, &value.to_le_bytes());
    let frame = [&[12, 0], [9, 0, 0, 0, 0, 0, 0, 0, 1, 1, b't', 0].as_slice()].concat();
    let steps: [(&str, u8, Vec<u8>); 12] = [
        ("untouched", 0, Vec::new()),
        ("read-only", 2, Vec::new()),
        ("nothing", 1, Vec::new()),
        ("flip-data", 0, step(1, 0, 40_000, &[3])),
        ("flip-map", 0, step(1, 1, 33_000, &[3])),
        ("torn-log", 0, step(4, 3, 8_192, &[0, 2])),
        ("short-data", 0, step(2, 0, 40_960, &[])),
        ("old-block", 0, step(5, 0, 80, &88u32.to_le_bytes())),
        ("no-map", 0, step(6, 1, 0, &[])),
        ("forged-pages", 0, forged(7, 3 << 32 | 0xffff_ffff)),
        ("forged-log-start", 0, forged(5, u64::MAX - 63)),
        ("forged-frame", 0, step(8, 3, 1, &frame)),
    ];
    steps
        .into_iter()
        .map(|(name, mode, steps)| (name, [vec![mode], steps].concat()))
        .collect()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn frame() -> Vec<u8> {
    let header = FrameHeader {
        salt: 0x5a17,
        segment: SegmentSeq(3),
        position: Lsn(3 * 65_536 + 4096),
        durable: Lsn(3 * 65_536),
        payload_len: 200,
        payload_crc: 0xfeed,
        prev_chain: 0xbeef,
        first_part: true,
        last_part: false,
    };
    header.encode().0.to_vec()
}

fn segment() -> Vec<u8> {
    let header = SegmentHeader {
        salt: 0x5a17,
        seq: SegmentSeq(3),
        segment_len: 65_536,
        continues: Lsn(2 * 65_536 + 640),
        continues_chain: 0xbeef,
        durable: Lsn(2 * 65_536),
        origin: Origin::Roll,
    };
    header.encode().0.to_vec()
}

fn superblock() -> Superblock {
    Superblock {
        geometry: Geometry {
            page_size: 4096,
            segment_len: 65_536,
            salt: 0x5a17,
        },
        checkpoint: CheckpointId(5),
        version: Version(40),
        log_start: LogPosition {
            lsn: Lsn(3 * 65_536),
            chain: 0xbeef,
        },
        map: Root {
            height: height_of(MapKind::Pages, 12),
            crc: 1,
        },
        bitmap: Root {
            height: height_of(MapKind::Slots, 20),
            crc: 2,
        },
        page_count: 12,
        slot_count: 20,
        predecessor: Digest {
            id: CheckpointId(4),
            crc: 3,
        },
    }
}

fn map_page() -> MapPage {
    let mut page = MapPage::new(MapPageId {
        kind: MapKind::Pages,
        level: 0,
        index: 0,
    });
    page.set_entry(1, Slot(7), 0xabcd);
    page.seal();
    page
}

fn buffer() -> SealedBuffer {
    let id = MapPageId {
        kind: MapKind::Pages,
        level: 0,
        index: 0,
    };
    SealedBuffer {
        superblock: superblock(),
        pages: vec![(id, map_page())],
    }
}

fn commit_group() -> Vec<u8> {
    let mut encoder = Encoder::new(Version(12));
    let actions = [
        (
            "t",
            Action::Put {
                key: b"a",
                value: b"one",
            },
        ),
        ("t", Action::Delete { key: b"" }),
        (
            "u",
            Action::Put {
                key: b"b",
                value: b"",
            },
        ),
        ("v", Action::Create),
        ("u", Action::Rename { to: "w" }),
        (
            "t",
            Action::DeleteRange {
                low: Bound::Excluded(b"a"),
                high: Bound::Unbounded,
            },
        ),
        ("v", Action::Drop),
    ];
    for (table, action) in actions {
        encoder.push(Operation { table, action });
    }
    encoder.finish()
}

fn page() -> Vec<u8> {
    let mut page = vec![0; 128];
    stamp(&mut page, Version(3), PageNo(2), CheckpointId(5));
    page
}
