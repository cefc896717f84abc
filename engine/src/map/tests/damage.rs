//! Damage of one place is repaired or reported; no page is ever wrong.

use super::crash_disk::{CrashDisk, Image, Survival};
use super::model::{Model, Rng, Step, checkpoint, create, image};
use crate::disk_format::{MAP_PAGE_LEN, MapKind, MapPageId, SUPERBLOCK_OFFSETS};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::map::{Access, BufferOutcome, Map, MapRecovery};

/// A database of several leaves with holes, as it was a few checkpoints ago and as it is.
fn databases() -> (Image, Image, Model) {
    let disk = CrashDisk::new(Image::new());
    let (map, mut model) = (create(&disk.shared(), 512), Model::default());
    checkpoint(&map, &mut model, &Step::writing(1..=1100)).unwrap();
    checkpoint(&map, &mut model, &Step::freeing([5, 600, 601])).unwrap();
    let old = disk.cut(disk.len(), Survival::All, &mut Rng(0));
    checkpoint(&map, &mut model, &Step::writing([5, 700, 1050, 1300])).unwrap();
    checkpoint(&map, &mut model, &Step::freeing([7, 900, 1300])).unwrap();
    let new = disk.cut(disk.len(), Survival::All, &mut Rng(0));
    (old, new, model)
}

/// The same, but with nothing in the buffer that could heal it.
fn without_buffer(mut image: Image) -> Image {
    image.get_mut("doublewrite").unwrap().fill(0);
    image
}

fn map_pages() -> Vec<MapPageId> {
    let page = |kind, level, index| MapPageId { kind, level, index };
    let mut pages: Vec<_> = (0..3).map(|index| page(MapKind::Pages, 0, index)).collect();
    pages.extend([page(MapKind::Pages, 1, 0), page(MapKind::Slots, 0, 0)]);
    pages
}

fn recover(image: &Image) -> (CrashDisk, Map, MapRecovery) {
    let disk = CrashDisk::new(image.clone());
    let (map, report) = Map::recover(&disk.shared(), Access::ReadWrite).unwrap();
    (disk, map, report)
}

fn home(id: MapPageId) -> usize {
    usize::try_from(id.home()).unwrap()
}

/// Ways in which a page can be damaged: a bit, a sector, all of it, or an older page that came back.
fn damages(old: &Image, new: &Image, id: MapPageId) -> Vec<Vec<u8>> {
    let place = home(id)..home(id) + MAP_PAGE_LEN;
    let right = new["map"][place.clone()].to_vec();
    let mut damages = vec![vec![0; MAP_PAGE_LEN], vec![0xff; MAP_PAGE_LEN]];
    for at in [0, 4, 9, 13, 33, 2000, 4095] {
        let mut flipped = right.clone();
        flipped[at] ^= 0x10;
        damages.push(flipped);
    }
    let mut torn = right.clone();
    torn[..512].fill(0xaa);
    damages.push(torn);
    let stale = old["map"][place].to_vec();
    if stale != right {
        damages.push(stale);
    }
    damages
}

#[test]
fn a_damaged_map_page_is_rebuilt_and_proven() {
    let (old, new, model) = databases();
    let new = without_buffer(new);
    for id in map_pages() {
        for bytes in damages(&old, &new, id) {
            let mut damaged = new.clone();
            damaged.get_mut("map").unwrap()[home(id)..][..MAP_PAGE_LEN].copy_from_slice(&bytes);
            let (disk, map, report) = recover(&damaged);
            assert_eq!(report.rebuilt, [id]);
            model.assert_held_by(&map);
            let (_, map, report) = recover(&disk.cut(disk.len(), Survival::Nothing, &mut Rng(1)));
            assert_eq!(report.rebuilt, [], "it was repaired on disk, durably");
            model.assert_held_by(&map);
            let disk = CrashDisk::new(damaged);
            let (map, _) = Map::recover(&disk.shared(), Access::ReadOnly).unwrap();
            model.assert_held_by(&map);
            assert_eq!(disk.len(), 0);
        }
    }
}

