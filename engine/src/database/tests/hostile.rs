//! Superblocks that are sound in themselves and say what no database of this engine can.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::support::options;
use crate::database::Database;
use crate::disk::{Disk, MemoryDisk, OpenMode};
use crate::disk_format::{SUPERBLOCK_OFFSETS, Superblock};
use crate::ids::{CheckpointId, Lsn, Version};

type Change = fn(&mut Superblock);

/// A database whose superblock copies were changed.
fn changed(change: Change) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let db = Database::create_on(Arc::new(disk.clone()), options()).unwrap();
    db.put("t", b"k", &[1; 9000]).unwrap();
    drop(db);
    for name in ["map", "data"] {
        let file = disk.open(name, OpenMode::Write).unwrap();
        for offset in SUPERBLOCK_OFFSETS {
            let mut sector = [0; 512];
            file.read_at(offset, &mut sector).unwrap();
            let mut superblock = Superblock::decode(&sector).unwrap();
            change(&mut superblock);
            file.write_at(offset, &superblock.encode()).unwrap();
        }
    }
    disk
}

/// Opens, writes and reads as far as that goes.
fn use_it(disk: &MemoryDisk) {
    let Ok(db) = Database::open_on(Arc::new(disk.clone()), options()) else {
        return;
    };
    for key in 0..300_u32 {
        let value = vec![7; (key as usize * 37) % 3000];
        drop(db.put(
            "t",
            &vec![key.to_be_bytes()[3]; (key % 200) as usize],
            &value,
        ));
    }
    for key in 0..300_u32 {
        drop(db.delete("t", &vec![key.to_be_bytes()[3]; (key % 200) as usize]));
    }
    drop(db.verify());
    drop(db.checkpoint());
    drop(db.close());
}

#[test]
fn no_sound_superblock_makes_opening_or_writing_panic() {
    let changes: [(&str, Change); 8] = [
        ("page size 512", |s| s.geometry.page_size = 512),
        ("page size 1024", |s| s.geometry.page_size = 1024),
        ("segment length 0", |s| s.geometry.segment_len = 0),
        ("segment length max", |s| s.geometry.segment_len = u64::MAX),
        ("log start max", |s| s.log_start.lsn = Lsn(u64::MAX)),
        ("log start 0", |s| s.log_start.lsn = Lsn(0)),
        ("version max", |s| s.version = Version(u64::MAX)),
        ("checkpoint max", |s| s.checkpoint = CheckpointId(u64::MAX)),
    ];
    let mut panicked = Vec::new();
    for (name, change) in changes {
        let disk = changed(change);
        if catch_unwind(AssertUnwindSafe(|| use_it(&disk))).is_err() {
            panicked.push(name);
        }
    }
    assert_eq!(panicked, Vec::<&str>::new());
}
