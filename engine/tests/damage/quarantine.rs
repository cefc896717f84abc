//! Damage costs what it hits: everything else can be read, and where that is sound, written.

use std::sync::Arc;

use crate::sweep::database::{self, Image, disk_of, flip, image, options};
use crate::sweep::live::{Live, What, live};
use lightning_db::disk::MemoryDisk;
use lightning_db::disk_format::{MapKind, MapPageId};
use lightning_db::error::StorageError;
use lightning_db::ids::PageNo;
use lightning_db::{Database, Durability, ReadError, WriteError};

fn key(i: u32) -> Vec<u8> {
    format!("{i:05}").into_bytes()
}

/// A closed database of `rows` rows in leaves of about twenty, and a buffer that heals nothing.
fn closed(rows: u32) -> Image {
    let disk = MemoryDisk::new();
    let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    let mut txn = db.begin().unwrap();
    for i in 0..rows {
        txn.put("t", &key(i), &[i.to_le_bytes()[0]; 180]).unwrap();
    }
    txn.commit().unwrap();
    db.close().unwrap();
    let mut image = image(&disk);
    image.get_mut("doublewrite").unwrap().clear();
    image
}

fn open(disk: &MemoryDisk) -> Database {
    Database::open_on(Arc::new(disk.clone()), options()).unwrap()
}

fn leaf_of_map(index: u32) -> What {
    What::MapPage(MapPageId {
        kind: MapKind::Pages,
        level: 0,
        index,
    })
}

fn find(image: &Image, what: What) -> Live {
    let all = live(image);
    all.into_iter().find(|live| live.what == what).unwrap()
}

/// The tree's leaves in the order of their keys: page and place.
fn leaves(image: &Image) -> Vec<Live> {
    let mut leaves: Vec<(Vec<u8>, Live)> = Vec::new();
    for live in live(image) {
        let at = usize::try_from(live.range.start).unwrap();
        let page = &image[&live.file][at..];
        let is_page = matches!(live.what, What::Page(no) if no > PageNo(1));
        if is_page && page[13] == 1 && page[12] == 0 {
            // The lowest key: its head, after the prefix at the page's end.
            let prefix_len = usize::from(u16::from_le_bytes([page[10], page[11]]));
            let mut first = page[4096 - prefix_len..4096].to_vec();
            first.extend(u32::from_le_bytes(page[32..36].try_into().unwrap()).to_be_bytes());
            leaves.push((first, live));
        }
    }
    leaves.sort_by(|a, b| a.0.cmp(&b.0));
    leaves.into_iter().map(|(_, live)| live).collect()
}

fn is_damage(error: &ReadError) -> bool {
    matches!(error, ReadError::Storage(StorageError::Corruption(_)))
}

#[test]
fn a_map_page_that_cannot_be_rebuilt_costs_its_pages_and_writing() {
    // More pages than one map page names, so that some are outside the lost one.
    let image = closed(11_000);
    let map_page = find(&image, leaf_of_map(1));
    let in_it = find(&image, What::Page(PageNo(520)));
    let disk = disk_of(&image);
    flip(&disk, "map", map_page.range.start + 100, 3);
    flip(&disk, "data", in_it.range.start + 1000, 3);
    let damaged = database::image(&disk);
    let db = open(&disk);
    let report = db.recovery_report();
    assert!(report.read_only.as_ref().unwrap().contains("map"));
    let first = &report.damage[0];
    assert_eq!((&*first.file, first.offset), ("map", map_page.range.start));
    assert!(report.damage.len() > 1, "the tables' losses are named");
    let (mut read, mut lost) = (0, 0);
    for i in 0..11_000 {
        match db.get("t", &key(i)) {
            Ok(value) => {
                assert_eq!(value.as_deref(), Some(&[i.to_le_bytes()[0]; 180][..]));
                read += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("damage in map"), "{error}");
                let is_named = |keys: &lightning_db::KeyRange| keys.contains(&key(i));
                let all = &report.damage;
                assert!(all.iter().any(|d| d.keys.as_ref().is_some_and(is_named)));
                lost += 1;
            }
        }
    }
    assert!(read > 1000 && lost > 100, "{read} read, {lost} lost");
    assert_eq!(
        db.begin().unwrap().put("t", b"k", b"v"),
        Err(WriteError::ReadOnly)
    );
    assert!(!db.verify().unwrap().is_clean());
    db.close().unwrap();
    assert!(database::image(&disk) == damaged, "nothing was written");
}

