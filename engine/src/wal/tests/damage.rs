//! What was durable, and is proven so by something later, is never cut silently nor read wrongly.

use super::support::*;
use crate::disk::MemoryDisk;
use crate::disk_format::frame::FrameHeader;
use crate::disk_format::segment::SegmentHeader;
use crate::ids::LogPosition;
use crate::ids::{Lsn, SegmentSeq};

struct Log {
    image: Image,
    start: LogPosition,
    contents: Contents,
}

/// A log of synced groups.
fn log(sizes: &[usize]) -> Log {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    for (number, len) in sizes.iter().enumerate() {
        wal.append(&payload(number, *len)).unwrap();
        wal.sync().unwrap();
    }
    let contents = read(&disk, wal.start()).unwrap().0;
    assert_eq!(contents.groups.len(), sizes.len());
    Log {
        image: image(&disk),
        start: wal.start(),
        contents,
    }
}

const FIRST: &str = "wal/000001";
const SECOND: &str = "wal/000002";

impl Log {
    fn read(&self, image: &Image) -> Result<Contents, crate::error::StorageError> {
        read(&disk_of(image), self.start).map(|(contents, _)| contents)
    }

    /// The bytes of a group that is one frame, in its segment.
    fn frame(&self, group: usize) -> std::ops::Range<usize> {
        let end = usize::try_from(self.contents.ends[group].lsn.0 % CONFIG.segment_len).unwrap();
        end - self.contents.groups[group].len() - 64..end
    }

    fn zeroed(&self, name: &str, range: std::ops::Range<usize>) -> Image {
        let mut image = self.image.clone();
        image.get_mut(name).unwrap()[range].fill(0);
        image
    }
}

#[test]
fn a_flip_in_any_byte_of_a_proven_frame_is_corruption() {
    let log = log(&[40, 0, 200]);
    for group in 0..2 {
        for at in log.frame(group) {
            for mask in [0x01, 0xff] {
                let result = log.read(&flipped(&log.image, FIRST, at, mask));
                assert!(is_corruption(&result), "byte {at}: {result:?}");
            }
        }
    }
}

#[test]
fn a_flip_in_any_byte_of_a_segments_header_is_corruption() {
    let log = log(&[40, 10]);
    for at in 0..64 {
        let result = log.read(&flipped(&log.image, FIRST, at, 0x04));
        assert!(is_corruption(&result), "byte {at}: {result:?}");
    }
}

#[test]
fn a_flip_anywhere_never_yields_a_wrong_payload() {
    let log = log(&[40, 0, 200]);
    let newest = log.frame(2);
    for name in [FIRST, SECOND] {
        for at in 0..log.image[name].len() {
            let Ok(contents) = log.read(&flipped(&log.image, name, at, 0x20)) else {
                continue;
            };
            let count = if name == FIRST && newest.contains(&at) {
                2
            } else {
                3
            };
            assert_eq!(
                contents.groups,
                log.contents.groups[..count],
                "{name} byte {at}"
            );
        }
    }
}

#[test]
fn corruption_names_the_file_and_the_place() {
    let log = log(&[40, 10, 10]);
    let at = log.frame(1).start;
    let error = log.read(&flipped(&log.image, FIRST, at, 1)).unwrap_err();
    let crate::error::StorageError::Corruption(damage) = error else {
        panic!("{error}")
    };
    assert_eq!(damage.file, FIRST);
    assert_eq!(damage.offset, log.frame(0).end as u64);
}

#[test]
fn the_header_of_the_next_segment_proves_all_of_the_one_before() {
    // The second group goes into the second segment; of that one nothing but the header is left.
    let log = log(&[12_288 - 64, 10]);
    let image = log.zeroed(SECOND, 4096..16_384);
    assert_eq!(log.read(&image).unwrap().groups.len(), 1);
    for at in [4096, 4200, 9000, 16_383] {
        assert!(
            is_corruption(&log.read(&flipped(&image, FIRST, at, 2))),
            "byte {at}"
        );
    }
}

#[test]
fn frames_under_a_lost_or_damaged_header_are_corruption() {
    let log = log(&[12_288 - 64, 10, 10]);
    for to in [64, 512, 4096, 4097] {
        assert!(is_corruption(&log.read(&log.zeroed(SECOND, 0..to))), "{to}");
    }
    assert!(is_corruption(
        &log.read(&flipped(&log.image, SECOND, 30, 2))
    ));
    let mut image = log.image.clone();
    image.remove(FIRST);
    assert!(is_corruption(&log.read(&image)));
}