#[test]
fn a_map_page_and_the_bitmap_damaged_at_once_are_right_or_reported() {
    let (_, new, model) = databases();
    let new = without_buffer(new);
    let bitmap = MapPageId {
        kind: MapKind::Slots,
        level: 0,
        index: 0,
    };
    let (mut repaired, mut quarantined) = (0, 0);
    for id in map_pages() {
        let mut damaged = new.clone();
        damaged.get_mut("map").unwrap()[home(id) + 40] ^= 1;
        damaged.get_mut("map").unwrap()[home(bitmap) + 50] ^= 1;
        let disk = CrashDisk::new(damaged);
        let Ok((map, report)) = Map::recover(&disk.shared(), Access::ReadWrite) else {
            continue;
        };
        if report.lost.is_empty() {
            model.assert_held_by(&map);
            repaired += 1;
        } else {
            assert_eq!(disk.len(), 0, "nothing is written where a leaf is lost");
            assert!(map.begin().is_err());
            model.assert_partly_held_by(&map);
            quarantined += 1;
        }
    }
    // Leaves without a page freed since are rebuilt from the newest images even so.
    assert!(repaired >= 2, "{repaired} repaired");
    assert!(quarantined >= 1, "{quarantined} quarantined");
}

#[test]
fn damaged_superblock_copies_are_rewritten_as_long_as_one_is_left() {
    let (_, new, model) = databases();
    for image in [new.clone(), without_buffer(new)] {
        for kept in 0..4 {
            let mut damaged = image.clone();
            for (copy, file) in [(0, "map"), (1, "map"), (2, "data"), (3, "data")] {
                let at = usize::try_from(SUPERBLOCK_OFFSETS[copy % 2]).unwrap();
                if copy != kept {
                    damaged.get_mut(file).unwrap()[at + 40] ^= 4;
                }
            }
            let (disk, map, report) = recover(&damaged);
            assert_eq!(report.damaged_superblocks.len(), 3);
            model.assert_held_by(&map);
            let (_, _, report) = recover(&disk.cut(disk.len(), Survival::Nothing, &mut Rng(1)));
            assert_eq!(report.damaged_superblocks, []);
        }
    }
}

#[test]
fn the_sealed_buffer_stands_in_when_every_superblock_is_gone() {
    let (_, mut new, model) = databases();
    for offset in SUPERBLOCK_OFFSETS {
        let at = usize::try_from(offset).unwrap();
        new.get_mut("map").unwrap()[at..at + 512].fill(0);
        new.get_mut("data").unwrap()[at..at + 512].fill(0);
    }
    let (_, map, report) = recover(&new);
    assert_eq!(report.buffer, BufferOutcome::Accepted);
    model.assert_held_by(&map);
    let disk = CrashDisk::new(without_buffer(new));
    let gone = Map::recover(&disk.shared(), Access::ReadWrite);
    assert!(matches!(
        gone,
        Err(crate::map::MapOpenError::NoSuperblock(_))
    ));
}

#[test]
fn a_damaged_buffer_is_voided_and_its_ids_are_not_used_again() {
    let (_, new, model) = databases();
    for at in (0..1500).step_by(100) {
        let mut damaged = new.clone();
        damaged.get_mut("doublewrite").unwrap()[at] ^= 1;
        let (disk, map, report) = recover(&damaged);
        model.assert_held_by(&map);
        let outcome = report.buffer;
        assert!(
            outcome == BufferOutcome::Rejected || at > 1100,
            "{outcome:?} at {at}"
        );
        assert!(map.begin().unwrap().id() > report.checkpoint);
        let (_, map, report) = recover(&disk.cut(disk.len(), Survival::Nothing, &mut Rng(1)));
        assert!(
            report.buffer != BufferOutcome::Rejected,
            "it was voided durably"
        );
        model.assert_held_by(&map);
    }
}

