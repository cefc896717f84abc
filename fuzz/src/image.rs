//! The files of a database as values: copied out of a disk, changed, put on a new one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use lightning_db::disk::{Disk, MemoryDisk, OpenMode};
use lightning_db::{CheckpointMode, Database, Options};

/// File names and contents.
pub type Files = BTreeMap<String, Vec<u8>>;

/// How every database here is created and opened: small, and repeatable to the byte.
pub fn options() -> Options {
    let small = Options::new()
        .page_size(4096)
        .log_segment(16_384)
        .salt(0x5a17);
    small.checkpoint_mode(CheckpointMode::Manual)
}

/// A database with two tables, a large value, two checkpoints, and commits after the last one.
pub fn small_database() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let disk = MemoryDisk::new();
        let db = Database::create_on(Arc::new(disk.clone()), options()).expect("an empty disk");
        fill(&db).expect("a disk in memory");
        files_of(&disk)
    })
}

fn fill(db: &Database) -> Result<(), Box<dyn std::error::Error>> {
    for round in 0..2u8 {
        for key in 0..60u8 {
            db.put("small", &[b'k', key], &[round; 30])?;
        }
        db.put("large", b"value", &[round; 9_000])?;
        db.checkpoint()?;
    }
    for key in 0..8u8 {
        db.put("small", &[b'k', key * 7], b"after the checkpoint")?;
    }
    db.delete("small", b"k\x05")?;
    Ok(())
}

/// Every file of `disk`.
pub fn files_of(disk: &MemoryDisk) -> Files {
    let mut files = Files::new();
    for folder in ["", "wal"] {
        for name in disk.list(folder).unwrap_or_default() {
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            if let Ok(file) = disk.open(&path, OpenMode::Read) {
                let len = usize::try_from(file.len().unwrap_or(0)).unwrap_or(0);
                let mut bytes = vec![0; len];
                file.read_at(0, &mut bytes)
                    .expect("a file is as long as it says");
                files.insert(path, bytes);
            }
        }
    }
    files
}

/// A new disk with these files.
pub fn disk_with(files: &Files) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir("wal").expect("an empty disk");
    for (name, bytes) in files {
        let file = disk.open(name, OpenMode::Create).expect("a new name");
        file.write_at(0, bytes).expect("a disk in memory");
    }
    disk
}
