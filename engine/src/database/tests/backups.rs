//! Backups beside writers, what they refuse, and power cuts in backups and restores.

use std::sync::Arc;

use super::hooked_disk::HookedDisk;
use super::support::{Rows, options, rows};
use crate::backup::{BackupError, BackupFile, Restore, RestoreError};
use crate::database::Database;
use crate::disk::faulty::{FaultyDisk, Operation};
use crate::disk::{Disk, MemoryDisk, OpenMode};
use crate::error::OpenError;
use crate::map::tests::crash_disk::{CrashDisk, Image, Survival};
use crate::map::tests::model::Rng;
use crate::options::Options;

pub(super) fn load(db: &Database, keys: impl IntoIterator<Item = u32>, len: usize) {
    let mut txn = db.begin().unwrap();
    for key in keys {
        let value = vec![u8::try_from(key % 251).unwrap(); len];
        txn.put("t", &key.to_be_bytes(), &value).unwrap();
    }
    txn.commit().unwrap();
}

pub(super) fn created(disk: &MemoryDisk) -> Database {
    let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    load(&db, 0..200, 100);
    load(&db, [1000], 9_000);
    db.put("u", b"key", b"value").unwrap();
    db
}

pub(super) fn file(disk: &MemoryDisk, name: &str) -> BackupFile {
    BackupFile::on(Arc::new(disk.clone()), name)
}

/// The restored database has another salt.
pub(super) fn from(full: BackupFile) -> Restore {
    Restore::from(full).options(options().salt(99))
}

pub(super) fn restored(restore: &Restore) -> Result<Rows, RestoreError> {
    let disk = MemoryDisk::new();
    Database::restore_on(Arc::new(disk.clone()), restore)?;
    let db = Database::open_on(Arc::new(disk), options()).unwrap();
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
    let found = rows(&db).unwrap();
    db.put("after", b"k", b"v").unwrap();
    db.close().unwrap();
    Ok(found)
}

