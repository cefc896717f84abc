//! What the machine itself does: the floor under every durable commit and every miss.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::data::Random;
use crate::measure::{Figures, Unit, quantile_micros, time};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 4096;
const SYNCS: u64 = 1000;

/// Measures an overwrite of a written block with a sync of its data, as a write-ahead log does it.
pub fn run(directory: &Path, figures: &mut Figures) -> anyhow::Result<()> {
    let path = directory.join("physical");
    let file = OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)?;
    fill(&file)?;
    let block = [7; BLOCK];
    let mut took = Vec::new();
    for number in 0..SYNCS {
        took.push(time(|| {
            file.write_all_at(&block, number * BLOCK as u64)?;
            Ok(file.sync_data()?)
        })?);
    }
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
        took.push(time(|| Ok(file.read_exact_at(&mut buffer, offset)?))?);
    }
    let median = quantile_micros(&mut took, 0.5);
    figures.note(
        "read 4 KiB of a cached file, p50",
        Unit::Microseconds,
        "machine",
        median,
    );
    std::fs::remove_file(path)?;
    Ok(())
}

fn fill(file: &File) -> anyhow::Result<()> {
    let block = [1; BLOCK];
    for number in 0..BLOCKS {
        file.write_all_at(&block, number * BLOCK as u64)?;
    }
    Ok(file.sync_all()?)
}
