//! Many threads that commit durably, each one record at a time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::scale::{Scale, kilo_rate};
use crate::data::{VALUE_LEN, key, value};
use crate::measure::{Figures, Unit};
use crate::store::{Engine, Promise, Store};

/// Each number of threads commits for this long.
const SPAN: Duration = Duration::from_millis(1500);

/// Measures one engine with 1, 8 and 32 threads.
pub fn run(
    engine: &dyn Engine,
    directory: &Path,
    scale: Scale,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let store = engine.create(directory, scale.cache)?;
    let mut next = 0;
    for threads in [1, 8, 32] {
        let syncs = store.log_syncs();
        let start = Instant::now();
        let commits = commit_for(store.as_ref(), threads, next, SPAN)?;
        let took = start.elapsed();
        next += commits + threads;
        let row = format!("durable commits, {threads} threads");
        figures.add(
            &row,
            Unit::KiloOpsPerSecond,
            engine.name(),
            kilo_rate(commits, took),
        );
        if let (Some(before), Some(after)) = (syncs, store.log_syncs()) {
            let row = format!("syncs a commit, {threads} threads");
            let share = share(after - before, commits);
            figures.note(&row, Unit::Ratio, engine.name(), share);
        }
        store.drain()?;
    }
    Ok(())
}

/// Commits new records from `first` on, from many threads; how many there were.
fn commit_for(store: &dyn Store, threads: u64, first: u64, span: Duration) -> anyhow::Result<u64> {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let committer = || -> anyhow::Result<()> {
        let mut bytes = [0; VALUE_LEN];
        while !stop.load(Relaxed) {
            let record = next.fetch_add(1, Relaxed);
            value(record, 0, &mut bytes);
            store.write(Promise::Durable, &mut |writer| {
                writer.put(&key(record), &bytes)
            })?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(committer)).collect();
        std::thread::sleep(span);
        stop.store(true, Relaxed);
        running
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(_) => Err(anyhow::anyhow!("a committing thread panicked")),
            })
    })?;
    Ok(next.load(Relaxed) - first)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
