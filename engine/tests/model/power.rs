//! A disk that can lose power: what was not synced is kept or lost sector by sector, length by length, name by
//! name. It can also end the process: after so many more operations nothing works any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use lightning_db::disk::{Disk, DiskFile, DiskLock, OpenMode};

const SECTOR: usize = 512;

/// A clone is the same disk.
#[derive(Clone, Debug, Default)]
pub struct PowerDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    /// What processes see.
    names: Names,
    /// What a power cut leaves at least, and what was done to it since.
    durable: Names,
    changes: Vec<Change>,
    locked: BTreeSet<String>,
    life: Option<u64>,
    lies: bool,
}

#[derive(Clone, Debug, Default)]
struct Names {
    files: BTreeMap<String, usize>,
    dirs: BTreeSet<String>,
}

#[derive(Clone, Debug)]
enum Change {
    Link(String, usize),
    Unlink(String),
    Rename(String, String),
    Dir(String),
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Len(usize),
}

#[derive(Debug)]
struct PowerFile {
    disk: PowerDisk,
    inode: usize,
    writable: bool,
}

#[derive(Debug)]
struct Held {
    disk: PowerDisk,
    name: String,
}

/// How much of what was not synced a power cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    Nothing,
    Everything,
    /// Some, by this seed.
    Some(u64),
}

/// Draws what survives (`SplitMix64`).
struct Draw {
    survival: Survival,
    state: u64,
}

impl Draw {
    fn new(survival: Survival) -> Self {
        let state = if let Survival::Some(seed) = survival {
            seed
        } else {
            0
        };
        Self { survival, state }
    }

    fn keeps(&mut self) -> bool {
        match self.survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Some(_) => {
                self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = self.state;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (mixed ^ (mixed >> 31)) & 1 == 0
            }
        }
    }
}

impl PowerDisk {
    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// After `operations` more every one fails, until this is lifted by `None`.
    pub fn set_life(&self, operations: Option<u64>) {
        self.state.lock().unwrap().life = operations;
    }

    /// From now on syncs of files do nothing.
    pub fn start_to_lie(&self) {
        self.state.lock().unwrap().lies = true;
    }

    /// Cuts the power and brings it back.
    pub fn cut_power(&self, survival: Survival) {
        let mut draw = Draw::new(survival);
        let state = &mut *self.state.lock().unwrap();
        for change in std::mem::take(&mut state.changes) {
            if draw.keeps() {
                state.durable.apply(change);
            }
        }
        state.durable.drop_orphans();
        state.names = state.durable.clone();
        state.locked.clear();
        for inode in &mut state.inodes {
            inode.settle(&mut draw);
        }
    }

    /// The state, if the process is still alive.
    fn alive(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().unwrap();
        match &mut state.life {
            Some(0) => return Err(Error::other("the process is gone")),
            Some(life) => *life -= 1,
            None => {}
        }
        Ok(state)
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Change {
    fn dir(&self) -> &str {
        match self {
            Self::Link(name, _) | Self::Unlink(name) | Self::Dir(name) => parent(name),
            Self::Rename(_, to) => parent(to),
        }
    }
}

impl Names {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Link(name, inode) => {
                self.files.insert(name, inode);
            }
            Change::Unlink(name) => {
                self.files.remove(&name);
            }
            Change::Rename(from, to) => {
                if let Some(inode) = self.files.remove(&from) {
                    self.files.insert(to, inode);
                }
            }
            Change::Dir(name) => {
                self.dirs.insert(name);
            }
        }
    }

    fn has_dir(&self, name: &str) -> bool {
        name.is_empty() || self.dirs.contains(name)
    }

    fn drop_orphans(&mut self) {
        let dirs = self.dirs.clone();
        let has_parent = |name: &String| parent(name).is_empty() || dirs.contains(parent(name));
        self.dirs.retain(has_parent);
        self.files.retain(|name, _| has_parent(name));
    }
}

impl State {
    fn change(&mut self, change: Change) {
        self.names.apply(change.clone());
        self.changes.push(change);
    }

    fn need_parent(&self, name: &str) -> Result<()> {
        if self.names.has_dir(parent(name)) {
            return Ok(());
        }
        Err(ErrorKind::NotFound.into())
    }

    fn create(&mut self, name: &str) -> Result<usize> {
        self.need_parent(name)?;
        if self.names.files.contains_key(name) || self.names.dirs.contains(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.inodes.push(Inode::default());
        let inode = self.inodes.len() - 1;
        self.change(Change::Link(name.to_owned(), inode));
        Ok(inode)
    }
}

impl Inode {
    fn write(&mut self, at: usize, new: &[u8]) {
        let end = at + new.len();
        if end > self.bytes.len() {
            self.set_len(end);
        }
        self.bytes[at..end].copy_from_slice(new);
        self.pending.push(Pending::Write(at, new.to_vec()));
    }

