//! Power cuts at every operation, through rolls, recycling, the making of segments and the start of sessions: each
//! unsynced sector, length and name survives or not, by a seed.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use super::support::*;
use crate::disk::{Disk, DiskFile, DiskLock, MemoryDisk, OpenMode};
use crate::ids::LogPosition;
use crate::wal::{Surplus, Wal};

/// A disk in memory that remembers what is durable, and stops after a number of changes.
#[derive(Clone, Debug)]
struct PowerDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    changes_left: usize,
    cut: bool,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// What each unsynced sector has held since the last sync, and each length.
    sectors: BTreeMap<usize, Vec<Vec<u8>>>,
    lengths: Vec<usize>,
}

#[derive(Debug)]
struct Handle(PowerDisk, usize);

#[derive(Debug)]
struct Seed(u64);

impl Seed {
    /// Splitmix64.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

impl PowerDisk {
    fn new(image: &Image, changes_left: usize) -> Self {
        let mut state = State {
            changes_left,
            ..State::default()
        };
        for (name, bytes) in image {
            state.names.insert(name.clone(), state.files.len());
            let (bytes, durable) = (bytes.clone(), bytes.clone());
            state.files.push(File {
                bytes,
                durable,
                ..File::default()
            });
        }
        state.durable_names = state.names.clone();
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn change(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.cut |= state.changes_left == 0;
        if state.cut {
            return Err(Error::other("no power"));
        }
        state.changes_left -= 1;
        Ok(state)
    }

    fn was_cut(&self) -> bool {
        self.state().cut
    }

    /// What a power cut leaves.
    fn crash(&self, seed: &mut Seed) -> Image {
        let state = self.state();
        let mut image = Image::new();
        let all: std::collections::BTreeSet<_> = state
            .names
            .keys()
            .chain(state.durable_names.keys())
            .collect();
        for name in all {
            let names = if seed.below(2) == 0 {
                &state.names
            } else {
                &state.durable_names
            };
            if let Some(file) = names.get(name) {
                image.insert(name.clone(), state.files[*file].crash(seed));
            }
        }
        image
    }
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.grow(end);
        self.bytes[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let at = sector * SECTOR;
            let mut now = self.bytes[at..self.bytes.len().min(at + SECTOR)].to_vec();
            now.resize(SECTOR, 0);
            self.sectors.entry(sector).or_default().push(now);
        }
    }

    fn grow(&mut self, len: usize) {
        if len > self.bytes.len() {
            self.bytes.resize(len, 0);
            self.lengths.push(len);
        }
    }

    fn sync(&mut self) {
        self.durable = self.bytes.clone();
        self.sectors.clear();
        self.lengths.clear();
    }

    fn crash(&self, seed: &mut Seed) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let choice = seed.below(self.lengths.len() + 1);
        let len = self.lengths.get(choice).copied().unwrap_or(bytes.len());
        bytes.resize(len, 0);
        for (sector, versions) in &self.sectors {
            let at = sector * SECTOR;
            let Some(version) = versions.get(seed.below(versions.len() + 1)) else {
                continue;
            };
            let end = len.min(at + SECTOR);
            if at < end {
                bytes[at..end].copy_from_slice(&version[..end - at]);
            }
        }
        bytes
    }
}

impl Disk for PowerDisk {
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let found = self.state().names.get(name).copied();
        let file = match (mode, found) {
            (OpenMode::Create, None) => {
                let mut state = self.change()?;
                let file = state.files.len();
                state.files.push(File::default());
                state.names.insert(name.to_owned(), file);
                file
            }
            (OpenMode::Create, Some(_)) => return Err(ErrorKind::AlreadyExists.into()),
            (_, found) => found.ok_or(ErrorKind::NotFound)?,
        };
        Ok(Arc::new(Handle(self.clone(), file)))
    }

    fn create_dir(&self, _name: &str) -> Result<()> {
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        let prefix = format!("{dir}/");
        let state = self.state();
        Ok(state
            .names
            .keys()
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(Into::into)
            .collect())
    }

    fn rename(&self, _from: &str, _to: &str) -> Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.change()?
            .names
            .remove(name)
            .map(drop)
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _dir: &str) -> Result<()> {
        let mut state = self.change()?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn lock(&self, _name: &str) -> Result<Box<dyn DiskLock>> {
        Err(ErrorKind::Unsupported.into())
    }
}