fn bytes_of(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let file = disk.open(name, OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

fn with(name: &str, bytes: &[u8]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let file = disk.open(name, OpenMode::Create).unwrap();
    file.write_at(0, bytes).unwrap();
    disk
}

#[test]
fn a_full_backup_is_restored_as_of_its_version() {
    let (disk, to) = (MemoryDisk::new(), MemoryDisk::new());
    let db = created(&disk);
    let expected = rows(&db).unwrap();
    let report = db.backup(&file(&to, "full")).unwrap();
    assert_eq!(report.version, db.stats().version);
    load(&db, 5000..5100, 50);
    assert!(restored(&from(file(&to, "full"))).unwrap() == expected);
    assert_eq!(to.list("").unwrap(), ["full"]);
    let again = db.backup(&file(&to, "full")).unwrap_err();
    assert!(matches!(again, BackupError::Exists { .. }), "{again}");
}

#[test]
fn incremental_backups_hold_what_changed_and_are_restored_in_a_row() {
    let (disk, to) = (MemoryDisk::new(), MemoryDisk::new());
    let db = created(&disk);
    let full = db.backup(&file(&to, "0")).unwrap();
    assert_eq!(full.pages, full.pages_copied);
    let mut restore = from(file(&to, "0"));
    for step in 1..6_u32 {
        match step {
            1 => load(&db, 0..3, 120),
            2 => drop(db.compact().unwrap()),
            3 => {
                let mut txn = db.begin().unwrap();
                for key in (0..200_u32).filter(|key| key % 5 != 0) {
                    txn.delete("t", &key.to_be_bytes()).unwrap();
                }
                txn.commit().unwrap();
                db.compact().unwrap();
            }
            4 => load(&db, [1000, 1001], 12_000),
            _ => {}
        }
        let (name, base) = (step.to_string(), (step - 1).to_string());
        let report = db
            .backup_incremental(&file(&to, &name), &file(&to, &base))
            .unwrap();
        if matches!(step, 1 | 5) {
            assert!(report.pages_copied < report.pages / 2, "{step}: {report:?}");
        }
        restore = restore.then(file(&to, &name));
        assert!(restored(&restore).unwrap() == rows(&db).unwrap(), "{step}");
    }
    // One that is left out is missed.
    let gap = from(file(&to, "0")).then(file(&to, "2"));
    assert!(matches!(restored(&gap), Err(RestoreError::Backup { .. })));
    let headless = from(file(&to, "1"));
    assert!(matches!(
        restored(&headless),
        Err(RestoreError::Backup { .. })
    ));
}

#[test]
fn a_base_of_another_database_or_history_is_refused() {
    let (disk, other, to) = (MemoryDisk::new(), MemoryDisk::new(), MemoryDisk::new());
    let db = created(&disk);
    db.backup(&file(&to, "a")).unwrap();
    let foreign = Database::create_on(Arc::new(other), options().salt(8)).unwrap();
    foreign.backup(&file(&to, "foreign")).unwrap();
    let refused = |db: &Database, base: &str| {
        let error = db.backup_incremental(&file(&to, "x"), &file(&to, base));
        matches!(error, Err(BackupError::Base { .. }))
    };
    assert!(refused(&db, "foreign") && refused(&db, "missing"));
    // The same directory, copied, goes two ways.
    db.close().unwrap();
    let twin = copied(&disk);
    let (one, two) = (
        Database::open_on(Arc::new(disk), options()).unwrap(),
        Database::open_on(Arc::new(twin), options()).unwrap(),
    );
    load(&one, 0..150, 70);
    load(&two, 0..150, 71);
    one.backup(&file(&to, "one")).unwrap();
    load(&two, 300..310, 10);
    two.checkpoint().unwrap();
    two.checkpoint().unwrap();
    load(&two, 310..320, 10);
    assert!(refused(&two, "one"));
    two.backup_incremental(&file(&to, "b"), &file(&to, "a"))
        .unwrap();
    let both = from(file(&to, "a")).then(file(&to, "b"));
    assert!(restored(&both).unwrap() == rows(&two).unwrap());
}

fn copied(disk: &MemoryDisk) -> MemoryDisk {
    let copy = MemoryDisk::new();
    copy.create_dir("wal").unwrap();
    for dir in ["", "wal"] {
        for name in disk.list(dir).unwrap() {
            let name = if dir.is_empty() {
                name
            } else {
                format!("{dir}/{name}")
            };
            if disk.open(&name, OpenMode::Read).is_ok() {
                let file = copy.open(&name, OpenMode::Create).unwrap();
                file.write_at(0, &bytes_of(disk, &name)).unwrap();
            }
        }
    }
    copy
}

#[test]
fn a_copy_of_a_closed_databases_directory_is_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let (source, copy) = (dir.path().join("db"), dir.path().join("copy"));
    let db = Database::create(&source, options()).unwrap();
    load(&db, 0..500, 200);
    let expected = rows(&db).unwrap();
    db.close().unwrap();
    std::fs::create_dir_all(copy.join("wal")).unwrap();
    for part in ["", "wal"] {
        for entry in std::fs::read_dir(source.join(part)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.join(part).join(entry.file_name())).unwrap();
            }
        }
    }
    for path in [&copy, &source] {
        let db = Database::open(path, options()).unwrap();
        assert!(rows(&db).unwrap() == expected);
        assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn a_backup_and_a_restore_of_real_files() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::create(dir.path().join("db"), options()).unwrap();
    load(&db, 0..300, 100);
    let full = BackupFile::at(dir.path().join("full")).unwrap();
    db.backup(&full).unwrap();
    let into = dir.path().join("again");
    Database::restore(&into, &Restore::from(full.clone())).unwrap();
    let again = Database::open(&into, Options::new()).unwrap();
    assert!(rows(&again).unwrap() == rows(&db).unwrap());
    let refused = Database::restore(&into, &Restore::from(full.clone()));
    assert!(matches!(
        refused,
        Err(RestoreError::Open(OpenError::Locked))
    ));
    drop(again);
    let refused = Database::restore(&into, &Restore::from(full));
    assert!(matches!(refused, Err(RestoreError::Occupied)));
}

#[test]
fn writers_and_checkpoints_during_a_backup_do_not_show_in_it() {
    let (disk, to) = (MemoryDisk::new(), HookedDisk::default());
    let db = created(&disk);
    let expected = rows(&db).unwrap();
    let writer = db.clone();
    to.before(Operation::Write, "full.partial", move || {
        for round in 0..6 {
            load(&writer, 0..200, 30 + round);
            writer.checkpoint().unwrap();
            writer.compact().unwrap();
        }
        Ok(())
    });
    let full = BackupFile::on(Arc::new(to.clone()), "full");
    db.backup(&full).unwrap();
    assert!(to.has_run());
    assert!(restored(&from(full)).unwrap() == expected);
    // What the backup pinned is free again.
    db.checkpoint().unwrap();
    let report = db.compact().unwrap();
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
    assert!(report.data_bytes <= report.data_bytes_before);
}

#[test]
fn a_damaged_backup_is_refused_wherever_the_damage_is() {
    let (disk, to) = (MemoryDisk::new(), MemoryDisk::new());
    let db = created(&disk);
    db.backup(&file(&to, "full")).unwrap();
    let sound = bytes_of(&to, "full");
    for at in (0..sound.len())
        .step_by(997)
        .chain([0, 511, 512, 1023, sound.len() - 1])
    {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        let refused = restored(&from(file(&with("full", &bytes), "full")));
        let error = refused.expect_err(&format!("a flipped bit at {at}"));
        assert!(error.to_string().contains("full"), "{error}");
    }
    for len in (0..sound.len()).step_by(1999) {
        let cut = from(file(&with("full", &sound[..len]), "full"));
        assert!(
            matches!(restored(&cut), Err(RestoreError::Backup { .. })),
            "{len}"
        );
    }
}