    fn set_len(&mut self, len: usize) {
        self.bytes.resize(len, 0);
        self.pending.push(Pending::Len(len));
    }

    /// What is left after a power cut is all there is.
    fn settle(&mut self, draw: &mut Draw) {
        let mut len = self.durable.len();
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Len(new) => {
                    if draw.keeps() {
                        len = new;
                        self.durable.truncate(len);
                    }
                }
                Pending::Write(at, new) => self.keep_sectors(at, &new, draw),
            }
        }
        self.durable.resize(len, 0);
        self.bytes.clone_from(&self.durable);
    }

    fn keep_sectors(&mut self, at: usize, new: &[u8], draw: &mut Draw) {
        let mut start = at;
        while start < at + new.len() {
            let end = ((start / SECTOR + 1) * SECTOR).min(at + new.len());
            if draw.keeps() {
                if self.durable.len() < end {
                    self.durable.resize(end, 0);
                }
                self.durable[start..end].copy_from_slice(&new[start - at..end - at]);
            }
            start = end;
        }
    }

    fn sync(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Len(len) => self.durable.resize(len, 0),
                Pending::Write(at, new) => {
                    self.durable[at..at + new.len()].copy_from_slice(&new);
                }
            }
        }
    }
}

impl Disk for PowerDisk {
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let mut state = self.alive()?;
        let inode = match mode {
            OpenMode::Create => state.create(name)?,
            OpenMode::Read | OpenMode::Write => {
                *state.names.files.get(name).ok_or(ErrorKind::NotFound)?
            }
        };
        Ok(Arc::new(PowerFile {
            disk: self.clone(),
            inode,
            writable: mode != OpenMode::Read,
        }))
    }

    fn create_dir(&self, name: &str) -> Result<()> {
        let mut state = self.alive()?;
        state.need_parent(name)?;
        if !state.names.has_dir(name) {
            state.change(Change::Dir(name.to_owned()));
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        let state = self.alive()?;
        if !state.names.has_dir(dir) {
            return Err(ErrorKind::NotFound.into());
        }
        let all = state.names.files.keys().chain(&state.names.dirs);
        let within = all.filter(|name| !name.is_empty() && parent(name) == dir);
        let last = |name: &String| name.rsplit('/').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = within.map(last).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.alive()?;
        state.need_parent(to)?;
        if !state.names.files.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        state.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let mut state = self.alive()?;
        if !state.names.files.contains_key(name) {
            return Err(ErrorKind::NotFound.into());
        }
        state.change(Change::Unlink(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        let state = &mut *self.alive()?;
        let changes = std::mem::take(&mut state.changes);
        let (done, left) = changes.into_iter().partition(|change| change.dir() == dir);
        let done: Vec<Change> = done;
        state.changes = left;
        for change in done {
            state.durable.apply(change);
        }
        Ok(())
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DiskLock>> {
        let mut state = self.alive()?;
        if !state.names.files.contains_key(name) {
            state.create(name)?;
        }
        if !state.locked.insert(name.to_owned()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held {
            disk: self.clone(),
            name: name.to_owned(),
        }))
    }
}

impl DiskLock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.state.lock().unwrap().locked.remove(&self.name);
    }
}

impl PowerFile {
    fn change(&self, change: impl FnOnce(&mut Inode)) -> Result<()> {
        if !self.writable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        change(&mut self.disk.alive()?.inodes[self.inode]);
        Ok(())
    }
}

fn place(offset: u64) -> Result<usize> {
    usize::try_from(offset).map_err(|_| ErrorKind::InvalidInput.into())
}

impl DiskFile for PowerFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let at = place(offset)?;
        let state = self.disk.alive()?;
        let bytes = &state.inodes[self.inode].bytes;
        let found = bytes.get(at..).and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let at = place(offset)?;
        self.change(|inode| inode.write(at, bytes))
    }

    fn len(&self) -> Result<u64> {
        Ok(self.disk.alive()?.inodes[self.inode].bytes.len() as u64)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let len = place(len)?;
        self.change(|inode| inode.set_len(len))
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        let end = place(offset)? + place(len)?;
        self.change(|inode| {
            if end > inode.bytes.len() {
                inode.set_len(end);
            }
        })
    }

    fn sync(&self) -> Result<()> {
        let lies = self.disk.alive()?.lies;
        self.change(|inode| {
            if !lies {
                inode.sync();
            }
        })
    }

    fn start_writeback(&self, _: u64, _: u64) -> Result<()> {
        self.disk.alive().map(drop)
    }
}
