//! A log whose replay meets damaged pages: everything beside the damage is as the log says, what lies behind it is an error, and
//! nothing is ever wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sweep::database::{self, Image, disk_of, flip, image, options};
use crate::sweep::live::{Live, What, live};
use crate::sweep::rng::Rng;
use lightning_db::disk::MemoryDisk;
use lightning_db::error::StorageError;
use lightning_db::ids::PageNo;
use lightning_db::{CommitError, Database, ReadError, WriteFailure};

type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a database must hold.
#[derive(Clone, Default)]
struct Model(BTreeMap<String, Table>);

fn key(i: u32) -> Vec<u8> {
    format!("{i:05}").into_bytes()
}

fn value(i: u32, len: usize) -> Vec<u8> {
    vec![i.to_le_bytes()[0]; len]
}

/// A table's name, so long that few fit a node of the catalog.
fn name(i: u32) -> String {
    format!("table-{i:03}-{}", "x".repeat(60))
}

/// A key so long that few separators fit a node, and trees are high.
fn long(i: u32) -> Vec<u8> {
    let mut key = format!("{:03}", i / 12).into_bytes();
    key.extend(vec![b'x'; 490]);
    key.extend(i.to_be_bytes());
    key
}

/// A database and what it must hold.
struct World {
    db: Database,
    model: Model,
}

impl World {
    fn put(&mut self, table: &str, keys: impl IntoIterator<Item = Vec<u8>>, len: usize) {
        let mut txn = self.db.begin().unwrap();
        let rows = self.model.0.entry(table.to_owned()).or_default();
        for key in keys {
            let value = value(u32::try_from(key.len() + len).unwrap(), len);
            txn.put(table, &key, &value).unwrap();
            rows.insert(key, value);
        }
        txn.commit().unwrap();
    }

    fn delete(&mut self, table: &str, keys: impl IntoIterator<Item = Vec<u8>>) {
        let mut txn = self.db.begin().unwrap();
        for key in keys {
            txn.delete(table, &key).unwrap();
            self.model.0.get_mut(table).unwrap().remove(&key);
        }
        txn.commit().unwrap();
    }

    fn delete_range(&mut self, table: &str, range: std::ops::Range<Vec<u8>>) {
        self.db.delete_range(table, range.clone()).unwrap();
        let rows = self.model.0.get_mut(table).unwrap();
        rows.retain(|key, _| !range.contains(key));
    }

    fn drop_table(&mut self, table: &str) {
        self.db.drop_table(table).unwrap();
        self.model.0.remove(table).unwrap();
    }

    fn rename(&mut self, from: &str, to: &str) {
        self.db.rename_table(from, to).unwrap();
        let rows = self.model.0.remove(from).unwrap();
        self.model.0.insert(to.to_owned(), rows);
    }

    fn close(self) -> Model {
        self.db.close().unwrap();
        self.model
    }
}

fn create(disk: &MemoryDisk) -> World {
    World {
        db: Database::create_on(Arc::new(disk.clone()), options()).unwrap(),
        model: Model::default(),
    }
}

fn open(disk: &MemoryDisk) -> Database {
    Database::open_on(Arc::new(disk.clone()), options()).unwrap()
}

/// A checkpoint of `before`, and a log of `after`.
fn logged(before: impl FnOnce(&mut World), after: impl FnOnce(&mut World)) -> (Image, Model) {
    let disk = MemoryDisk::new();
    let mut world = create(&disk);
    before(&mut world);
    let model = world.close();
    let db = open(&disk);
    let mut world = World { db, model };
    after(&mut world);
    let World { db, model } = world;
    drop(db);
    let mut image = image(&disk);
    image.get_mut("doublewrite").unwrap().clear();
    (image, model)
}

fn is_damage(error: &ReadError) -> bool {
    matches!(error, ReadError::Storage(StorageError::Corruption(_)))
}

