//! A scan of what is on disk reads neighbouring pages at once, and nothing about it shows but the number of reads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lightning_db::disk::{Disk, DiskFile, DiskLock, MemoryDisk, OpenMode};
use lightning_db::{Database, Durability, Limits, Options};

/// A disk that counts how often `data` is read.
#[derive(Clone, Debug)]
struct CountingDisk {
    inner: MemoryDisk,
    reads: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingFile {
    inner: Arc<dyn DiskFile>,
    reads: Option<Arc<AtomicU64>>,
}

impl Disk for CountingDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CountingFile {
            inner: self.inner.open(name, mode)?,
            reads: (name == "data").then(|| Arc::clone(&self.reads)),
        }))
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.inner.create_dir(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(name)
    }
}

impl DiskFile for CountingFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if let Some(reads) = &self.reads {
            reads.fetch_add(1, Relaxed);
        }
        self.inner.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.inner.allocate(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        self.inner.start_writeback(offset, len)
    }
}

const ROWS: u32 = 20_000;

fn options(memory_pages: u64) -> Options {
    let mut limits = Limits::default();
    limits.memory = memory_pages * 4096;
    Options::new()
        .page_size(4096)
        .durability(Durability::None)
        .limits(limits)
}

/// A database on disk, some 20,000 rows of 100 bytes, of which nothing is in memory.
fn stored(memory_pages: u64) -> (CountingDisk, Database) {
    let disk = CountingDisk {
        inner: MemoryDisk::new(),
        reads: Arc::default(),
    };
    let db = Database::create_on(Arc::new(disk.clone()), options(1 << 16)).unwrap();
    let mut txn = db.begin().unwrap();
    for number in 0..ROWS {
        txn.put("t", &number.to_be_bytes(), &[7; 100]).unwrap();
    }
    txn.commit().unwrap();
    db.close().unwrap();
    let db = Database::open_on(Arc::new(disk.clone()), options(memory_pages)).unwrap();
    disk.reads.store(0, Relaxed);
    (disk, db)
}

/// The rows of a scan until it ends or fails, from the front or the back; whether they are the right ones is checked.
fn scan(db: &Database, is_up: bool) -> u32 {
    let snapshot = db.snapshot().unwrap();
    let mut range = snapshot.scan("t").unwrap();
    let mut seen = 0;
    while let Some(entry) = if is_up {
        range.next_ref()
    } else {
        range.next_back_ref()
    } {
        let Ok((key, value)) = entry else { break };
        let number = if is_up { seen } else { ROWS - 1 - seen };
        assert_eq!((key, value), (&number.to_be_bytes()[..], &[7; 100][..]));
        seen += 1;
    }
    seen
}

#[test]
fn a_scan_of_pages_on_disk_reads_many_at_once_in_both_directions() {
    for is_up in [true, false] {
        let (disk, db) = stored(1 << 14);
        assert_eq!(scan(&db, is_up), ROWS);
        let (reads, loads) = (disk.reads.load(Relaxed), db.stats().page_loads);
        assert!(loads > 400, "{loads} pages");
        assert!(reads * 4 < loads, "{reads} reads of {loads} pages");
        // And none twice: the second scan finds all of them.
        assert_eq!(scan(&db, is_up), ROWS);
        assert_eq!(db.stats().page_loads, loads);
    }
}

#[test]
fn a_point_read_and_a_short_range_read_what_they_need() {
    let (_, db) = stored(1 << 14);
    let snapshot = db.snapshot().unwrap();
    for number in (0..ROWS).step_by(1999) {
        let low = number.to_be_bytes();
        let mut range = snapshot.range("t", &low[..]..).unwrap();
        range.next_ref().unwrap().unwrap();
    }
    let loads = db.stats().page_loads;
    assert!(
        loads <= 11 + 8,
        "{loads} pages for 11 leaves and the few nodes above"
    );
}

#[test]
fn in_little_memory_a_scan_sees_everything_and_keeps_within_the_limit() {
    for pages in [16, 64, 256] {
        let (_, db) = stored(pages);
        for _ in 0..2 {
            assert_eq!(scan(&db, true), ROWS);
            assert_eq!(scan(&db, false), ROWS);
            let resident = db.stats().memory_bytes;
            assert!(
                resident <= pages * 4096,
                "{resident} bytes of {pages} pages"
            );
        }
    }
}

#[test]
fn a_damaged_page_ahead_is_an_error_when_its_turn_comes_and_not_before() {
    let (disk, db) = stored(1 << 14);
    db.close().unwrap();
    let file = disk.inner.open("data", OpenMode::Write).unwrap();
    let middle = file.len().unwrap() / 2 / 4096 * 4096 + 2000;
    file.write_at(middle, &[0xEE; 8]).unwrap();
    let db = Database::open_on(Arc::new(disk), options(1 << 14)).unwrap();
    let (up, down) = (scan(&db, true), scan(&db, false));
    assert!(
        up > 1000 && down > 1000,
        "{up} from the front, {down} from the back"
    );
    // Exactly the rows of one leaf are missing.
    assert!(
        (10..100).contains(&(ROWS - up - down)),
        "{up} and {down} of {ROWS}"
    );
}
