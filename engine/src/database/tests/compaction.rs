//! Giving back space: how much, beside whom, and cut off anywhere.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::support::{Rows, options, rows};
use crate::database::Database;
use crate::disk::faulty::FaultyDisk;
use crate::disk::{Disk, MemoryDisk, OpenMode};

const KEYS: u32 = 6_000;

/// Every file's length, by name.
fn sizes(disk: &dyn Disk) -> Vec<(String, u64)> {
    let mut sizes = Vec::new();
    for dir in ["", "wal"] {
        for name in disk.list(dir).unwrap() {
            let name = if dir.is_empty() {
                name
            } else {
                format!("{dir}/{name}")
            };
            if let Ok(file) = disk.open(&name, OpenMode::Read) {
                sizes.push((name, file.len().unwrap()));
            }
        }
    }
    sizes
}

fn total(disk: &dyn Disk) -> u64 {
    sizes(disk).iter().map(|(_, len)| len).sum()
}

/// Scattered, so that what stays lies between what goes.
fn key(number: u32) -> [u8; 4] {
    number.wrapping_mul(2_654_435_761).to_be_bytes()
}

fn value(number: u32) -> Vec<u8> {
    let len = if number.is_multiple_of(500) {
        9_000
    } else {
        90
    };
    vec![u8::try_from(number % 251).unwrap(); len]
}

fn load(db: &Database, keys: impl Iterator<Item = u32>) {
    let keys: Vec<u32> = keys.collect();
    for chunk in keys.chunks(300) {
        let mut txn = db.begin().unwrap();
        for number in chunk {
            txn.put("t", &key(*number), &value(*number)).unwrap();
        }
        txn.commit().unwrap();
    }
}

fn delete(db: &Database, keys: impl Iterator<Item = u32>) {
    let keys: Vec<u32> = keys.collect();
    for chunk in keys.chunks(300) {
        let mut txn = db.begin().unwrap();
        for number in chunk {
            txn.delete("t", &key(*number)).unwrap();
        }
        txn.commit().unwrap();
    }
}

fn assert_is_clean(db: &Database) {
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}

fn loaded(disk: &MemoryDisk, keys: impl Iterator<Item = u32>) -> Database {
    let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    load(&db, keys);
    db
}

#[test]
fn after_deleting_most_of_it_the_files_are_as_small_as_those_of_a_fresh_load() {
    let (disk, fresh) = (MemoryDisk::new(), MemoryDisk::new());
    let stays = |number: &u32| number.is_multiple_of(10);
    let db = loaded(&disk, 0..KEYS);
    delete(&db, (0..KEYS).filter(|number| !stays(number)));
    let expected = rows(&db).unwrap();
    let report = db.compact().unwrap();
    assert!(
        report.pages_moved > 0 && report.nodes_filled > 0,
        "{report:?}"
    );
    assert!(report.data_bytes < report.data_bytes_before, "{report:?}");
    assert!(rows(&db).unwrap() == expected);
    assert_is_clean(&db);
    db.close().unwrap();
    loaded(&fresh, (0..KEYS).filter(stays)).close().unwrap();
    let (now, ideal) = (sizes(&disk), sizes(&fresh));
    assert!(
        total(&disk) * 10 <= total(&fresh) * 13,
        "{now:?}, a fresh load {ideal:?}"
    );
    let db = Database::open_on(Arc::new(disk), options()).unwrap();
    assert!(rows(&db).unwrap() == expected);
    assert_is_clean(&db);
}

#[test]
fn what_an_open_snapshot_sees_outlives_a_compaction() {
    let disk = MemoryDisk::new();
    let db = loaded(&disk, 0..1_000);
    let before = db.snapshot().unwrap();
    delete(&db, (0..1_000).filter(|number| number % 7 != 0));
    db.compact().unwrap();
    for number in 0..1_000 {
        let seen = before.get("t", &key(number)).unwrap();
        assert_eq!(seen.as_deref(), Some(&*value(number)));
    }
    assert_is_clean(&db);
    drop(before);
    db.compact().unwrap();
    assert_is_clean(&db);
}