/// Everything that is read is right; returns how many rows cannot be.
fn assert_right(db: &Database, model: &Model, context: &str) -> usize {
    let mut lost = 0;
    if let Ok(tables) = db.tables() {
        assert!(
            tables.iter().eq(model.0.keys()),
            "{context}: the tables' names"
        );
    }
    for (table, rows) in &model.0 {
        for (key, value) in rows {
            match db.get(table, key) {
                Ok(Some(found)) => assert_eq!(*found, **value, "{context}: {table}"),
                Ok(None) => panic!("{context}: {table}, {} vanished", key.escape_ascii()),
                Err(error) => {
                    assert!(is_damage(&error), "{error}");
                    lost += 1;
                }
            }
        }
        let snapshot = db.snapshot().unwrap();
        let Ok(found) = snapshot.scan(table) else {
            continue;
        };
        // As far as it gets, row by row.
        for (row, expected) in found.zip(rows) {
            let Ok((key, value)) = row else { break };
            assert_eq!(
                (&*key, &*value),
                (&**expected.0, &**expected.1),
                "{context}"
            );
        }
    }
    for (table, key) in gone(model) {
        if let Ok(Some(_)) = db.get(&table, &key) {
            panic!("{context}: {table}, {} came back", key.escape_ascii());
        }
    }
    lost
}

/// What was deleted, dropped or given another name.
fn gone(model: &Model) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let few = (0..130).map(|i| (name(i), 10));
    let many = ["t", "deep", "deeper", "large"].map(|table| (table.to_owned(), 300));
    for (table, count) in few.chain(many) {
        let keys = (0..count).map(key).chain((0..count / 2).map(long));
        let rows = model.0.get(&table);
        let absent = keys.filter(|key| rows.is_none_or(|rows| !rows.contains_key(key)));
        all.extend(absent.map(|key| (table.clone(), key)));
    }
    all
}

fn pages(image: &Image) -> Vec<Live> {
    let pages = live(image).into_iter();
    pages
        .filter(|live| matches!(live.what, What::Page(_)))
        .collect()
}

fn page(image: &Image, live: &Live) -> Vec<u8> {
    let at = usize::try_from(live.range.start).unwrap();
    image[&live.file][at..at + 4096].to_vec()
}

/// The leaves of a database of one table, in the order of their keys.
fn leaves(image: &Image) -> Vec<Live> {
    let mut leaves: Vec<_> = pages(image)
        .into_iter()
        .filter_map(|live| {
            let bytes = page(image, &live);
            let is_leaf = bytes[13] == 1 && live.what != What::Page(PageNo(1));
            let prefix_len = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
            let mut first = bytes[4096 - prefix_len..].to_vec();
            first.extend(bytes[32..36].iter().rev());
            is_leaf.then_some((first, live))
        })
        .collect();
    leaves.sort_by(|a, b| a.0.cmp(&b.0));
    leaves.into_iter().map(|(_, live)| live).collect()
}

fn damage(disk: &MemoryDisk, live: &Live) {
    flip(disk, "data", live.range.start + 900, 1);
}

fn damage_all(disk: &MemoryDisk, all: &[&Live]) {
    for live in all {
        damage(disk, live);
    }
}

fn rows_of_t(world: &mut World) {
    world.put("t", (0..300).map(key), 180);
}

#[test]
fn a_logged_drop_of_a_table_with_a_damaged_leaf_is_done_and_leaves_nothing_behind() {
    let (image, model) = logged(rows_of_t, |world| {
        world.put("other", (0..10).map(key), 10);
        world.drop_table("t");
    });
    for leaf in leaves(&image) {
        let disk = disk_of(&image);
        damage(&disk, &leaf);
        let db = open(&disk);
        let report = db.recovery_report();
        assert_eq!(report.read_only, None);
        let named = report
            .damage
            .iter()
            .map(|damage| What::Page(damage.page.unwrap()));
        assert!(named.eq([leaf.what]), "{:?}", report.damage);
        assert_eq!(report.damage[0].offset, leaf.range.start);
        assert_eq!(assert_right(&db, &model, "dropped"), 0);
        db.put("t", b"new", b"row").unwrap();
        db.close().unwrap();
        let db = open(&disk);
        assert!(db.recovery_report().damage.is_empty());
        assert_eq!(db.snapshot().unwrap().scan("t").unwrap().count(), 1);
        assert!(db.verify().unwrap().is_clean(), "no page leaks");
    }
}