#[test]
fn a_segment_missing_in_the_middle_is_corruption() {
    let log = log(&[12_000, 12_000, 12_000, 12_000]);
    for missing in ["wal/000002", "wal/000003"] {
        let mut image = log.image.clone();
        image.remove(missing).unwrap();
        assert!(is_corruption(&log.read(&image)), "{missing}");
    }
}

#[test]
fn a_cut_file_is_corruption_where_something_later_proves_it() {
    let log = log(&[12_000, 12_000, 10]);
    for len in [0, 10, 64, 4096, 4100, 5000, 16_000] {
        for name in [FIRST, SECOND] {
            let mut image = log.image.clone();
            image.get_mut(name).unwrap().truncate(len);
            assert!(is_corruption(&log.read(&image)), "{name} cut to {len}");
        }
    }
}

#[test]
fn two_segments_of_one_number_are_corruption() {
    let log = log(&[10, 10]);
    let mut image = log.image.clone();
    image.insert("wal/000009".to_owned(), image[FIRST].clone());
    assert!(is_corruption(&log.read(&image)));
}

#[test]
fn a_start_that_is_none_is_corruption() {
    let log = log(&[10, 10]);
    let disk = disk_of(&log.image);
    let LogPosition { lsn, chain } = log.start;
    let base = CONFIG.segment_len;
    for (lsn, chain) in [
        (lsn.0, chain ^ 1),
        (base + 64, chain),
        (base + 4095, chain),
        (0, 0),
        (5 * base + 4096, chain),
        (u64::MAX, chain),
    ] {
        let result = read(
            &disk,
            LogPosition {
                lsn: Lsn(lsn),
                chain,
            },
        );
        assert!(is_corruption(&result), "{lsn} {chain}: {result:?}");
    }
    assert!(is_corruption(&read(&MemoryDisk::new(), log.start)));
}

#[test]
fn a_length_no_segment_can_hold_is_no_frame() {
    let log = log(&[10, 10]);
    let last = log.frame(1);
    let (sound, _) = FrameHeader::decode(&log.image[FIRST][last.clone()]).unwrap();
    for payload_len in [u32::MAX, 1 << 31, 16_384, 8_129] {
        let mut image = log.image.clone();
        let bytes = FrameHeader {
            payload_len,
            ..sound
        }
        .encode()
        .0;
        image.get_mut(FIRST).unwrap()[last.start..last.start + 64].copy_from_slice(&bytes);
        let contents = log.read(&image).unwrap();
        assert_eq!(contents.groups, log.contents.groups[..1]);
    }
}

#[test]
fn what_another_database_left_is_not_read() {
    let log = log(&[10]);
    let mut image = log.image.clone();
    let (ours, _) = SegmentHeader::decode(&image[FIRST]).unwrap();
    let spare = image.get_mut(SECOND).unwrap();
    let foreign = SegmentHeader {
        salt: 7,
        seq: SegmentSeq(2),
        continues: log.contents.ends[0].lsn,
        continues_chain: log.contents.ends[0].chain,
        ..ours
    };
    spare[..64].copy_from_slice(&foreign.encode().0);
    assert_eq!(log.read(&image).unwrap(), log.contents);
}

#[test]
fn a_part_that_does_not_belong_is_corruption() {
    let log = log(&[10]);
    let place = log.frame(0);
    let (sound, _) = FrameHeader::decode(&log.image[FIRST][place.clone()]).unwrap();
    let mut image = log.image.clone();
    let bytes = FrameHeader {
        first_part: false,
        ..sound
    }
    .encode()
    .0;
    image.get_mut(FIRST).unwrap()[place.start..place.start + 64].copy_from_slice(&bytes);
    assert!(is_corruption(&log.read(&image)));
}

#[test]
fn an_error_of_the_visitor_ends_the_reading() {
    let log = log(&[10, 10]);
    let stop = crate::error::StorageError::limit("test", 2, 1);
    let result = crate::wal::read_log(&disk_of(&log.image), &CONFIG, log.start, &mut |_| {
        Err(stop.clone())
    });
    assert!(matches!(
        result,
        Err(crate::error::StorageError::Limit(limit)) if limit.name == "test"
    ));
}
