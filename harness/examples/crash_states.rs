//! How fast crash states are made: `cargo run --release --example crash_states`.

use std::hint::black_box;
use std::time::Instant;

use lightning_chaos::crash::{CrashWalker, Sample, crash_points, cut};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::CrashModel;
use lightning_chaos::sim::{SimConfig, SimDisk};
use lightning_db::disk::{Disk, OpenMode};

const FILES: [(&str, usize); 4] = [
    ("data", 300 << 10),
    ("map", 64 << 10),
    ("doublewrite", 32 << 10),
    ("wal", 64 << 10),
];
const STATES: u32 = 20_000;

fn main() -> std::io::Result<()> {
    let disk = SimDisk::new(SimConfig::default());
    for (name, len) in FILES {
        let file = disk.open(name, OpenMode::Create)?;
        file.write_at(0, &vec![7; len])?;
        file.sync()?;
    }
    disk.sync_dir("")?;
    for round in 0..10_u8 {
        for (name, _) in FILES {
            disk.open(name, OpenMode::Write)?
                .write_at(u64::from(round) * 4096, &[round; 4096])?;
        }
    }
    let trace = disk.finish();
    for model in [
        CrashModel::Posix,
        CrashModel::Prefix,
        CrashModel::ProcessCrash,
    ] {
        let mut walker = CrashWalker::new(&trace);
        let last = crash_points(&trace, model)
            .last()
            .copied()
            .unwrap_or_default();
        walker.advance_to(last);
        let rng = Rng::from_seed(1);
        let started = Instant::now();
        for sample in 0..STATES {
            let mut rng = rng.split("cut", sample.into());
            let state = cut(walker.state(), model, Sample(sample), &mut rng);
            black_box(state.digest());
        }
        let made = started.elapsed();
        let started = Instant::now();
        for sample in 0..STATES {
            let mut rng = rng.split("cut", sample.into());
            let state = cut(walker.state(), model, Sample(sample), &mut rng);
            recover(&SimDisk::boot(state, SimConfig::default()))?;
        }
        let all = started.elapsed();
        println!(
            "{model}: {:?} a state with its digest, {:?} with 100 operations on it",
            made / STATES,
            all / STATES
        );
    }
    Ok(())
}

/// 80 reads, 16 writes and 4 syncs of pages.
fn recover(disk: &SimDisk) -> std::io::Result<()> {
    let mut page = [0; 4096];
    for (name, len) in FILES {
        let file = disk.open(name, OpenMode::Write)?;
        for at in 0..20 {
            file.read_at((at * 4096) % (len as u64 - 4096), &mut page)?;
        }
        for at in 0..4 {
            file.write_at(at * 4096, &page)?;
        }
        file.sync()?;
    }
    Ok(())
}
