//! The archived log: restores to any version, position and time, gaps, and an archive that takes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::backups::{file, from, load, restored};
use super::support::{Rows, options, rows};
use crate::backup::{Restore, RestoreError, Until};
use crate::database::{Database, WriteFailure};
use crate::disk::faulty::FaultyDisk;
use crate::disk::{Disk, DiskFile, DiskLock, MemoryDisk, OpenMode};
use crate::error::{CheckpointError, CommitError};
use crate::ids::{CommitTime, Lsn, Version};
use crate::map::tests::crash_disk::{CrashDisk, Image, Survival};
use crate::map::tests::model::Rng;
use crate::options::{Durability, Limits, Options};

/// What was true when, and how a restore may be told to go there.
struct Point {
    version: Version,
    lsn: Lsn,
    time: CommitTime,
    rows: Rows,
}

struct Rig {
    disk: MemoryDisk,
    archive: MemoryDisk,
    backups: MemoryDisk,
    clock: Arc<AtomicU64>,
    points: Vec<Point>,
}

impl Rig {
    fn new() -> Self {
        Self {
            disk: MemoryDisk::new(),
            archive: MemoryDisk::new(),
            backups: MemoryDisk::new(),
            clock: Arc::new(AtomicU64::new(1_000)),
            points: Vec::new(),
        }
    }

    fn options(&self) -> Options {
        let clock = Arc::clone(&self.clock);
        options()
            .archive(Arc::new(self.archive.clone()))
            .clock(move || CommitTime(clock.load(Relaxed)))
    }

    fn open(&self) -> Database {
        Database::open_or_create_on(Arc::new(self.disk.clone()), self.options()).unwrap()
    }

    fn commit(&mut self, db: &Database, key: u32, len: usize) {
        let time = CommitTime(self.clock.fetch_add(10, Relaxed) + 10);
        let mut txn = db.begin().unwrap();
        let value = vec![u8::try_from(key % 250).unwrap(); len];
        txn.put("t", &(key % 40).to_be_bytes(), &value).unwrap();
        if key.is_multiple_of(3) {
            txn.delete("t", &((key + 20) % 40).to_be_bytes()).unwrap();
        }
        let durability = if key.is_multiple_of(4) {
            Durability::Buffered
        } else {
            Durability::Sync
        };
        let version = txn.commit_with(durability).unwrap();
        self.points.push(Point {
            version,
            lsn: db.stats().log_end,
            time,
            rows: rows(db).unwrap(),
        });
    }

    fn restore(&self) -> Restore {
        from(file(&self.backups, "full")).archive(Arc::new(self.archive.clone()))
    }
}

/// Commits over many segments, with checkpoints, closings and vanishings between them.
fn busy() -> Rig {
    let mut rig = Rig::new();
    let mut db = rig.open();
    load(&db, 0..30, 40);
    db.backup(&file(&rig.backups, "full")).unwrap();
    for key in 0..60 {
        rig.commit(&db, key, if key % 7 == 0 { 12_000 } else { 300 });
        match key % 20 {
            5 => db.checkpoint().unwrap(),
            10 => {
                db.close().unwrap();
                db = rig.open();
            }
            15 => {
                drop(db);
                db = rig.open();
            }
            18 => drop(db.archive_log().unwrap()),
            _ => {}
        }
        assert_eq!(db.recovery_report().archive_gap, None);
    }
    db.close().unwrap();
    rig
}

#[test]
fn a_restore_reaches_every_version_position_and_time() {
    let rig = busy();
    for (index, point) in rig.points.iter().enumerate() {
        let until = match index % 3 {
            0 => Until::Version(point.version),
            1 => Until::Lsn(point.lsn),
            _ => Until::Time(CommitTime(point.time.get() + 9)),
        };
        let found = restored(&rig.restore().until(until)).unwrap();
        assert!(found == point.rows, "{index}: {until:?}");
    }
    let last = rig.points.last().unwrap();
    assert!(restored(&rig.restore()).unwrap() == last.rows);
}

