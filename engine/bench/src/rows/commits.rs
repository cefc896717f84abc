//! Many threads that commit durably, each one record at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::physical::RawLog;
use super::run::{Run, on_threads, put};
use super::units::{kilo_rate, ratio};
use crate::data::{Random, VALUE_LEN, key, value};
use crate::measure::{Unit, quantile_micros, time};
use crate::store::{Promise, Store};

/// Each number of threads commits for this long.
const SPAN: Duration = Duration::from_millis(1500);
/// One thread and the bare loop take turns, so that both meet the same disk.
const TURNS: u32 = 5;
/// Commits of the bare loop in a turn.
const RAW: u64 = 200;
/// Clients that think between commits.
const CLIENTS: u64 = 8;
/// How long they think, on average: the log is asked for less than half of what it can do.
const THINK_MICROS: f64 = 2_000.0;

/// Measures one engine.
pub fn run(run: &mut Run<'_>) -> anyhow::Result<()> {
    let store = run.open()?;
    let next = AtomicU64::new(0);
    one_thread(run, store.as_ref(), &next)?;
    for threads in [8, 32] {
        let syncs = store.log_syncs();
        let (commits, took) = commit_for(store.as_ref(), threads, &next, SPAN)?;
        report(run, threads, commits, took);
        if let (Some(before), Some(after)) = (syncs, store.log_syncs()) {
            let row = format!("syncs a commit, {threads} threads");
            run.note(&row, Unit::Ratio, ratio(after - before, commits));
        }
        store.drain()?;
    }
    thinking(run, store.as_ref(), &next)
}

fn report(run: &mut Run<'_>, threads: u64, commits: u64, took: Duration) {
    let row = format!("durable commits, {threads} threads");
    run.add_durable(&row, Unit::KiloOpsPerSecond, kilo_rate(commits, took));
}

fn one_thread(run: &mut Run<'_>, store: &dyn Store, next: &AtomicU64) -> anyhow::Result<()> {
    let mut log = RawLog::new(run.directory)?;
    let (mut raw, mut ours, mut commits) = (Duration::ZERO, Duration::ZERO, 0);
    for _ in 0..TURNS {
        for _ in 0..RAW {
            raw += log.commit()?;
        }
        let (count, took) = commit_for(store, 1, next, SPAN / TURNS)?;
        commits += count;
        ours += took;
    }
    report(run, 1, commits, ours);
    let bare = kilo_rate(u64::from(TURNS) * RAW, raw);
    let share = kilo_rate(commits, ours) / bare;
    run.note(
        "1 thread, to overwrite + fdatasync beside it",
        Unit::Share,
        share,
    );
    store.drain()
}

/// Commits new records from many threads; how many there were, and in which time.
fn commit_for(
    store: &dyn Store,
    threads: u64,
    next: &AtomicU64,
    span: Duration,
) -> anyhow::Result<(u64, Duration)> {
    let stop = AtomicBool::new(false);
    let commits = AtomicU64::new(0);
    let start = Instant::now();
    // The last thread only keeps the time.
    on_threads(threads + 1, |thread| {
        if thread == threads {
            std::thread::sleep(span);
            stop.store(true, Relaxed);
            return Ok(());
        }
        while !stop.load(Relaxed) {
            commit(store, next.fetch_add(1, Relaxed))?;
            commits.fetch_add(1, Relaxed);
        }
        Ok(())
    })?;
    Ok((commits.into_inner(), start.elapsed()))
}

fn commit(store: &dyn Store, record: u64) -> anyhow::Result<()> {
    let key = key(record);
    let mut bytes = [0; VALUE_LEN];
    value(&key, 0, &mut bytes);
    put(store, Promise::Durable, &key, &bytes)
}

/// Clients that come when they like, not when the last group is done. What waiting for company costs them shows beside the same
/// clients where nobody waits, in turns with them, if the engine can be told so.
fn thinking(run: &mut Run<'_>, store: &dyn Store, next: &AtomicU64) -> anyhow::Result<()> {
    let hasty = run.directory.join("hasty");
    std::fs::create_dir_all(&hasty)?;
    let hasty = run.engine.open_hasty(&hasty, run.setup())?;
    let (mut all, mut all_hasty) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        all.append(&mut think(store, next)?);
        if let Some(hasty) = &hasty {
            all_hasty.append(&mut think(hasty.as_ref(), next)?);
        }
    }
    let unit = Unit::Microseconds;
    let row = format!("commit of {CLIENTS} clients that think, p50");
    run.add_durable(&row, unit, quantile_micros(&mut all, 0.5));
    let row = format!("commit of {CLIENTS} clients that think, p99");
    run.note(&row, unit, quantile_micros(&mut all, 0.99));
    if hasty.is_some() {
        let row = format!("commit of {CLIENTS} clients that think where nobody waits, p50");
        run.note(&row, unit, quantile_micros(&mut all_hasty, 0.5));
        let row = format!("commit of {CLIENTS} clients that think where nobody waits, p99");
        run.note(&row, unit, quantile_micros(&mut all_hasty, 0.99));
    }
    Ok(())
}

/// What the commits of clients took that think between them.
fn think(store: &dyn Store, next: &AtomicU64) -> anyhow::Result<Vec<Duration>> {
    let all = Mutex::new(Vec::new());
    let start = Instant::now();
    on_threads(CLIENTS, |client| {
        let mut random = Random::new(client);
        let mut took = Vec::new();
        while start.elapsed() < SPAN / TURNS {
            let think = -(1.0 - random.unit()).ln() * THINK_MICROS;
            std::thread::sleep(Duration::from_secs_f64(think / 1e6));
            took.push(time(|| commit(store, next.fetch_add(1, Relaxed)))?);
        }
        lock(&all).append(&mut took);
        Ok(())
    })?;
    Ok(std::mem::take(&mut *lock(&all)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
