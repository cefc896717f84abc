//! Storage in memory, for `:memory:` databases and for tests.
//!
//! It keeps the contract as the strongest storage would: every change is durable at once, so `sync` does
//! nothing. Space ends where memory does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::contract::{Disk, DiskFile, DiskLock, OpenMode};
use super::name;

/// A directory in memory. A clone is the same directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    tree: Arc<Mutex<Tree>>,
}

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<String, Arc<Content>>,
    dirs: BTreeSet<String>,
    locked: BTreeSet<String>,
}

/// A file's bytes. They outlive the name, as an open file's do.
#[derive(Debug, Default)]
struct Content(Mutex<Vec<u8>>);

#[derive(Debug)]
struct MemoryFile {
    content: Arc<Content>,
    writable: bool,
}

#[derive(Debug)]
struct MemoryLock {
    tree: Arc<Mutex<Tree>>,
    name: String,
}

impl MemoryDisk {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        guard(&self.tree)
    }
}

impl Disk for MemoryDisk {
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        name::check_file(name)?;
        let mut tree = self.tree();
        let content = match mode {
            OpenMode::Read | OpenMode::Write => tree.file(name)?,
            OpenMode::Create => tree.create_file(name)?,
        };
        Ok(Arc::new(MemoryFile {
            content,
            writable: mode != OpenMode::Read,
        }))
    }

    fn create_dir(&self, name: &str) -> Result<()> {
        name::check(name)?;
        let mut tree = self.tree();
        if tree.files.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if !name.is_empty() {
            tree.need_parent(name)?;
            tree.dirs.insert(name.to_owned());
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        name::check(dir)?;
        let tree = self.tree();
        tree.need_dir(dir)?;
        let mut names: Vec<String> = tree
            .files
            .keys()
            .chain(&tree.dirs)
            .filter_map(|path| child(dir, path))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        name::check_file(from)?;
        name::check_file(to)?;
        let mut tree = self.tree();
        tree.need_parent(to)?;
        if tree.dirs.contains(to) {
            return Err(ErrorKind::IsADirectory.into());
        }
        let content = tree.files.remove(from).ok_or(ErrorKind::NotFound)?;
        tree.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        name::check_file(name)?;
        self.tree()
            .files
            .remove(name)
            .map(drop)
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        name::check(dir)?;
        self.tree().need_dir(dir)
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DiskLock>> {
        name::check_file(name)?;
        let mut tree = self.tree();
        if !tree.files.contains_key(name) {
            tree.create_file(name)?;
        }
        if !tree.locked.insert(name.to_owned()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock {
            tree: Arc::clone(&self.tree),
            name: name.to_owned(),
        }))
    }
}

impl Tree {
    fn file(&self, name: &str) -> Result<Arc<Content>> {
        if self.dirs.contains(name) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.files
            .get(name)
            .cloned()
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn create_file(&mut self, name: &str) -> Result<Arc<Content>> {
        self.need_parent(name)?;
        if self.files.contains_key(name) || self.dirs.contains(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let content = Arc::new(Content::default());
        self.files.insert(name.to_owned(), Arc::clone(&content));
        Ok(content)
    }

    fn need_parent(&self, name: &str) -> Result<()> {
        self.need_dir(name.rsplit_once('/').map_or("", |(parent, _)| parent))
    }

    fn need_dir(&self, dir: &str) -> Result<()> {
        if dir.is_empty() || self.dirs.contains(dir) {
            Ok(())
        } else if self.files.contains_key(dir) {
            Err(ErrorKind::NotADirectory.into())
        } else {
            Err(ErrorKind::NotFound.into())
        }
    }
}

/// The name of `path` in `dir`, if it stands right there.
fn child(dir: &str, path: &str) -> Option<String> {
    let rest = if dir.is_empty() {
        path
    } else {
        path.strip_prefix(dir)?.strip_prefix('/')?
    };
    (!rest.contains('/')).then(|| rest.to_owned())
}

impl DiskLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        guard(&self.tree).locked.remove(&self.name);
    }
}

impl MemoryFile {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        guard(&self.content.0)
    }

    fn bytes_to_change(&self) -> Result<MutexGuard<'_, Vec<u8>>> {
        if self.writable {
            Ok(self.bytes())
        } else {
            Err(ErrorKind::PermissionDenied.into())
        }
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let bytes = self.bytes();
        let found = usize::try_from(offset)
            .ok()
            .and_then(|start| bytes.get(start..)?.get(..buf.len()))
            .ok_or(ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, new: &[u8]) -> Result<()> {
        let mut bytes = self.bytes_to_change()?;
        let (start, end) = range(offset, new.len() as u64)?;
        grow(&mut bytes, end)?;
        if let Some(place) = bytes.get_mut(start..end) {
            place.copy_from_slice(new);
        }
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut bytes = self.bytes_to_change()?;
        let (_, end) = range(0, len)?;
        grow(&mut bytes, end)?;
        bytes.truncate(end);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        let mut bytes = self.bytes_to_change()?;
        let (_, end) = range(offset, len)?;
        grow(&mut bytes, end)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn start_writeback(&self, _offset: u64, _len: u64) -> Result<()> {
        Ok(())
    }
}

fn range(offset: u64, len: u64) -> Result<(usize, usize)> {
    let end = offset.checked_add(len).ok_or(ErrorKind::InvalidInput)?;
    let index = |at: u64| usize::try_from(at).map_err(|_| Error::from(ErrorKind::FileTooLarge));
    Ok((index(offset)?, index(end)?))
}

/// Grows with zeroes to at least `len`. Want of memory is an error, as want of space is.
fn grow(bytes: &mut Vec<u8>, len: usize) -> Result<()> {
    let missing = len.saturating_sub(bytes.len());
    if missing > 0 {
        bytes
            .try_reserve(missing)
            .map_err(|_| Error::from(ErrorKind::StorageFull))?;
        bytes.resize(len, 0);
    }
    Ok(())
}

/// No invariant of ours spans a panic of the holder: what is there is whole.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