#[test]
fn a_position_between_two_commits_is_reached_as_the_one_before_it() {
    let rig = busy();
    for pair in rig.points.windows(2) {
        let until = Until::Lsn(Lsn(pair[1].lsn.get() - 1));
        let found = restored(&rig.restore().until(until)).unwrap();
        assert!(found == pair[0].rows, "{until:?}");
    }
}

#[test]
fn a_position_that_was_told_stays_reachable_when_a_session_began_there_and_went_on() {
    let mut rig = Rig::new();
    let db = rig.open();
    load(&db, 0..10, 40);
    db.backup(&file(&rig.backups, "full")).unwrap();
    rig.commit(&db, 1, 300);
    drop(db);
    let db = rig.open();
    let told = db.archive_log().unwrap();
    assert!(told > rig.points[0].lsn, "the session moved the position");
    rig.commit(&db, 2, 300);
    db.archive_log().unwrap();
    let found = restored(&rig.restore().until(Until::Lsn(told))).unwrap();
    assert!(found == rig.points[0].rows);
}

#[test]
fn what_cannot_be_reached_is_said_not_approximated() {
    let rig = busy();
    let last = rig.points.last().unwrap();
    let beyond = [
        Until::Version(Version(last.version.get() + 1)),
        Until::Lsn(Lsn(last.lsn.get() + 100_000)),
        Until::Version(Version(1)),
        Until::Lsn(Lsn(0)),
        // The backup has a commit of that time.
        Until::Time(CommitTime(999)),
    ];
    for until in beyond {
        let refused = restored(&rig.restore().until(until));
        assert!(matches!(refused, Err(RestoreError::Target(_))), "{until:?}");
    }
    let same = rig.restore().options(options());
    assert!(restored(&same).unwrap_err().to_string().contains("salt"));
}

#[test]
fn a_file_that_is_missing_from_the_archive_is_named_by_its_position() {
    let rig = busy();
    let names = rig.archive.list("").unwrap();
    assert!(names.len() > 8, "{names:?}");
    for missing in [1, names.len() / 2, names.len() - 2] {
        let archive = MemoryDisk::new();
        for (index, name) in names.iter().enumerate() {
            if index != missing {
                copy(&rig.archive, &archive, name);
            }
        }
        let restore = rig.restore().archive(Arc::new(archive));
        let error = restored(&restore).unwrap_err();
        let at: u64 = names[missing].rsplit_once('-').unwrap().1.parse().unwrap();
        assert!(
            matches!(error, RestoreError::Gap { after, .. } if after.get() <= at),
            "{missing}: {error}"
        );
        assert!(error.to_string().contains("LSN"), "{error}");
    }
}

