//! What the machine itself does: the floor under every durable commit and every miss.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::data::Random;
use crate::measure::{Figures, Unit, quantile_micros, time};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 4096;
const SYNCS: u64 = 1000;

/// A file whose blocks are all written: what a log is at its best.
pub struct RawLog {
    file: File,
    next: u64,
}

impl RawLog {
    /// Makes one, in `directory`.
    pub fn new(directory: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(directory.join("raw-log"))?;
        let block = [1; BLOCK];
        (0..BLOCKS).try_for_each(|number| file.write_all_at(&block, number * BLOCK as u64))?;
        file.sync_all()?;
        Ok(Self { file, next: 0 })
    }

    /// Overwrites a block and makes its data durable; how long that took.
    pub fn commit(&mut self) -> anyhow::Result<Duration> {
        let offset = self.next % BLOCKS * BLOCK as u64;
        self.next += 1;
        time(|| {
            self.file.write_all_at(&[7; BLOCK], offset)?;
            Ok(self.file.sync_data()?)
        })
    }
}

/// Measures an overwrite of a written block with a sync of its data, and a read of a cached one.
pub fn run(directory: &Path, figures: &mut Figures) -> anyhow::Result<()> {
    let mut log = RawLog::new(directory)?;
    let took = (0..SYNCS).map(|_| log.commit());
    let mut took: Vec<_> = took.collect::<anyhow::Result<_>>()?;
    let median = quantile_micros(&mut took, 0.5);
    figures.note(
        "overwrite 4 KiB + fdatasync, p50",
        Unit::Microseconds,
        "machine",
        median,
    );
    let mut random = Random::new(3);
    let mut took = Vec::new();
    let mut buffer = [0; BLOCK];
    for _ in 0..SYNCS {
        let offset = random.below(BLOCKS) * BLOCK as u64;
        took.push(time(|| Ok(log.file.read_exact_at(&mut buffer, offset)?))?);
    }
    let median = quantile_micros(&mut took, 0.5);
    figures.note(
        "read 4 KiB of a cached file, p50",
        Unit::Microseconds,
        "machine",
        median,
    );
    Ok(())
}
