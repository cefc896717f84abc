//! Ten times as much data as cache: reads that have to fetch a page, beside the fetch of a page alone.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};

use super::load;
use super::run::{Run, read_some};
use super::units::{mebibytes, micros_each, ratio};
use crate::data::{KEY_LEN, Random, VALUE_LEN, key, value};
use crate::measure::{Unit, millis, time};
use crate::process::{Io, Memory};
use crate::store::{Promise, Setup, Store};

const CACHE: u64 = 64 << 20;
const RECORDS: u64 = 10 * CACHE / (KEY_LEN + VALUE_LEN) as u64;
const PAGE: usize = 4096;
/// Reads of the engine and of pages alone take turns.
const TURNS: u64 = 20;
const READS: u64 = 500;
const BATCHES: u64 = 50;
const BATCH_LEN: u64 = 100;
const SETUP: Setup = Setup {
    cache: CACHE,
    beyond_cache: true,
};

/// Makes the table. It is read by another process, which begins with empty caches.
pub fn load(run: &mut Run<'_>) -> anyhow::Result<()> {
    let store = run.open_with(SETUP)?;
    load::sorted(store.as_ref(), RECORDS)?;
    let memory = Memory::now();
    let row = "beyond the cache: peak memory of the load";
    run.note(row, Unit::Mebibytes, mebibytes(memory.peak));
    Ok(())
}

/// Reads it from the disk, then from the page cache, and overwrites some.
pub fn read(run: &mut Run<'_>) -> anyhow::Result<()> {
    let files = files(run.directory)?;
    forget(&files)?;
    let store = run.open_with(SETUP)?;
    // The inner nodes are read once.
    read_some(store.as_ref(), RECORDS, 4 * READS, 1)?;
    let (_, largest) = files.last().cloned().unwrap_or_default();
    compare(run, store.as_ref(), &largest, "from the disk")?;
    for (_, file) in &files {
        std::io::copy(&mut File::open(file)?, &mut std::io::sink())?;
    }
    compare(run, store.as_ref(), &largest, "from the page cache")?;
    steady(run, store.as_ref())?;
    let took = time(|| overwrite(store.as_ref()))?;
    run.add_durable(
        "beyond the cache: 50 durable batches of 100 overwrites",
        Unit::Milliseconds,
        millis(took),
    );
    Ok(())
}

/// One read of a record beside one read of a page, from the same file.
fn compare(run: &mut Run<'_>, store: &dyn Store, file: &Path, from: &str) -> anyhow::Result<()> {
    let pages = Pages::of(file)?;
    let mut random = Random::new(from.len() as u64);
    let (mut gets, mut preads, mut fetched) = (Duration::ZERO, Duration::ZERO, 0);
    let misses = store.misses();
    for turn in 0..TURNS {
        let io = Io::now();
        gets += time(|| read_some(store, RECORDS, READS, turn + random.next_u64()))?;
        fetched += Io::now().since(io).read;
        preads += time(|| (0..READS).try_for_each(|_| pages.read(&mut random)))?;
    }
    let reads = TURNS * READS;
    let (get, pread) = (micros_each(gets, reads), micros_each(preads, reads));
    let unit = Unit::Microseconds;
    run.add(&format!("beyond the cache: a read {from}"), unit, get);
    let row = format!("beyond the cache: one pread of a page {from}");
    run.note(&row, unit, pread);
    let row = format!("beyond the cache: bytes fetched by a read {from}, in pages");
    run.note(&row, Unit::Ratio, ratio(fetched, reads * PAGE as u64));
    let row = format!("beyond the cache: a read to one pread of a page {from}");
    run.note(&row, Unit::Ratio, get / pread);
    if let (Some(before), Some(after)) = (misses, store.misses()) {
        let misses = ratio(after - before, reads);
        let row = format!("beyond the cache: misses of a read {from}");
        run.note(&row, Unit::Ratio, misses);
        let row = format!("beyond the cache: a miss to one pread of a page {from}");
        run.note(&row, Unit::Ratio, get / misses.max(1e-9) / pread);
    }
    Ok(())
}

/// Memory does not grow with the number of reads.
fn steady(run: &mut Run<'_>, store: &dyn Store) -> anyhow::Result<()> {
    for (row, seed) in [("first", 21), ("second", 22)] {
        read_some(store, RECORDS, 40 * READS, seed)?;
        let memory = Memory::now();
        let row = format!("beyond the cache: memory after the {row} 20,000 reads more");
        run.note(&row, Unit::Mebibytes, mebibytes(memory.resident));
    }
    Ok(())
}

fn overwrite(store: &dyn Store) -> anyhow::Result<()> {
    let mut random = Random::new(31);
    let mut bytes = [0; VALUE_LEN];
    (0..BATCHES).try_for_each(|batch| {
        store.write(Promise::Durable, &mut |writer| {
            (0..BATCH_LEN).try_for_each(|_| {
                let key = key(random.below(RECORDS));
                value(&key, 1 + batch, &mut bytes);
                writer.put(&key, &bytes)
            })
        })
    })
}

/// The pages of a file, to be read at random.
struct Pages {
    file: File,
    count: u64,
}

impl Pages {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path)?;
        fadvise(&file, 0, None, Advice::Random)?;
        let count = file.metadata()?.len() / PAGE as u64;
        Ok(Self { file, count })
    }

    fn read(&self, random: &mut Random) -> anyhow::Result<()> {
        let mut page = [0; PAGE];
        let offset = random.below(self.count) * PAGE as u64;
        Ok(self.file.read_exact_at(&mut page, offset)?)
    }
}

/// All files under `directory`, the largest last.
fn files(directory: &Path) -> anyhow::Result<Vec<(u64, PathBuf)>> {
    let mut all = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                use std::os::unix::fs::MetadataExt;
                all.push((metadata.blocks(), entry.path()));
            }
        }
    }
    all.sort();
    Ok(all)
}

/// Takes the files out of the page cache.
fn forget(files: &[(u64, PathBuf)]) -> anyhow::Result<()> {
    for (_, path) in files {
        let file = File::options().read(true).write(true).open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