#[test]
fn an_older_buffer_that_came_back_does_not_count() {
    let (old, mut new, model) = databases();
    new.insert("doublewrite".to_owned(), old["doublewrite"].clone());
    let (_, map, report) = recover(&new);
    assert_eq!(report.buffer, BufferOutcome::Rejected);
    model.assert_held_by(&map);
}

#[test]
fn every_sector_of_the_map_file_may_be_lost() {
    let (_, new, model) = databases();
    for image in [new.clone(), without_buffer(new)] {
        for sector in 0..image["map"].len() / 512 {
            let mut damaged = image.clone();
            let place = &mut damaged.get_mut("map").unwrap()[sector * 512..][..512];
            if place.iter().all(|&byte| byte == 0) {
                continue;
            }
            place.fill(0x55);
            let (_, map, _) = recover(&damaged);
            model.assert_held_by(&map);
        }
    }
}

#[test]
fn a_damaged_or_old_page_is_corruption_that_names_it() {
    let (_, new, model) = databases();
    let (_, map, _) = recover(&new);
    let page = PageNo(700);
    let slot = map.lookup(page).unwrap().slot;
    let offset = map.geometry().slot_offset(slot);
    let at = usize::try_from(offset).unwrap();
    let other = map
        .geometry()
        .slot_offset(map.lookup(PageNo(1050)).unwrap().slot);
    let other = usize::try_from(other).unwrap();
    let mut images = Vec::new();
    for bit in [0, 21, 25, 29, 33, 511] {
        let mut image = new.clone();
        image.get_mut("data").unwrap()[at + bit] ^= 1;
        images.push(image);
    }
    let mut misdirected = new.clone();
    misdirected
        .get_mut("data")
        .unwrap()
        .copy_within(other..other + 512, at);
    images.push(misdirected);
    for image in images {
        let (_, map, _) = recover(&image);
        let mut buf = [0; 512];
        match map.read_page(page, &mut buf).unwrap_err() {
            StorageError::Corruption(found) => {
                assert_eq!((found.file.as_str(), found.offset), ("data", offset));
                assert_eq!(found.page, Some(page));
            }
            error => panic!("{error}"),
        }
        map.read_page(PageNo(1050), &mut buf).unwrap();
        let right = crate::map::tests::model::image(512, PageNo(1050), model.pages[&PageNo(1050)]);
        assert_eq!(buf[32..], right[32..]);
    }
    assert_ne!(
        image(512, page, model.version),
        image(512, PageNo(701), model.version)
    );
}

#[test]
fn arbitrary_bytes_never_open_as_anything_wrong() {
    let (_, new, model) = databases();
    let mut rng = Rng(3);
    for _ in 0..300 {
        let mut damaged = new.clone();
        for _ in 0..=rng.below(4) {
            let name = ["map", "data", "doublewrite"][usize::try_from(rng.below(3)).unwrap()];
            let file = damaged.get_mut(name).unwrap();
            let at = usize::try_from(rng.below(file.len() as u64)).unwrap();
            let end = file
                .len()
                .min(at + usize::try_from(rng.below(3000)).unwrap());
            for byte in &mut file[at..end] {
                *byte = rng.next().to_le_bytes()[0];
            }
            if rng.below(10) == 0 {
                file.truncate(at);
            }
        }
        let disk = CrashDisk::new(damaged);
        let Ok((map, _)) = Map::recover(&disk.shared(), Access::ReadWrite) else {
            continue;
        };
        assert_eq!(map.superblock().version, model.version);
        for (&page, &version) in &model.pages {
            let mut buf = [0; 512];
            if map.read_page(page, &mut buf).is_ok() {
                assert_eq!(buf[32..], image(512, page, version)[32..]);
            }
        }
    }
}