#[test]
fn a_damaged_page_is_not_backed_up() {
    let (disk, to) = (MemoryDisk::new(), MemoryDisk::new());
    let db = created(&disk);
    db.checkpoint().unwrap();
    let data = disk.open("data", OpenMode::Write).unwrap();
    let mut at = 32 << 10;
    while at < data.len().unwrap() {
        data.write_at(at + 100, b"damage").unwrap();
        at += 4096;
    }
    let error = db.backup(&file(&to, "full")).unwrap_err().to_string();
    assert!(error.contains("data at offset"), "{error}");
    assert_eq!(to.list("").unwrap(), Vec::<String>::new());
}

const SURVIVALS: [Survival; 4] = [
    Survival::Nothing,
    Survival::All,
    Survival::Some,
    Survival::Some,
];

#[test]
fn a_power_cut_in_a_backup_leaves_it_whole_or_without_its_name() {
    let db = created(&MemoryDisk::new());
    let expected = rows(&db).unwrap();
    let to = CrashDisk::new(Image::new());
    db.backup(&BackupFile::on(to.shared(), "full")).unwrap();
    let (mut whole, mut cut) = (0, 0);
    let mut rng = Rng(3);
    for at in 0..=to.len() {
        for survival in SURVIVALS {
            let image = to.cut(at, survival, &mut rng);
            let left = CrashDisk::new(image.clone());
            if image.contains_key("full") {
                let full = BackupFile::on(left.shared(), "full");
                assert!(restored(&from(full)).unwrap() == expected);
                whole += 1;
            } else {
                assert_ne!(at, to.len(), "a complete backup is lost");
                cut += 1;
            }
            if image
                .get("full.partial")
                .is_some_and(|bytes| bytes.len() < 512)
            {
                let partial = BackupFile::on(left.shared(), "full.partial");
                assert!(restored(&from(partial)).is_err());
            }
            // The next one takes its place.
            if !image.contains_key("full") {
                db.backup(&BackupFile::on(left.shared(), "full")).unwrap();
                assert_eq!(left.list("").unwrap(), ["full"]);
            }
        }
    }
    assert!(whole > 3 && cut > 3, "{whole} whole, {cut} cut");
}

#[test]
fn a_power_cut_in_a_restore_leaves_all_of_the_database_or_none() {
    let to = MemoryDisk::new();
    let db = created(&MemoryDisk::new());
    db.backup(&file(&to, "full")).unwrap();
    load(&db, 0..50, 60);
    db.backup_incremental(&file(&to, "next"), &file(&to, "full"))
        .unwrap();
    let expected = rows(&db).unwrap();
    let restore = from(file(&to, "full")).then(file(&to, "next"));
    let disk = CrashDisk::new(Image::new());
    Database::restore_on(disk.shared(), &restore).unwrap();
    let (mut all, mut none) = (0, 0);
    let mut rng = Rng(5);
    for at in 0..=disk.len() {
        for survival in SURVIVALS {
            let left = CrashDisk::new(disk.cut(at, survival, &mut rng));
            match Database::open_on(left.shared(), options()) {
                Ok(db) => {
                    assert!(rows(&db).unwrap() == expected, "cut at {at}");
                    all += 1;
                }
                Err(OpenError::RestoreCutOff | OpenError::NotFound(_)) => {
                    assert_ne!(at, disk.len(), "a complete restore is lost");
                    none += 1;
                    Database::restore_on(left.shared(), &restore).unwrap();
                    let db = Database::open_on(left.shared(), options()).unwrap();
                    assert!(rows(&db).unwrap() == expected, "cut at {at}");
                }
                Err(error) => panic!("cut at {at}: {error}"),
            }
        }
    }
    assert!(all > 2 && none > 50, "{all} all, {none} none");
}

#[test]
fn whatever_fails_in_a_backup_the_database_is_unharmed() {
    for nth in 0.. {
        let memory = MemoryDisk::new();
        let faulty = FaultyDisk::new(memory.clone());
        let db = Database::create_on(Arc::new(faulty.clone()), options()).unwrap();
        load(&db, 0..60, 100);
        let expected = rows(&db).unwrap();
        faulty.end_at(nth);
        let to = MemoryDisk::new();
        let is_whole = db.backup(&file(&to, "full")).is_ok();
        drop(db);
        let db = Database::open_on(Arc::new(memory), options()).unwrap();
        assert!(rows(&db).unwrap() == expected, "{nth}");
        assert_eq!(to.list("").unwrap().len(), usize::from(is_whole));
        if is_whole {
            assert!(nth > 15, "only {nth} operations");
            break;
        }
    }
}
