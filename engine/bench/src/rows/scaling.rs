//! Reads by more and more threads, each over a snapshot of its own.

use std::time::Instant;

use super::load;
use super::run::{Run, on_threads, read_some};
use super::units::kilo_rate;
use crate::measure::Unit;

/// Reads of all threads together.
const READS: u64 = 1_000_000;

/// Measures 1, 2, 4 and 8 threads.
pub fn run(run: &mut Run<'_>) -> anyhow::Result<()> {
    let store = run.open()?;
    let records = run.scale.records;
    load::sorted(store.as_ref(), records)?;
    read_some(store.as_ref(), records, READS / 4, 1)?;
    for threads in [1, 2, 4, 8] {
        let start = Instant::now();
        on_threads(threads, |thread| {
            read_some(store.as_ref(), records, READS / threads, threads + thread)
        })?;
        let rate = kilo_rate(READS, start.elapsed());
        run.add(
            &format!("reads, {threads} threads"),
            Unit::KiloOpsPerSecond,
            rate,
        );
    }
    Ok(())
}
