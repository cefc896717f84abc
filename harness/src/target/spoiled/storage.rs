//! What a bug does to storage when a database is opened.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use lightning_db::disk::{Disk, DiskFile, OpenMode};

/// How many descriptors that nobody closes are kept.
const FORGOTTEN_MAX: usize = 4;
/// What an opening takes and never gives back.
const TAKEN: usize = 16 << 10;
/// A file of the bug's own.
const LEFT: &str = "left-behind";

/// Files that nobody closes. The oldest are, in the end: a worker's memory is not what is tested.
#[derive(Debug, Default)]
pub(super) struct Forgotten(Mutex<VecDeque<Arc<dyn DiskFile>>>);

impl Forgotten {
    /// Opens a file for ever.
    pub(super) fn open(&self, disk: &dyn Disk) -> io::Result<()> {
        let names = files(disk, "")?;
        let Some(name) = names.first() else {
            return Ok(());
        };
        let file = disk.open(name, OpenMode::Read)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back(file);
        let oldest = (all.len() > FORGOTTEN_MAX).then(|| all.pop_front());
        drop(all);
        drop(oldest);
        Ok(())
    }
}

/// Whether there is anything at all.
pub(super) fn is_empty(disk: &dyn Disk) -> bool {
    disk.list("").is_ok_and(|names| names.is_empty())
}

/// Leaves one more file.
pub(super) fn leave_a_file(disk: &dyn Disk) -> io::Result<()> {
    let left = disk.list("")?;
    let number = left.iter().filter(|name| name.starts_with(LEFT)).count();
    disk.open(&format!("{LEFT}-{number}"), OpenMode::Create)?;
    Ok(())
}

/// Makes a file longer.
pub(super) fn take_space(disk: &dyn Disk) -> io::Result<()> {
    let file = match disk.open(LEFT, OpenMode::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            disk.open(LEFT, OpenMode::Create)?
        }
        file => file?,
    };
    file.write_at(file.len()?, &[1; TAKEN])
}

/// Whether this is the second opening that finds something, or a later one. Leaves a file to know it by.
pub(super) fn was_recovered_before(disk: &dyn Disk) -> bool {
    disk.open(LEFT, OpenMode::Create).is_err()
}

/// Asks for the same again until nobody answers.
pub(super) fn loop_for_ever(disk: &dyn Disk) {
    while disk.list("").is_ok() {}
}

/// For each block of a log file reads the file from its beginning.
pub(super) fn read_again_and_again(disk: &dyn Disk) -> io::Result<()> {
    const BLOCK: u64 = 512;
    for name in files(disk, "")? {
        let file = disk.open(&name, OpenMode::Read)?;
        let blocks = file.len()?.min(64 << 10) / BLOCK;
        for last in 0..blocks {
            for block in 0..=last {
                file.read_at(block * BLOCK, &mut [0; 1])?;
            }
        }
    }
    Ok(())
}

/// All files in a directory and those in it.
fn files(disk: &dyn Disk, dir: &str) -> io::Result<Vec<String>> {
    let mut all = Vec::new();
    for name in disk.list(dir)? {
        let name = if dir.is_empty() {
            name
        } else {
            format!("{dir}/{name}")
        };
        match disk.list(&name) {
            Ok(_) => all.extend(files(disk, &name)?),
            Err(_) => all.push(name),
        }
    }
    Ok(all)
}
