//! What the tests of the simulated disk share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_chaos::rng::Rng;
use lightning_chaos::sim::{SimConfig, SimDisk};
use lightning_chaos::trace::{DiskState, Entry, FileState};
use lightning_db::disk::{Disk, DiskFile, OpenMode};

/// What readers see: the bytes of each file, none for a directory.
pub type Image = BTreeMap<String, Option<Vec<u8>>>;

pub fn image(state: &DiskState) -> Image {
    let content = |entry| match entry {
        Entry::File(inode) => Some(state.file(inode).map_or(vec![], FileState::bytes)),
        Entry::Directory => None,
    };
    state
        .names()
        .iter()
        .map(|(name, entry)| (name.to_string(), content(entry)))
        .collect()
}

pub fn new_disk() -> SimDisk {
    SimDisk::new(SimConfig::default())
}

pub fn boot(state: &DiskState) -> SimDisk {
    SimDisk::boot(state.clone(), SimConfig::default())
}

pub fn create(disk: &SimDisk, name: &str) -> Arc<dyn DiskFile> {
    disk.open(name, OpenMode::Create).unwrap()
}

/// A new file whose name and bytes are durable.
pub fn durable(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = create(disk, name);
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk.sync_dir("").unwrap();
    file
}

const NAMES: [&str; 4] = ["a", "b", "d/x", "d/y"];

/// One random call; what it answers does not matter.
pub fn random_call(disk: &SimDisk, rng: &mut Rng) {
    let name = NAMES[rng.index(4)];
    let open = || disk.open(name, OpenMode::Write);
    match rng.below(20) {
        0..4 => drop(disk.open(name, OpenMode::Create)),
        4 => drop(disk.create_dir("d")),
        5 | 6 => drop(disk.rename(name, NAMES[rng.index(4)])),
        7 => drop(disk.remove(name)),
        8 => drop(disk.sync_dir(["", "d"][rng.index(2)])),
        9 | 10 => drop(open().map(|file| file.sync())),
        11 => drop(open().map(|file| file.set_len(random_len(rng)))),
        12 => drop(open().map(|file| file.allocate(rng.below(1000), rng.below(700)))),
        _ => drop(open().map(|file| {
            let mut bytes = vec![0; rng.index(900)];
            rng.fill(&mut bytes);
            let block = if rng.chance(0.2) { 3600 } else { 0 };
            file.write_at(block + rng.below(1200), &bytes)
        })),
    }
}

fn random_len(rng: &mut Rng) -> u64 {
    match rng.below(6) {
        0 => 0,
        1 => 4096,
        2 => 3600 + rng.below(1500),
        _ => rng.below(1500),
    }
}
