//! Every decoder of `disk_format`.

use lightning_db::disk_format::commit_group::{CommitGroup, Encoder};
use lightning_db::disk_format::frame::FrameHeader;
use lightning_db::disk_format::segment::SegmentHeader;
use lightning_db::disk_format::{
    BUFFER_HEADER_LEN, BufferHeader, MAP_PAGE_LEN, MapKind, MapPage, MapPageId, PageExpectation,
    PageHeader, SUPERBLOCK_LEN, Seal, SealedBuffer, Superblock, checkpoint_low, expect_overflow,
    stamp,
};
use lightning_db::ids::{CheckpointId, PageNo, Version};

use crate::reseal::decode_resealed;

type Decoder = fn(&[u8]);

const DECODERS: [Decoder; 9] = [
    frame_header,
    segment_header,
    superblock,
    buffer_header,
    sealed_buffer,
    map_page,
    page_header,
    commit_group,
    overflow,
];

/// Gives the rest of `bytes` to the decoder that the first one chooses.
pub fn decode_any_bytes(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    DECODERS[usize::from(*choice) % DECODERS.len()](rest);
}

fn frame_header(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if let Ok((header, chain)) = decode_resealed(&mut bytes, FrameHeader::decode) {
        let (encoded, again) = header.encode();
        assert_eq!(
            (encoded.as_slice(), again),
            (&bytes[..encoded.len()], chain)
        );
    }
}

fn segment_header(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if let Ok((header, chain)) = decode_resealed(&mut bytes, SegmentHeader::decode) {
        let (encoded, again) = header.encode();
        assert_eq!(
            (encoded.as_slice(), again),
            (&bytes[..encoded.len()], chain)
        );
    }
}

/// Its errors don't name the sums, so that only the fuzzer's own insight gets behind the checksum.
fn superblock(bytes: &[u8]) {
    for sector in [bytes, padded(bytes, SUPERBLOCK_LEN).as_slice()] {
        if let Ok(superblock) = Superblock::decode(sector) {
            assert_eq!(Superblock::decode(&superblock.encode()), Ok(superblock));
        }
    }
}

fn buffer_header(bytes: &[u8]) {
    let _ = BufferHeader::decode(bytes);
    let _ = BufferHeader::decode(&padded(bytes, BUFFER_HEADER_LEN));
}

/// A body behind a seal that fits it, whatever the body is; the checkpoint is the superblock's own where there is one.
fn sealed_buffer(bytes: &[u8]) {
    let superblock = Superblock::decode(&bytes[..bytes.len().min(SUPERBLOCK_LEN)]);
    let checkpoint = superblock.map_or(CheckpointId(1), |superblock| superblock.checkpoint);
    let unsealed = Seal {
        checkpoint,
        body_len: bytes.len() as u64,
        body_crc: 0,
    };
    let Err(error) = SealedBuffer::decode(unsealed, bytes) else {
        return;
    };
    for crc in [error.expected, error.actual] {
        let seal = Seal {
            body_crc: u32::try_from(crc).unwrap_or_default(),
            ..unsealed
        };
        if let Ok(buffer) = SealedBuffer::decode(seal, bytes) {
            let encoded = buffer.encode();
            let body = &encoded[BUFFER_HEADER_LEN..];
            let BufferHeader::Sealed(seal) = BufferHeader::decode(&encoded[..BUFFER_HEADER_LEN])
            else {
                panic!("an encoded buffer is sealed");
            };
            assert_eq!(SealedBuffer::decode(seal, body).as_ref(), Ok(&buffer));
        }
    }
}

fn map_page(bytes: &[u8]) {
    let mut page = padded(bytes, MAP_PAGE_LEN);
    let _ = MapPage::identify(bytes);
    let _ = MapPage::identify(&page);
    let kind = if bytes.first().is_some_and(|byte| byte & 1 == 1) {
        MapKind::Pages
    } else {
        MapKind::Slots
    };
    let id = MapPageId {
        kind,
        level: page[5],
        index: u32::from_le_bytes([page[8], page[9], page[10], page[11]]),
    };
    let _ = id.home();
    if let Ok(decoded) = decode_resealed(&mut page, |bytes| MapPage::decode(id, bytes)) {
        assert_eq!(decoded.bytes(), page);
        let _ = (decoded.entry(507), decoded.child(507), decoded.word(507));
    }
}

fn page_header(bytes: &[u8]) {
    let _ = PageHeader::verified(bytes);
    let header = PageHeader::read(bytes);
    let expected = PageExpectation {
        page_no: header.page_no,
        crc: header.crc,
        newest: header.version,
    };
    let _ = expected.check(bytes);
    let mut page = padded(bytes, 4096);
    let (version, page_no, checkpoint) = (Version(7), PageNo(9), CheckpointId(u64::MAX));
    let crc = stamp(&mut page, version, page_no, checkpoint);
    let stamped = PageHeader::verified(&page);
    assert_eq!(
        stamped,
        Ok(PageHeader {
            version,
            page_no,
            crc,
            checkpoint: checkpoint_low(checkpoint)
        })
    );
}

/// What is decoded to its end comes back, operation by operation.
fn commit_group(bytes: &[u8]) {
    let Ok(group) = CommitGroup::decode(bytes) else {
        return;
    };
    let (version, time) = (group.version, group.time);
    let Ok(operations) = group.collect::<Result<Vec<_>, _>>() else {
        return;
    };
    let mut encoder = Encoder::new(version).at(time);
    for operation in &operations {
        encoder.push(*operation);
    }
    let payload = encoder.finish();
    let again = CommitGroup::decode(&payload).expect("an encoded group is decoded");
    assert_eq!((again.version, again.time), (version, time));
    let again = again
        .collect::<Result<Vec<_>, _>>()
        .expect("and so are its operations");
    assert_eq!(again, operations);
}

fn overflow(bytes: &[u8]) {
    let _ = expect_overflow(bytes);
}

fn padded(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(len, 0);
    padded
}
