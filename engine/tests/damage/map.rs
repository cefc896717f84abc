//! Damage in the `map` file: what can be proven is rebuilt, what cannot is named, and `salvage` returns all that lies outside.

use std::sync::Arc;

use crate::sweep::database::{self, Image, disk_of, flip, image, options};
use crate::sweep::live::{Live, What, live};
use lightning_db::disk::MemoryDisk;
use lightning_db::disk_format::{MapKind, MapPageId};
use lightning_db::error::StorageError;
use lightning_db::{Database, OpenError, salvage_on};

const ROWS: u32 = 11_000;

fn key(i: u32) -> Vec<u8> {
    format!("{i:05}").into_bytes()
}

fn value(i: u32) -> [u8; 180] {
    [i.to_le_bytes()[0]; 180]
}

/// A closed database with a page map of two leaves and a page above them, and a buffer that heals nothing.
fn closed() -> Image {
    let disk = MemoryDisk::new();
    let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    let mut txn = db.begin().unwrap();
    for i in 0..ROWS {
        txn.put("t", &key(i), &value(i)).unwrap();
    }
    txn.commit().unwrap();
    db.close().unwrap();
    let mut image = image(&disk);
    image.get_mut("doublewrite").unwrap().clear();
    image
}

fn map_pages(image: &Image) -> Vec<Live> {
    let all = live(image).into_iter().filter(|live| live.file == "map");
    all.collect()
}

fn level(live: &Live) -> Option<(MapKind, u8)> {
    match live.what {
        What::MapPage(MapPageId { kind, level, .. }) => Some((kind, level)),
        _ => None,
    }
}

/// Where a bit is flipped: in the header and in what is proven by it.
fn damage(disk: &MemoryDisk, live: &Live) {
    let len = live.range.end - live.range.start;
    for at in [1, 13, 60, len - 1] {
        flip(disk, "map", live.range.start + at, 4);
    }
}

fn assert_whole(db: &Database, context: &str) {
    let mut rows = 0;
    for (row, i) in db.snapshot().unwrap().scan("t").unwrap().zip(0..) {
        let (key_found, value_found) = row.unwrap();
        assert_eq!(
            (&*key_found, &*value_found),
            (&*key(i), &value(i)[..]),
            "{context}"
        );
        rows += 1;
    }
    assert_eq!(rows, ROWS, "{context}");
}

fn open(disk: &MemoryDisk) -> Result<Database, OpenError> {
    Database::open_on(Arc::new(disk.clone()), options())
}

/// Salvages, and counts the rows that came back certain, and uncertain. All are right.
fn salvaged(disk: &MemoryDisk) -> (usize, usize) {
    let to = MemoryDisk::new();
    let from: Arc<dyn lightning_db::disk::Disk> = Arc::new(disk.clone());
    salvage_on(&from, Arc::new(to.clone()), options()).unwrap();
    let db = open(&to).unwrap();
    let mut counts = [0, 0];
    for (table, count) in ["t", "uncertain-t"].into_iter().zip(&mut counts) {
        for row in db.snapshot().unwrap().scan(table).into_iter().flatten() {
            let (found, bytes) = row.unwrap();
            let i = std::str::from_utf8(&found).unwrap().parse().unwrap();
            assert_eq!(*bytes, value(i));
            *count += 1;
        }
    }
    counts.into()
}

#[test]
fn any_single_page_of_the_map_is_rebuilt_and_the_file_is_as_before() {
    let image = closed();
    let pages = map_pages(&image);
    assert!(
        pages
            .iter()
            .any(|live| level(live) == Some((MapKind::Pages, 1)))
    );
    for live in &pages {
        let context = format!("{:?}", live.what);
        let disk = disk_of(&image);
        damage(&disk, live);
        let db = open(&disk).unwrap();
        let report = db.recovery_report();
        assert_eq!(
            (report.repairs.len(), &report.read_only),
            (1, &None),
            "{context}"
        );
        assert_whole(&db, &context);
        assert!(db.verify().unwrap().is_clean(), "{context}");
        drop(db);
        assert!(database::image(&disk)["map"] == image["map"], "{context}");
    }
}

#[test]
fn all_pages_of_the_page_map_together_are_rebuilt_from_the_slots() {
    let image = closed();
    let disk = disk_of(&image);
    let pages = map_pages(&image);
    let of_pages: Vec<_> = pages
        .iter()
        .filter(|live| matches!(level(live), Some((MapKind::Pages, _))))
        .collect();
    assert!(of_pages.len() >= 3);
    for live in &of_pages {
        damage(&disk, live);
    }
    let db = open(&disk).unwrap();
    assert_eq!(db.recovery_report().repairs.len(), of_pages.len());
    assert_whole(&db, "all");
    drop(db);
    assert!(database::image(&disk)["map"] == image["map"]);
}

#[test]
fn any_two_pages_of_the_map_are_rebuilt() {
    let image = closed();
    let pages = map_pages(&image);
    for (n, one) in pages.iter().enumerate() {
        for two in pages.iter().skip(n + 1) {
            let context = format!("{:?} and {:?}", one.what, two.what);
            let disk = disk_of(&image);
            damage(&disk, one);
            damage(&disk, two);
            let db = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(db.recovery_report().read_only, None, "{context}");
            assert_whole(&db, &context);
        }
    }
}

#[test]
fn an_upper_page_that_cannot_be_proven_is_named_and_salvage_returns_the_rest() {
    let image = closed();
    let all = live(&image);
    let find = |wanted| all.iter().find(|live| level(live) == Some(wanted)).unwrap();
    let upper = find((MapKind::Pages, 1));
    let leaf = find((MapKind::Pages, 0));
    // A page of the tree, and not the catalog's or the root.
    let lost = |live: &&Live| matches!(live.what, What::Page(no) if no.get() == 40);
    let lost = all.iter().find(lost).unwrap();
    let disk = disk_of(&image);
    damage(&disk, upper);
    damage(&disk, leaf);
    flip(&disk, "data", lost.range.start + 1000, 2);
    let damaged = database::image(&disk);
    match open(&disk) {
        Err(OpenError::Storage(StorageError::Corruption(place))) => {
            assert_eq!((&*place.file, place.offset), ("map", upper.range.start));
        }
        other => panic!("{other:?}"),
    }
    assert!(database::image(&disk) == damaged, "nothing was written");
    let (certain, uncertain) = salvaged(&disk);
    let lost = usize::try_from(ROWS).unwrap() - certain - uncertain;
    assert!(
        (5..40).contains(&lost),
        "{certain} certain, {uncertain} uncertain, {lost} lost"
    );
}

#[test]
fn a_map_that_is_cut_off_is_named_and_salvage_returns_everything() {
    let mut image = closed();
    for keep in [40 << 10, 33 << 10, 17 << 10, 0] {
        image.get_mut("map").unwrap().truncate(keep);
        let disk = disk_of(&image);
        match open(&disk) {
            Err(OpenError::Storage(StorageError::Corruption(place))) => {
                assert_eq!(&*place.file, "map", "{place}");
            }
            Err(error) => panic!("{error}"),
            Ok(db) => assert_whole(&db, "cut off"),
        }
        let (certain, uncertain) = salvaged(&disk);
        assert_eq!(certain + uncertain, usize::try_from(ROWS).unwrap());
    }
}