#[test]
fn a_logged_drop_of_a_table_whose_root_is_damaged_costs_space_which_is_reported() {
    let (image, model) = logged(rows_of_t, |world| world.drop_table("t"));
    let is_root = |live: &&Live| page(&image, live)[13] == 2;
    let root = pages(&image).iter().find(is_root).unwrap().clone();
    let disk = disk_of(&image);
    damage(&disk, &root);
    let db = open(&disk);
    assert_eq!(db.recovery_report().read_only, None);
    let report = format!("{:?}", db.recovery_report().damage);
    assert!(report.contains("lost space"), "{report}");
    assert_eq!(assert_right(&db, &model, "dropped"), 0);
    db.put("t", b"new", b"row").unwrap();
    db.close().unwrap();
    let db = open(&disk);
    assert_eq!(&*db.get("t", b"new").unwrap().unwrap(), b"row");
    assert!(
        !db.verify().unwrap().is_clean(),
        "the leaves that hung on it are not reached"
    );
}

#[test]
fn a_logged_range_delete_costs_the_leaf_that_is_damaged_and_is_done_around_it() {
    let (image, model) = logged(rows_of_t, |world| {
        world.delete_range("t", key(40)..key(200));
    });
    let leaves = leaves(&image);
    let mut untouched = 0;
    for leaf in &leaves {
        let context = format!("{:?}", leaf.what);
        let disk = disk_of(&image);
        damage(&disk, leaf);
        let db = open(&disk);
        assert_right(&db, &model, &context);
        let closed: Vec<_> = (0..300)
            .filter(|i| db.get("t", &key(*i)).is_err())
            .collect();
        // Its own rows, and where its neighbours could not take the rest, theirs.
        assert!((15..45).contains(&closed.len()), "{context}: {closed:?}");
        let report = db.recovery_report();
        if report.read_only.is_none() {
            // Nothing was deleted there.
            assert!(report.damage.is_empty());
            untouched += 1;
            continue;
        }
        for i in closed {
            let is_named = |keys: &lightning_db::KeyRange| keys.contains(&key(i));
            let named = report
                .damage
                .iter()
                .filter_map(|damage| damage.keys.as_ref());
            assert!(named.into_iter().any(is_named), "{context}: {i}");
        }
    }
    assert!((3..8).contains(&untouched), "{untouched}");
}

#[test]
fn what_a_closed_off_leaf_missed_is_made_up_for_when_it_can_be_read_again() {
    let (image, model) = logged(rows_of_t, |world| {
        world.put("t", (0..300).step_by(3).map(key), 50);
        world.delete_range("t", key(40)..key(200));
    });
    let leaf = &leaves(&image)[6];
    let disk = disk_of(&image);
    damage(&disk, leaf);
    let db = open(&disk);
    assert!(db.recovery_report().read_only.is_some());
    let lost = assert_right(&db, &model, "damaged");
    // The disk changes its mind.
    damage(&disk, leaf);
    assert_eq!(assert_right(&db, &model, "healed, but not replayed"), lost);
    drop(db);
    assert!(database::image(&disk) == image, "nothing was written");
    let db = open(&disk);
    assert_eq!(db.recovery_report().damage, []);
    assert_eq!(assert_right(&db, &model, "replayed"), 0);
    db.put("t", b"k", b"v").unwrap();
}

#[test]
fn a_logged_delete_that_would_empty_a_leaf_between_damaged_ones_does_not_close_the_database() {
    let (image, model) = logged(rows_of_t, |world| {
        world.delete("t", (100..140).map(key));
    });
    let leaves = leaves(&image);
    for first in 0..leaves.len() - 2 {
        let disk = disk_of(&image);
        damage(&disk, &leaves[first]);
        damage(&disk, &leaves[first + 2]);
        let db = open(&disk);
        assert_right(&db, &model, &format!("leaves {first} and {}", first + 2));
    }
}