fn copy(from: &MemoryDisk, to: &MemoryDisk, name: &str) {
    use crate::disk::OpenMode::{Create, Read};
    let file = from.open(name, Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    to.open(name, Create).unwrap().write_at(0, &bytes).unwrap();
}

#[test]
fn damage_in_the_archive_is_an_error_that_names_the_file() {
    use crate::disk::OpenMode::Write;
    let rig = busy();
    let names = rig.archive.list("").unwrap();
    for name in names.iter().skip(2) {
        let archive = MemoryDisk::new();
        for name in &names {
            copy(&rig.archive, &archive, name);
        }
        let file = archive.open(name, Write).unwrap();
        let at = file.len().unwrap() / 2;
        let mut byte = [0];
        file.read_at(at, &mut byte).unwrap();
        file.write_at(at, &[byte[0] ^ 4]).unwrap();
        let restore = rig.restore().archive(Arc::new(archive));
        match restored(&restore) {
            // Where the byte is one that nothing reads: the rest of a sector.
            Ok(found) => assert!(found == rig.points.last().unwrap().rows),
            Err(error) => assert!(error.to_string().contains(&**name), "{name}: {error}"),
        }
    }
}

#[test]
fn log_that_was_recycled_without_the_archive_is_a_gap() {
    let mut rig = Rig::new();
    let db = rig.open();
    db.backup(&file(&rig.backups, "full")).unwrap();
    rig.commit(&db, 1, 100);
    db.close().unwrap();
    let alone = Database::open_on(Arc::new(rig.disk.clone()), options()).unwrap();
    for _ in 0..5 {
        load(&alone, 0..40, 1_000);
        alone.checkpoint().unwrap();
    }
    alone.close().unwrap();
    let db = rig.open();
    assert!(db.recovery_report().archive_gap.is_some());
    db.backup(&file(&rig.backups, "later")).unwrap();
    rig.commit(&db, 2, 100);
    db.close().unwrap();
    let until = Until::Version(rig.points[0].version);
    assert!(restored(&rig.restore().until(until)).unwrap() == rig.points[0].rows);
    assert!(matches!(
        restored(&rig.restore()),
        Err(RestoreError::Gap { .. })
    ));
    let later = from(file(&rig.backups, "later")).archive(Arc::new(rig.archive.clone()));
    assert!(restored(&later).unwrap() == rig.points[1].rows);
}

#[test]
fn an_archive_that_takes_nothing_holds_the_log_and_loses_no_commit() {
    let (disk, backups) = (MemoryDisk::new(), MemoryDisk::new());
    let archive = FaultyDisk::new(MemoryDisk::new());
    let limits = Limits {
        archive_bytes: 200 << 10,
        ..Limits::default()
    };
    let opened = || {
        let options = options()
            .limits(limits.clone())
            .archive(Arc::new(archive.clone()));
        Database::open_or_create_on(Arc::new(disk.clone()), options).unwrap()
    };
    let mut db = opened();
    db.backup(&file(&backups, "full")).unwrap();
    archive.set_space(Some(0));
    let mut refused = None;
    for key in 0..400_u32 {
        if key == 20 {
            // What is kept is kept across an opening.
            assert!(matches!(db.close(), Err(CheckpointError::Archive(_))));
            db = opened();
            assert!(db.stats().archive_failure.is_some());
        }
        match db.put("t", &key.to_be_bytes(), &[7; 2_000]) {
            Ok(_) => {}
            Err(WriteFailure::Commit(CommitError::Archive(cause))) => {
                refused = Some((key, cause));
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let (key, cause) = refused.expect("a limit that is never met");
    assert!(key > 25 && cause.is_full(), "{key}: {cause}");
    assert!(db.stats().log_kept_bytes > 200 << 10);
    archive.set_space(None);
    db.put("t", b"again", b"!").unwrap();
    assert_eq!(db.stats().archive_failure, None);
    let expected = rows(&db).unwrap();
    db.close().unwrap();
    let restore = from(file(&backups, "full")).archive(Arc::new(archive));
    assert!(restored(&restore).unwrap() == expected);
    let db = Database::open_on(Arc::new(disk), options()).unwrap();
    assert!(rows(&db).unwrap() == expected);
}

/// The process ends at some operation, on the database's disk or on the archive's; the next one goes on.
#[test]
fn wherever_the_process_ends_the_archive_has_no_gap_and_no_other_history() {
    for on_archive in [false, true] {
        for nth in (0..).step_by(if on_archive { 1 } else { 3 }) {
            let (disk, archive, backups) =
                (MemoryDisk::new(), MemoryDisk::new(), MemoryDisk::new());
            let (ends, takes) = (
                FaultyDisk::new(disk.clone()),
                FaultyDisk::new(archive.clone()),
            );
            let first = options().archive(Arc::new(takes.clone()));
            let db = Database::create_on(Arc::new(ends.clone()), first).unwrap();
            db.backup(&file(&backups, "full")).unwrap();
            if on_archive {
                takes.end_at(nth);
            } else {
                ends.end_at(nth);
            }
            let written = (0..12_u32)
                .try_for_each(|key| db.put("t", &key.to_be_bytes(), &[3; 4_000]).map(drop));
            let closed = db.close();
            let is_whole = written.is_ok() && closed.is_ok();
            let again = || options().archive(Arc::new(archive.clone()));
            let db = Database::open_on(Arc::new(disk.clone()), again()).unwrap();
            assert_eq!(db.recovery_report().archive_gap, None, "{nth}");
            db.put("t", b"more", b"!").unwrap();
            let expected = rows(&db).unwrap();
            db.close().unwrap();
            let restore = from(file(&backups, "full")).archive(Arc::new(archive));
            assert!(restored(&restore).unwrap() == expected, "{nth}");
            if is_whole {
                assert!(nth > 12, "only {nth} operations");
                break;
            }
        }
    }
}

/// A directory of a disk, so that one power cut hits the database and its archive.
#[derive(Debug)]
struct Directory(CrashDisk);

impl Directory {
    fn at(name: &str) -> String {
        if name.is_empty() {
            "archive".to_owned()
        } else {
            format!("archive/{name}")
        }
    }
}

impl Disk for Directory {
    fn open(&self, name: &str, mode: OpenMode) -> std::io::Result<Arc<dyn DiskFile>> {
        self.0.open(&Self::at(name), mode)
    }

    fn create_dir(&self, name: &str) -> std::io::Result<()> {
        self.0.create_dir(&Self::at(name))
    }

    fn list(&self, dir: &str) -> std::io::Result<Vec<String>> {
        self.0.list(&Self::at(dir))
    }

    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(&Self::at(from), &Self::at(to))
    }

    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.0.remove(&Self::at(name))
    }

    fn sync_dir(&self, dir: &str) -> std::io::Result<()> {
        self.0.sync_dir(&Self::at(dir))
    }

    fn lock(&self, name: &str) -> std::io::Result<Box<dyn DiskLock>> {
        self.0.lock(&Self::at(name))
    }
}

fn archived_on(disk: &CrashDisk) -> Options {
    disk.create_dir("archive").unwrap();
    options().archive(Arc::new(Directory(disk.clone())))
}

fn put(db: &Database, key: u32, durability: Durability) {
    let mut txn = db.begin().unwrap();
    txn.put("t", &key.to_be_bytes(), &[5; 3_000]).unwrap();
    txn.commit_with(durability).unwrap();
}

/// After a vanishing recovery replays what is in the page cache only, and archives it: the cut must not take it from the log then.
#[test]
fn a_power_cut_leaves_database_and_archive_with_one_history() {
    let (disk, backups) = (CrashDisk::new(Image::new()), MemoryDisk::new());
    let mut db = Database::create_on(disk.shared(), archived_on(&disk)).unwrap();
    db.backup(&file(&backups, "full")).unwrap();
    let begin = disk.len();
    for key in 0..24_u32 {
        let durability = if key % 3 == 0 {
            Durability::Sync
        } else {
            Durability::Buffered
        };
        put(&db, key, durability);
        if key % 6 == 5 {
            drop(db);
            db = Database::open_on(disk.shared(), archived_on(&disk)).unwrap();
        }
        if key == 10 {
            db.checkpoint().unwrap();
        }
    }
    db.close().unwrap();
    let mut rng = Rng(17);
    for at in (begin..=disk.len()).step_by(5) {
        for survival in [Survival::Nothing, Survival::All, Survival::Some] {
            let left = CrashDisk::new(disk.cut(at, survival, &mut rng));
            let db = Database::open_on(left.shared(), archived_on(&left)).unwrap();
            let stats = db.stats();
            assert_eq!(stats.archive_failure, None, "cut at {at}, {survival:?}");
            assert_eq!(
                db.recovery_report().archive_gap,
                None,
                "cut at {at}, {survival:?}"
            );
            put(&db, 1_000, Durability::Sync);
            let expected = rows(&db).unwrap();
            db.close().unwrap();
            let restore = from(file(&backups, "full")).archive(Arc::new(Directory(left)));
            assert!(
                restored(&restore).unwrap() == expected,
                "cut at {at}, {survival:?}"
            );
        }
    }
}
