//! A disk that remembers every change, and gives the image that a power cut could leave at any of them.
//!
//! A sync makes a file's changes durable, `sync_dir` the names. Of the rest each 512-byte sector of each
//! write, and each length, is kept or lost by the seed; a lost newer write leaves an older one.

use std::collections::BTreeMap;
use std::io::Result;
use std::sync::{Arc, Mutex};

use super::model::Rng;
use crate::disk::{Disk, DiskFile, DiskLock, MemoryDisk, OpenMode};

const SECTOR: u64 = 512;

/// Files by name.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Debug)]
enum Change {
    Create(String),
    Remove(String),
    Write(String, u64, Vec<u8>),
    Len(String, u64),
    Sync(String),
    Rename(String, String),
    SyncDir(String),
}

/// A disk that remembers. A clone is the same disk.
#[derive(Clone, Debug)]
pub(crate) struct CrashDisk {
    cache: MemoryDisk,
    base: Image,
    changes: Arc<Mutex<Vec<Change>>>,
}

#[derive(Debug)]
struct CrashFile {
    cache: Arc<dyn DiskFile>,
    name: String,
    changes: Arc<Mutex<Vec<Change>>>,
}

/// How much of what was not synced a power cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survival {
    Nothing,
    All,
    Some,
}

#[derive(Clone, Debug, Default)]
struct Durable {
    bytes: Vec<u8>,
    pending: Vec<Change>,
    has_name: bool,
    /// The name that is durable, where another one is not yet.
    old_name: Option<String>,
    /// What had this name before a rename that is not durable yet.
    replaces: Option<Box<Self>>,
    is_gone: bool,
}

impl CrashDisk {
    /// A disk on which `base` is durable.
    pub(crate) fn new(base: Image) -> Self {
        let cache = MemoryDisk::new();
        for (name, bytes) in &base {
            if let Some((dir, _)) = name.rsplit_once('/') {
                cache.create_dir(dir).unwrap();
            }
            cache
                .open(name, OpenMode::Create)
                .unwrap()
                .write_at(0, bytes)
                .unwrap();
        }
        Self {
            cache,
            base,
            changes: Arc::default(),
        }
    }

    pub(crate) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Changes so far.
    pub(crate) fn len(&self) -> usize {
        self.changes.lock().unwrap().len()
    }

    /// The disk as a process finds it that starts after another died right after the first `len` changes:
    /// everything is seen, nothing more is durable.
    pub(crate) fn process_crash(&self, len: usize) -> Self {
        let disk = Self::new(self.base.clone());
        for change in self.changes.lock().unwrap().iter().take(len) {
            disk.apply(change).unwrap();
        }
        disk
    }

    fn apply(&self, change: &Change) -> Result<()> {
        let file = |name: &str| self.cache.open(name, OpenMode::Write);
        self.note(change.clone());
        match change {
            Change::Create(name) => self.cache.open(name, OpenMode::Create).map(drop),
            Change::Remove(name) => self.cache.remove(name),
            Change::Write(name, offset, bytes) => file(name)?.write_at(*offset, bytes),
            Change::Len(name, len) => file(name)?.set_len(*len),
            Change::Rename(from, to) => self.cache.rename(from, to),
            Change::Sync(_) | Change::SyncDir(_) => Ok(()),
        }
    }

    /// What a power cut right after the first `len` changes leaves.
    pub(crate) fn cut(&self, len: usize, survival: Survival, rng: &mut Rng) -> Image {
        let mut files: BTreeMap<String, Durable> = BTreeMap::new();
        for (name, bytes) in &self.base {
            let bytes = bytes.clone();
            files.insert(
                name.clone(),
                Durable {
                    bytes,
                    has_name: true,
                    ..Durable::default()
                },
            );
        }
        for change in self.changes.lock().unwrap().iter().take(len) {
            match change {
                Change::Create(name) => drop(files.insert(name.clone(), Durable::default())),
                Change::Remove(name) => files.get_mut(name).unwrap().is_gone = true,
                Change::Write(name, ..) | Change::Len(name, _) => {
                    files.get_mut(name).unwrap().pending.push(change.clone());
                }
                Change::Sync(name) => {
                    let file = files.get_mut(name).unwrap();
                    file.bytes = file.left(Survival::All, &mut Rng(0));
                    file.pending.clear();
                }
                Change::Rename(from, to) => {
                    let mut file = files.remove(from).unwrap();
                    file.old_name = std::mem::take(&mut file.has_name).then(|| from.clone());
                    file.replaces = files.remove(to).map(Box::new);
                    files.insert(to.clone(), file);
                }
                Change::SyncDir(dir) => {
                    let is_here = |name: &str| name.rsplit_once('/').map_or("", |(d, _)| d) == dir;
                    files.retain(|name, file| !(file.is_gone && is_here(name)));
                    for (_, file) in files.iter_mut().filter(|(name, _)| is_here(name)) {
                        (file.has_name, file.old_name, file.replaces) = (true, None, None);
                    }
                }
            }
        }
        let mut image = Image::new();
        for (name, file) in files {
            if file.survives(survival, rng) {
                image.insert(name, file.left(survival, rng));
                continue;
            }
            if let Some(replaced) = file.replaces.as_ref().filter(|old| old.has_name) {
                image.insert(name, replaced.left(survival, rng));
            }
            if let Some(old) = &file.old_name {
                image.insert(old.clone(), file.left(survival, rng));
            }
        }
        image
    }
}