fn many_tables(world: &mut World) {
    for i in 0..120 {
        world.put(&name(i), (0..3).map(key), 20);
    }
}

#[test]
fn a_logged_rename_between_names_of_which_one_is_behind_damage_hides_both() {
    let (image, model) = logged(many_tables, |world| {
        world.rename(&name(10), &name(125));
        world.rename(&name(115), &name(9)[..40]);
        world.put(&name(125), (3..5).map(key), 7);
        world.put(&name(9)[..40], (3..5).map(key), 7);
    });
    let names = |live: &Live| {
        let bytes = page(&image, live);
        let has_names = bytes.windows(6).any(|bytes| bytes == b"xxxxxx");
        (has_names && bytes[13] == 1).then(|| live.clone())
    };
    let leaves: Vec<_> = pages(&image).iter().filter_map(names).collect();
    assert!(leaves.len() > 2);
    let mut hidden = 0;
    for leaf in &leaves {
        let disk = disk_of(&image);
        damage(&disk, leaf);
        let db = open(&disk);
        let context = format!("{:?}", leaf.what);
        let lost = assert_right(&db, &model, &context);
        assert!(lost < 250, "{lost}");
        for table in [name(10), name(125), name(115), name(9)[..40].to_owned()] {
            hidden += u32::from(db.get(&table, &key(0)).is_err());
        }
    }
    assert!(hidden >= 4, "{hidden}");
}

/// Something of everything.
fn mixture() -> (Image, Model) {
    let before = |world: &mut World| {
        rows_of_t(world);
        many_tables(world);
        world.put("deep", (0..120).map(long), 330);
        world.put("large", (0..6).map(key), 9_000);
    };
    logged(before, |world| {
        world.put("t", (0..300).step_by(7).map(key), 60);
        world.delete("t", (0..300).step_by(11).map(key));
        world.delete_range("t", key(60)..key(220));
        world.put("t", (100..110).map(key), 200);
        world.put("large", [key(1)], 12_000);
        world.delete("large", [key(2)]);
        world.delete_range("large", key(3)..key(5));
        world.delete_range("deep", long(20)..long(70));
        world.rename("deep", "deeper");
        world.put("deeper", (30..33).map(long), 40);
        world.put("deep", (0..4).map(long), 30);
        world.drop_table(&name(20));
        world.put(&name(20), [key(9)], 30);
        world.rename(&name(10), &name(125));
        world.rename(&name(115), &name(10));
        world.put(&name(10), [key(7)], 70);
        world.drop_table(&name(125));
        world.put(&name(126), [key(1)], 8);
        // All of it in one group.
        let mut txn = world.db.begin().unwrap();
        txn.drop_table(&name(40)).unwrap();
        txn.put(&name(40), &key(1), b"anew").unwrap();
        txn.delete_range("t", key(0)..key(30)).unwrap();
        txn.put("t", &key(5), b"anew").unwrap();
        txn.rename_table(&name(50), &name(127)).unwrap();
        txn.put(&name(127), &key(1), b"anew").unwrap();
        txn.commit().unwrap();
        let model = &mut world.model.0;
        let anew = |i| (key(i), b"anew".to_vec());
        model.insert(name(40), Table::from([anew(1)]));
        let t = model.get_mut("t").unwrap();
        t.retain(|k, _| *k >= key(30));
        t.extend([anew(5)]);
        let mut renamed = model.remove(&name(50)).unwrap();
        renamed.extend([anew(1)]);
        model.insert(name(127), renamed);
        world.drop_table("large");
    })
}

