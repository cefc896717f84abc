//! A format newer than this engine's, under sound checksums, is refused and left as it is: never taken for damage to be
//! repaired, nor for data.

use std::sync::Arc;

use crate::sweep::database::{Image, Subject, disk_of, image, options};
use crate::sweep::live::{What, live};
use lightning_db::disk_format::codec::checksum;
use lightning_db::{Database, OpenError, SalvageError, salvage_on};

/// Changes a `u32` of a structure whose checksum takes its own field as zeroes.
fn patch_zeroed(bytes: &mut [u8], (at, value): (usize, u32), crc_at: usize) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    let crc = checksum(&[&bytes[..crc_at], &[0; 4], &bytes[crc_at + 4..]]);
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
}

fn patch_segment(bytes: &mut [u8], format: u32) {
    bytes[8..12].copy_from_slice(&format.to_le_bytes());
    let crc = checksum(&[&bytes[..4], &bytes[8..64]]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Opening it, in each way, is refused with the number found, and changes nothing.
fn assert_refused(files: &Image, number: u32) {
    for read_only in [false, true] {
        let disk = disk_of(files);
        let opened = Database::open_on(Arc::new(disk.clone()), options().read_only(read_only));
        match opened {
            Err(OpenError::Unsupported { found, supported }) => {
                assert_eq!((found, supported), (number, 1));
            }
            other => panic!("{other:?}"),
        }
        let mut after = image(&disk);
        after.remove("lock");
        let mut before = files.clone();
        before.remove("lock");
        assert!(after == before, "the files were changed");
    }
    let from: Arc<dyn lightning_db::disk::Disk> = Arc::new(disk_of(files));
    let to = Arc::new(lightning_db::disk::MemoryDisk::new());
    let salvaged = salvage_on(&from, to, options());
    let is_refused = matches!(
        salvaged,
        Err(SalvageError::Source(OpenError::Unsupported { .. }))
    );
    assert!(is_refused, "{salvaged:?}");
}

#[test]
fn a_newer_superblock_is_refused_even_if_only_one_copy_is() {
    for copies in [&[0_usize][..], &[0, 16384]] {
        for names in [&["map"][..], &["data"], &["map", "data"]] {
            let mut files = Subject::new().image;
            for name in names {
                for at in copies {
                    let sector = &mut files.get_mut(*name).unwrap()[*at..*at + 512];
                    patch_zeroed(sector, (8, 2), 508);
                }
            }
            assert_refused(&files, 2);
        }
    }
}

#[test]
fn a_newer_double_write_buffer_is_refused_and_not_voided() {
    for state in [1, 2, 3, 99] {
        let mut files = Subject::new().sealed;
        let header = &mut files.get_mut("doublewrite").unwrap()[..512];
        patch_zeroed(header, (12, state), 508);
        patch_zeroed(header, (8, 7), 508);
        assert_refused(&files, 7);
    }
}

#[test]
fn a_newer_log_segment_is_refused_and_not_taken_for_a_free_file() {
    let subject = Subject::new();
    for structure in live(&subject.image) {
        if structure.what == What::SegmentHeader {
            let mut files = subject.image.clone();
            patch_segment(&mut files.get_mut(&structure.file).unwrap()[..64], 3);
            assert_refused(&files, 3);
        }
    }
}

#[test]
fn a_map_page_of_a_kind_that_there_is_not_is_never_read_as_another() {
    let subject = Subject::new();
    for structure in live(&subject.image) {
        let What::MapPage(_) = structure.what else {
            continue;
        };
        let at = usize::try_from(structure.range.start).unwrap();
        // The magic, and the kind: each with a right checksum, up to the superblock's.
        for (field, value) in [(0, u32::from_le_bytes(*b"LMA2")), (4, 3)] {
            let mut files = subject.image.clone();
            files.get_mut("doublewrite").unwrap().clear();
            let page = &mut files.get_mut("map").unwrap()[at..at + 4096];
            let before = page[12..16].to_vec();
            patch_zeroed(page, (field, value), 12);
            let after = u32::from_le_bytes(page[12..16].try_into().unwrap());
            for name in ["map", "data"] {
                for copy in [0, 16384] {
                    let sector = &mut files.get_mut(name).unwrap()[copy..copy + 512];
                    let root = [64, 68]
                        .into_iter()
                        .find(|root| sector[*root..*root + 4] == before);
                    patch_zeroed(sector, (root.unwrap(), after), 508);
                }
            }
            let disk = disk_of(&files);
            let Ok(db) = Database::open_on(Arc::new(disk), options()) else {
                continue;
            };
            assert!(db.recovery_report().read_only.is_some());
            for ((table, key), value) in &subject.rows {
                if let Ok(found) = db.get(table, key) {
                    assert_eq!(found.as_deref(), Some(&**value));
                }
            }
        }
    }
}
