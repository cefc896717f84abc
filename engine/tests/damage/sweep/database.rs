//! A small database with structures of all kinds, open and with a log that recovery would need.

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_db::disk::{Disk, MemoryDisk, OpenMode};
use lightning_db::{CheckpointMode, Database, Options, Transaction};

pub type Rows = BTreeMap<(String, Vec<u8>), Vec<u8>>;
/// The bytes of every file.
pub type Image = BTreeMap<String, Vec<u8>>;

/// The database, what it holds, and what it held before its last commit.
pub struct Subject {
    pub disk: MemoryDisk,
    pub db: Database,
    pub rows: Rows,
    pub before_last: Rows,
    /// Its files as they are now.
    pub image: Image,
    /// Its files when the last checkpoint was sealed but not yet written home.
    pub sealed: Image,
    /// What it held then.
    pub at_seal: Rows,
    /// What it held at the last checkpoint and after each commit since.
    #[allow(dead_code, reason = "for the tests of salvage")]
    pub states: Vec<Rows>,
    /// What it held before that, after each commit. Of those there may still be a piece of the log.
    #[allow(dead_code, reason = "for the tests of salvage")]
    pub history: Vec<Rows>,
}

pub fn options() -> Options {
    Options::new()
        .log_segment(16 << 10)
        .checkpoint_mode(CheckpointMode::Manual)
        .salt(11)
}

pub fn image(disk: &MemoryDisk) -> Image {
    let mut names = disk.list("").unwrap();
    names.retain(|name| name != "wal");
    names.extend(disk.list("wal").unwrap().iter().map(|n| format!("wal/{n}")));
    let read = |name: String| {
        let file = disk.open(&name, OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

pub fn disk_of(image: &Image) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir("wal").unwrap();
    for (name, bytes) in image {
        let file = disk.open(name, OpenMode::Create).unwrap();
        file.write_at(0, bytes).unwrap();
    }
    disk
}

/// Flips a bit of a file that may be in use.
pub fn flip(disk: &MemoryDisk, file: &str, offset: u64, bit: u8) {
    let file = disk.open(file, OpenMode::Write).unwrap();
    let mut byte = [0];
    file.read_at(offset, &mut byte).unwrap();
    file.write_at(offset, &[byte[0] ^ (1 << bit)]).unwrap();
}

/// A key set, or removed.
type Write = (&'static str, Vec<u8>, Option<Vec<u8>>);

struct Builder {
    db: Database,
    rows: Rows,
    before_last: Rows,
    states: Vec<Rows>,
}

impl Builder {
    fn commit(&mut self, writes: &[Write]) {
        self.before_last = self.rows.clone();
        let mut txn: Transaction = self.db.begin().unwrap();
        for (table, key, value) in writes {
            let place = ((*table).to_owned(), key.clone());
            if let Some(value) = value {
                txn.put(table, key, value).unwrap();
                self.rows.insert(place, value.clone());
            } else {
                txn.delete(table, key).unwrap();
                self.rows.remove(&place);
            }
        }
        txn.commit().unwrap();
        self.states.push(self.rows.clone());
    }

    fn put(&mut self, table: &'static str, keys: impl Iterator<Item = Vec<u8>>, len: usize) {
        let value = |key: &[u8]| {
            (0..len)
                .map(|i| key[key.len() - 1] ^ i.to_le_bytes()[0])
                .collect()
        };
        let writes: Vec<_> = keys.map(|k| (table, k.clone(), Some(value(&k)))).collect();
        self.commit(&writes);
    }

    fn delete(&mut self, table: &'static str, keys: impl Iterator<Item = Vec<u8>>) {
        let writes: Vec<_> = keys.map(|key| (table, key, None)).collect();
        self.commit(&writes);
    }
}

fn small(i: u32) -> Vec<u8> {
    format!("key-{i:06}").into_bytes()
}

/// A key whose separators are long, so that few fit a page and the tree is high.
fn long(i: u32) -> Vec<u8> {
    let mut key = format!("{:03}", i / 12).into_bytes();
    key.extend(vec![b'x'; 490]);
    key.extend(i.to_be_bytes());
    if i.is_multiple_of(9) {
        key.extend(vec![b'y'; 700]);
    }
    key
}

impl Subject {
    pub fn new() -> Self {
        let disk = MemoryDisk::new();
        let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
        let mut builder = Builder {
            db,
            rows: Rows::new(),
            before_last: Rows::new(),
            states: Vec::new(),
        };
        builder.put("small", (0..250).map(small), 40);
        builder.put("long", (0..120).map(long), 330);
        builder.put("large", (0..4).map(small), 9_000);
        builder.put("empty", (0..5).map(small), 10);
        builder.delete("empty", (0..5).map(small));
        builder.db.checkpoint().unwrap();
        builder.put("small", (100..130).map(small), 90);
        builder.delete("large", (0..1).map(small));
        builder.put("large", (7..8).map(small), 14_000);
        let before = image(&disk);
        builder.db.checkpoint().unwrap();
        let sealed = sealed(&before, &image(&disk));
        let at_seal = builder.rows.clone();
        let history = std::mem::replace(&mut builder.states, vec![at_seal.clone()]);
        for i in 0..12 {
            builder.put("small", (i * 20..i * 20 + 3).map(small), 50);
        }
        builder.put("large", (20..21).map(small), 24_000);
        builder.delete("long", (3..5).map(long));
        for i in 0..6 {
            builder.put("other", (i..i + 2).map(small), 300);
        }
        let Builder {
            db,
            rows,
            before_last,
            states,
        } = builder;
        Self {
            image: image(&disk),
            disk,
            db,
            rows,
            before_last,
            sealed,
            at_seal,
            states,
            history,
        }
    }
}

/// The files as a power cut right after the seal leaves them: pages and new map pages are there, homes in use and
/// superblocks are as before.
fn sealed(before: &Image, after: &Image) -> Image {
    let mut sealed = before.clone();
    for name in ["data", "doublewrite"] {
        sealed.insert(name.to_owned(), after[name].clone());
    }
    let data = sealed.get_mut("data").unwrap();
    for at in [0, 16 << 10] {
        data[at..at + 512].copy_from_slice(&before["data"][at..at + 512]);
    }
    let (old, map) = (&before["map"], sealed.get_mut("map").unwrap());
    map.clone_from(&after["map"]);
    for (at, block) in old.chunks(4096).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            map[at * 4096..at * 4096 + block.len()].copy_from_slice(block);
        }
    }
    sealed
}