/// Opens with these pages damaged, and again.
fn assert_survives(image: &Image, model: &Model, damaged: &[&Live]) -> Option<String> {
    let context = format!(
        "{:?}",
        damaged.iter().map(|live| live.what).collect::<Vec<_>>()
    );
    let disk = disk_of(image);
    damage_all(&disk, damaged);
    let db = Database::open_on(Arc::new(disk.clone()), options());
    let db = db.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_right(&db, model, &context);
    let read_only = db.recovery_report().read_only.clone();
    if read_only.is_some() {
        damage_all(&disk, damaged);
        assert_right(&db, model, &format!("healed while open: {context}"));
        drop(db);
        assert!(
            database::image(&disk) == *image,
            "{context}: it was written to"
        );
        let db = open(&disk);
        assert_eq!(assert_right(&db, model, &context), 0, "healed: {context}");
    } else {
        db.put("one more", b"k", b"v").unwrap();
        let mut model = model.clone();
        let row = (b"k".to_vec(), b"v".to_vec());
        model.0.insert("one more".to_owned(), Table::from([row]));
        db.close().unwrap();
        let db = open(&disk);
        assert_right(&db, &model, &format!("opened again: {context}"));
    }
    read_only
}

#[test]
fn a_replay_over_any_damaged_page_opens_and_reads_nothing_wrong() {
    let (image, model) = mixture();
    let pages = pages(&image);
    let outcomes: Vec<_> = pages
        .iter()
        .map(|live| assert_survives(&image, &model, &[live]))
        .collect();
    assert!(outcomes.iter().any(Option::is_none) && outcomes.iter().any(Option::is_some));
    let all: Vec<_> = pages.iter().collect();
    assert_survives(&image, &model, &all);
}

#[test]
fn a_replay_over_several_damaged_pages_opens_and_reads_nothing_wrong() {
    let (image, model) = mixture();
    let pages = pages(&image);
    let mut rng = Rng(7);
    for _ in 0..150 {
        let mut damaged: Vec<&Live> = Vec::new();
        for _ in 0..2 + rng.below(4) {
            let at = usize::try_from(rng.below(pages.len() as u64)).unwrap();
            if !damaged.iter().any(|live| live.what == pages[at].what) {
                damaged.push(&pages[at]);
            }
        }
        assert_survives(&image, &model, &damaged);
    }
}

#[test]
fn operations_on_a_live_database_that_meet_damage_fail_and_change_nothing() {
    let (image, model) = logged(rows_of_t, |world| {
        world.put("other", (0..10).map(key), 10);
    });
    let disk = disk_of(&image);
    let leaves = leaves(&image);
    damage(&disk, &leaves[6]);
    let db = open(&disk);
    assert_eq!(db.recovery_report().read_only, None);
    let is_refused = |result: Result<_, WriteFailure>| match result {
        Err(WriteFailure::Commit(CommitError::Refused(error))) => {
            assert!(matches!(error, StorageError::Corruption(_)), "{error}");
        }
        other => panic!("{other:?}"),
    };
    is_refused(db.drop_table("t"));
    is_refused(db.delete_range("t", key(0)..key(300)));
    let closed = (0..300).find(|i| db.get("t", &key(*i)).is_err()).unwrap();
    is_refused(db.put("t", &key(closed), b"v"));
    is_refused(db.delete("t", &key(closed)));
    let lost = assert_right(&db, &model, "refused");
    assert!((10..40).contains(&lost), "{lost}");
    db.rename_table("t", "u").unwrap();
    db.put("u", &key(0), b"new").unwrap();
    db.delete_range("u", key(1)..key(20)).unwrap();
    db.drop_table("other").unwrap();
    let mut model = model;
    model.0.remove("other");
    let mut rows = model.0.remove("t").unwrap();
    rows.retain(|k, _| *k == key(0) || *k >= key(20));
    rows.insert(key(0), b"new".to_vec());
    model.0.insert("u".to_owned(), rows);
    assert_eq!(assert_right(&db, &model, "after"), lost);
    db.close().unwrap();
    assert_eq!(assert_right(&open(&disk), &model, "opened again"), lost);
}