impl DiskFile for Handle {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let state = self.0.state();
        let start = usize::try_from(offset).unwrap();
        let found = state.files[self.1].bytes.get(start..start + buf.len());
        buf.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.0.change()?.files[self.1].write(usize::try_from(offset).unwrap(), bytes);
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        Ok(self.0.state().files[self.1].bytes.len() as u64)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let len = usize::try_from(len).unwrap();
        let mut state = self.0.change()?;
        let file = &mut state.files[self.1];
        assert!(len >= file.bytes.len(), "the log cuts no file here");
        file.grow(len);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.0.change()?.files[self.1].grow(usize::try_from(offset + len).unwrap());
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.0.change()?.files[self.1].sync();
        Ok(())
    }

    fn start_writeback(&self, _offset: u64, _len: u64) -> Result<()> {
        Ok(())
    }
}

/// A log beside what was promised of it. `start` stands for what the newest superblock names.
struct Life {
    start: LogPosition,
    /// All groups appended since `start`.
    groups: Vec<Vec<u8>>,
    synced: usize,
    appended: usize,
}

impl Life {
    /// Appends, syncs and checkpoints until the power goes or all is done.
    fn work(&mut self, wal: &mut Wal, seed: &mut Seed) {
        for step in 0..14 {
            let len = [3, 100, 700, 2600, 9000, 31_000][seed.below(6)];
            let group = payload(self.appended, len);
            self.appended += 1;
            self.groups.push(group.clone());
            if wal.append(&group).is_err() {
                return;
            }
            if seed.below(3) > 0 {
                if wal.flush().is_err() {
                    return;
                }
                continue;
            }
            if wal.sync().is_err() {
                return;
            }
            self.synced = self.groups.len();
            if step % 4 == 3 {
                let end = wal.end();
                self.checkpoint(wal, end);
            }
        }
    }

    fn checkpoint(&mut self, wal: &mut Wal, start: LogPosition) {
        self.start = start;
        self.groups.clear();
        self.synced = 0;
        // If that fails the file stays, which does no harm.
        drop(wal.recycle(start.lsn, None).and_then(Surplus::remove));
    }

    /// Recovery: reads, starts a session, checkpoints. `None` if the power goes before that is done.
    fn recover(&mut self, disk: &PowerDisk) -> Option<Wal> {
        let (contents, end) = read(disk, self.start).unwrap();
        let count = contents.groups.len();
        assert!(
            count >= self.synced && count <= self.groups.len(),
            "{count} groups"
        );
        assert!(contents.groups == self.groups[..count]);
        let mut wal = Wal::start_session(Arc::new(disk.clone()), CONFIG, end).ok()?;
        let start = wal.start();
        self.checkpoint(&mut wal, start);
        Some(wal)
    }
}

/// One life after another, each cut after `changes` changes; whether the first cut fell into its work.
fn live(changes: usize, number: u64) -> bool {
    let mut seed = Seed(number << 32 | changes as u64);
    let disk = MemoryDisk::new();
    let wal = create(&disk);
    let mut life = Life {
        start: wal.start(),
        groups: Vec::new(),
        synced: 0,
        appended: 0,
    };
    let mut image = image(&disk);
    let mut first_cut = false;
    for generation in 0..5 {
        let budget = if generation == 0 {
            changes
        } else {
            seed.below(60)
        };
        let disk = PowerDisk::new(&image, budget);
        if let Some(mut wal) = life.recover(&disk) {
            life.work(&mut wal, &mut seed);
        }
        first_cut |= generation == 0 && disk.was_cut();
        image = disk.crash(&mut seed);
    }
    life.recover(&PowerDisk::new(&image, usize::MAX)).unwrap();
    first_cut
}

#[test]
fn a_power_cut_at_any_change_loses_nothing_synced_and_keeps_the_order() {
    for number in 0..12 {
        let cuts = (0..10_000)
            .take_while(|changes| live(*changes, number))
            .count();
        assert!(cuts > 10, "{cuts} cuts");
    }
}