impl Survival {
    fn keeps(self, rng: &mut Rng) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Some => rng.below(2) == 0,
        }
    }
}

impl Durable {
    fn survives(&self, survival: Survival, rng: &mut Rng) -> bool {
        let has_name = self.has_name || survival.keeps(rng);
        has_name && !(self.is_gone && survival.keeps(rng))
    }

    fn left(&self, survival: Survival, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let mut len = self.bytes.len();
        for change in &self.pending {
            match change {
                Change::Len(_, new) if survival.keeps(rng) => {
                    len = usize::try_from(*new).unwrap();
                    bytes.truncate(len);
                }
                Change::Write(_, offset, new) => {
                    write_sectors(&mut bytes, *offset, new, survival, rng);
                }
                _ => {}
            }
        }
        bytes.resize(len, 0);
        bytes
    }
}

fn write_sectors(bytes: &mut Vec<u8>, offset: u64, new: &[u8], survival: Survival, rng: &mut Rng) {
    let mut at = 0;
    while at < new.len() {
        let start = offset + at as u64;
        let end = ((start / SECTOR + 1) * SECTOR - offset).min(new.len() as u64);
        let end = usize::try_from(end).unwrap();
        if survival.keeps(rng) {
            let start = usize::try_from(start).unwrap();
            let piece = &new[at..end];
            if bytes.len() < start + piece.len() {
                bytes.resize(start + piece.len(), 0);
            }
            bytes[start..start + piece.len()].copy_from_slice(piece);
        }
        at = end;
    }
}

impl CrashDisk {
    fn note(&self, change: Change) {
        self.changes.lock().unwrap().push(change);
    }
}

impl Disk for CrashDisk {
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let cache = self.cache.open(name, mode)?;
        if mode == OpenMode::Create {
            self.note(Change::Create(name.to_owned()));
        }
        let (name, changes) = (name.to_owned(), Arc::clone(&self.changes));
        Ok(Arc::new(CrashFile {
            cache,
            name,
            changes,
        }))
    }

    fn create_dir(&self, name: &str) -> Result<()> {
        self.cache.create_dir(name)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        self.cache.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.note(Change::Rename(from.to_owned(), to.to_owned()));
        self.cache.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.cache.remove(name)?;
        self.note(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        self.note(Change::SyncDir(dir.to_owned()));
        self.cache.sync_dir(dir)
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DiskLock>> {
        self.cache.lock(name)
    }
}

impl CrashFile {
    fn note(&self, change: Change) {
        self.changes.lock().unwrap().push(change);
    }

    fn grow(&self, len: u64) -> Result<()> {
        if len > self.cache.len()? {
            self.note(Change::Len(self.name.clone(), len));
        }
        Ok(())
    }
}

impl DiskFile for CrashFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.cache.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.grow(offset + bytes.len() as u64)?;
        self.note(Change::Write(self.name.clone(), offset, bytes.to_vec()));
        self.cache.write_at(offset, bytes)
    }

    fn len(&self) -> Result<u64> {
        self.cache.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.note(Change::Len(self.name.clone(), len));
        self.cache.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.grow(offset + len)?;
        self.cache.allocate(offset, len)
    }

    fn sync(&self) -> Result<()> {
        self.note(Change::Sync(self.name.clone()));
        self.cache.sync()
    }

    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        self.cache.start_writeback(offset, len)
    }
}
