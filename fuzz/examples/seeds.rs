//! Writes the seed corpora: `cargo run --example seeds` in `fuzz/`.

use std::path::Path;
use std::{fs, io};

use lightning_db::disk_format::frame::FrameHeader;
use lightning_db::disk_format::segment::{Origin, SegmentHeader};
use lightning_db::disk_format::{
    Digest, Geometry, MapKind, MapPage, MapPageId, Root, SealedBuffer, Superblock, encode_void,
    height_of, stamp,
};
use lightning_db::ids::{CheckpointId, LogPosition, Lsn, PageNo, SegmentSeq, Slot, Version};

fn main() -> io::Result<()> {
    let seeds: [(&str, u8, Vec<u8>); 8] = [
        ("frame", 0, frame()),
        ("segment", 1, segment()),
        ("superblock", 2, superblock().encode().to_vec()),
        ("void", 3, encode_void(CheckpointId(5)).to_vec()),
        ("buffer-header", 3, buffer().encode()[..512].to_vec()),
        ("buffer-body", 4, buffer().encode()[512..].to_vec()),
        ("map-page", 5, map_page().bytes()[..96].to_vec()),
        ("page", 6, page()),
    ];
    for (name, choice, bytes) in seeds {
        write("decoders", name, &[&[choice], bytes.as_slice()].concat())?;
    }
    Ok(())
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

fn page() -> Vec<u8> {
    let mut page = vec![0; 128];
    stamp(&mut page, Version(3), PageNo(2), CheckpointId(5));
    page
}