#[test]
fn a_compaction_that_is_ended_leaves_what_it_did() {
    let disk = MemoryDisk::new();
    let db = loaded(&disk, 0..2_000);
    delete(&db, (0..2_000).filter(|number| number % 9 != 0));
    let expected = rows(&db).unwrap();
    for steps in 1..4 {
        let mut left = steps;
        let report = db.compact_while(|_| {
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let report = report.unwrap();
        assert!(report.was_ended || left > 0);
        assert!(rows(&db).unwrap() == expected);
        assert_is_clean(&db);
    }
}

#[test]
fn writers_go_on_during_a_compaction() {
    let disk = MemoryDisk::new();
    let db = loaded(&disk, 0..3_000);
    delete(&db, (0..3_000).filter(|number| number % 5 != 0));
    let mut next = 10_000;
    db.compact_while(|_| {
        load(&db, next..next + 40);
        delete(&db, next - 20..next);
        next += 40;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(next >= 10_080, "{next}");
    let found = rows(&db).unwrap();
    let kept = (0..3_000).filter(|number| number % 5 == 0);
    assert!(kept.clone().all(|number| {
        found
            .get(&("t".to_owned(), key(number).to_vec()))
            .is_some_and(|found| *found == value(number))
    }));
    assert_is_clean(&db);
    drop(db);
    let db = Database::open_on(Arc::new(disk), options()).unwrap();
    assert!(rows(&db).unwrap() == found);
    assert_is_clean(&db);
}

#[test]
fn wherever_a_compaction_is_cut_off_every_row_is_there() {
    let mut whole = false;
    for nth in (0..).step_by(3) {
        let memory = MemoryDisk::new();
        let faulty = FaultyDisk::new(memory.clone());
        let db = Database::create_on(Arc::new(faulty.clone()), options()).unwrap();
        load(&db, 0..1_500);
        delete(&db, (0..1_500).filter(|number| number % 4 != 0));
        let expected = rows(&db).unwrap();
        faulty.end_at(nth);
        let compacted = db.compact().is_ok();
        whole = db.close().is_ok() && compacted;
        let db = Database::open_on(Arc::new(memory), options()).unwrap();
        assert!(rows(&db).unwrap() == expected, "cut at {nth}");
        assert_is_clean(&db);
        if whole {
            assert!(nth > 30, "only {nth} operations");
            break;
        }
    }
    assert!(whole);
}

#[test]
fn space_by_table_adds_up() {
    let db = loaded(&MemoryDisk::new(), 0..1_000);
    db.put("u", b"k", b"v").unwrap();
    let spaces = db.space().unwrap();
    let names: Vec<&str> = spaces.iter().map(|space| &*space.table).collect();
    assert_eq!(names, ["t", "u"]);
    let found: Rows = rows(&db).unwrap();
    let of_table = |table: &str| {
        found
            .iter()
            .filter(|((t, _), _)| t == table)
            .collect::<Vec<_>>()
    };
    for space in &spaces {
        let rows = of_table(&space.table);
        assert_eq!(space.rows, rows.len() as u64);
        let bytes: usize = rows.iter().map(|(_, value)| value.len()).sum();
        assert_eq!(space.value_bytes, bytes as u64);
        assert!(space.value_bytes < space.used_bytes && space.used_bytes <= space.page_bytes);
        assert!(space.fill() > 0.0 && space.fill() <= 1.0);
    }
    let pages: u64 = spaces.iter().map(|space| space.pages).sum();
    // The catalog's one page is no table's.
    assert_eq!(pages + 1, db.verify().unwrap().pages);
}

#[test]
fn opening_and_closing_grows_nothing_and_writes_nothing() {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let shared = || Arc::new(disk.clone());
    let db = Database::create_on(shared(), options()).unwrap();
    load(&db, 0..200);
    db.close().unwrap();
    let before = sizes(&disk);
    disk.take_asked();
    for _ in 0..100 {
        Database::open_on(shared(), options())
            .unwrap()
            .close()
            .unwrap();
    }
    let writes = disk.take_asked().into_iter().filter(|asked| {
        use crate::disk::faulty::Operation::{Len, List, Lock, Open, Read};
        !matches!(asked.operation, Read | Len | List | Lock | Open)
    });
    assert_eq!(writes.collect::<Vec<_>>(), []);
    assert_eq!(sizes(&disk), before);
}

#[test]
fn repeating_a_workload_with_or_without_reopening_does_not_grow_the_files() {
    let disk = MemoryDisk::new();
    let mut db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    let mut largest = 0;
    for round in 0..20 {
        load(&db, 0..400);
        delete(&db, (0..400).filter(|number| number % 3 != 0));
        match round % 3 {
            0 => db.checkpoint().unwrap(),
            1 => {
                db.close().unwrap();
                db = Database::open_on(Arc::new(disk.clone()), options()).unwrap();
            }
            _ => {
                drop(db);
                db = Database::open_on(Arc::new(disk.clone()), options()).unwrap();
            }
        }
        let now = total(&disk);
        if round < 6 {
            largest = largest.max(now);
        }
        assert!(
            now <= largest,
            "round {round}: {now} after {largest}: {:?}",
            sizes(&disk)
        );
    }
}

fn map_len(disk: &MemoryDisk) -> u64 {
    disk.open("map", OpenMode::Read).unwrap().len().unwrap()
}

#[test]
fn a_database_that_lost_everything_and_was_compacted_has_the_map_of_a_fresh_one() {
    let (disk, fresh) = (MemoryDisk::new(), MemoryDisk::new());
    let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    let rows = 0..20_000_u32;
    for chunk in rows.collect::<Vec<_>>().chunks(500) {
        let mut txn = db.begin().unwrap();
        for number in chunk {
            txn.put("t", &key(*number), &[7; 700]).unwrap();
        }
        txn.commit().unwrap();
    }
    db.checkpoint().unwrap();
    let large = map_len(&disk);
    db.delete_range::<&[u8]>("t", ..).unwrap();
    db.put("t", b"one", b"row").unwrap();
    db.compact().unwrap();
    let small = map_len(&disk);
    assert_is_clean(&db);
    // The next commits need no more of it than those of any small database.
    load(&db, 0..20);
    db.checkpoint().unwrap();
    assert_eq!(map_len(&disk), small);
    db.close().unwrap();
    let other = loaded(&fresh, 0..20);
    other.checkpoint().unwrap();
    other.close().unwrap();
    assert_eq!(small, map_len(&fresh), "{large} before");
    assert!(large > small + 10 * 4096, "{large}");
    let db = Database::open_on(Arc::new(disk.clone()), options()).unwrap();
    assert_eq!(db.get("t", b"one").unwrap().as_deref(), Some(&b"row"[..]));
    assert_is_clean(&db);
    load(&db, 0..3_000);
    assert_is_clean(&db);
}

#[test]
fn a_page_at_the_end_that_is_in_use_keeps_the_map_before_it() {
    let disk = MemoryDisk::new();
    let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    for number in 0..1_500_u32 {
        db.put(&format!("table-{number}"), b"k", b"v").unwrap();
    }
    db.checkpoint().unwrap();
    let large = map_len(&disk);
    for number in 0..1_499_u32 {
        db.drop_table(&format!("table-{number}")).unwrap();
    }
    db.compact().unwrap();
    assert_eq!(
        map_len(&disk),
        large,
        "the last table's root keeps its number"
    );
    assert_is_clean(&db);
    db.drop_table("table-1499").unwrap();
    db.compact().unwrap();
    assert!(map_len(&disk) < large);
    assert_is_clean(&db);
}