#[test]
fn a_damaged_leaf_and_a_damaged_bitmap_together_do_not_close_the_database() {
    let image = closed(300);
    let bitmap = What::MapPage(MapPageId {
        kind: MapKind::Slots,
        level: 0,
        index: 0,
    });
    let disk = disk_of(&image);
    flip(&disk, "map", find(&image, bitmap).range.start + 40, 1);
    flip(&disk, "data", leaves(&image)[3].range.start + 900, 1);
    let db = open(&disk);
    assert_eq!(db.recovery_report().repairs.len(), 1, "the bitmap");
    let lost: Vec<u32> = (0..300)
        .filter(|i| db.get("t", &key(*i)).is_err())
        .collect();
    assert!((10..40).contains(&lost.len()), "{lost:?}");
    for i in (0..300).filter(|i| !lost.contains(i)) {
        db.put("t", &key(i), b"new").unwrap();
    }
    db.close().unwrap();
    let db = open(&disk);
    for i in 0..300 {
        match db.get("t", &key(i)) {
            Ok(value) => assert_eq!(value.as_deref(), Some(&b"new"[..])),
            Err(error) => assert!(is_damage(&error) && lost.contains(&i), "{error}"),
        }
    }
}

#[test]
fn rows_beside_a_damaged_leaf_can_be_deleted() {
    let image = closed(300);
    let leaves = leaves(&image);
    let disk = disk_of(&image);
    for damaged in [3, 6] {
        flip(&disk, "data", leaves[damaged].range.start + 900, 1);
    }
    let db = open(&disk);
    let (mut refused, mut last_ones) = (0, 0);
    for i in 0..300 {
        if db.get("t", &key(i)).is_ok() {
            // The last row between damaged leaves stays: an empty leaf has to be merged with a neighbour.
            let is_deleted = db.delete("t", &key(i)).is_ok();
            assert_eq!(db.get("t", &key(i)).unwrap().is_none(), is_deleted);
            last_ones += u32::from(!is_deleted);
        } else {
            assert!(db.delete("t", &key(i)).is_err());
            refused += 1;
        }
    }
    assert!((20..80).contains(&refused), "{refused}");
    assert!(last_ones <= 3, "{last_ones}");
    db.close().unwrap();
    let db = open(&disk);
    for i in 0..300 {
        let found = db.get("t", &key(i));
        last_ones -= u32::from(matches!(found, Ok(Some(_))));
    }
    assert_eq!(last_ones, 0, "no other row came back");
    let report = db.verify().unwrap();
    assert_eq!(report.damage.len(), 2, "{:?}", report.problems);
}

#[test]
fn logged_writes_behind_damage_are_kept_in_the_log_and_the_rest_is_replayed() {
    let disk = disk_of(&closed(300));
    let db = open(&disk);
    for i in 0..300 {
        let mut txn = db.begin().unwrap();
        txn.put("t", &key(i), b"logged").unwrap();
        txn.put("other", &key(i), b"logged").unwrap();
        txn.commit_with(Durability::Sync).unwrap();
    }
    drop(db);
    let image = image(&disk);
    let damaged_leaf = &leaves(&image)[5];
    flip(&disk, "data", damaged_leaf.range.start + 900, 1);
    let before = database::image(&disk);
    let db = open(&disk);
    let report = db.recovery_report();
    assert!(report.read_only.as_ref().unwrap().contains("replayed"));
    let (mut read, mut lost) = (0, 0);
    for i in 0..300 {
        assert_eq!(
            db.get("other", &key(i)).unwrap().as_deref(),
            Some(&b"logged"[..])
        );
        match db.get("t", &key(i)) {
            Ok(value) => {
                assert_eq!(value.as_deref(), Some(&b"logged"[..]));
                read += 1;
            }
            Err(error) => {
                assert!(is_damage(&error), "{error}");
                let is_named = |keys: &lightning_db::KeyRange| keys.contains(&key(i));
                let all = &report.damage;
                assert!(all.iter().any(|d| d.keys.as_ref().is_some_and(is_named)));
                lost += 1;
            }
        }
    }
    assert!(lost > 5 && read > 200, "{lost} lost, {read} read");
    drop(db);
    assert!(
        database::image(&disk) == before,
        "the log and all else is as it was"
    );
}

#[test]
fn verify_tells_how_far_it_is_and_can_be_ended() {
    let db = open(&disk_of(&closed(3_000)));
    let mut told = Vec::new();
    let report = db.verify_with(&mut |progress| {
        told.push(progress);
        std::ops::ControlFlow::Continue(())
    });
    let report = report.unwrap();
    assert!(report.is_clean() && !report.is_cut_short);
    let phases: std::collections::BTreeSet<_> = told.iter().map(|p| p.phase).collect();
    assert_eq!(phases.len(), 4);
    assert!(told.iter().all(|p| p.done <= p.total), "{told:?}");
    assert!(told.is_sorted_by_key(|p| (p.phase, p.done)), "{told:?}");
    let cut = db
        .verify_with(&mut |_| std::ops::ControlFlow::Break(()))
        .unwrap();
    assert!(cut.is_cut_short && cut.pages_read < report.pages_read);
}
