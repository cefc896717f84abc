//! Durable commits while the engine writes back what it put off.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::load;
use super::physical::RawLog;
use super::run::{Run, on_threads, put};
use super::units::ratio;
use crate::data::{Random, VALUE_LEN, key, value};
use crate::measure::{Unit, quantile_micros};
use crate::store::{Promise, Store};

const RECORDS_MAX: u64 = 300_000;
/// Records that are changed before each checkpoint.
const CHANGES: u64 = 20_000;
const CHECKPOINTS_MIN: usize = 10;
/// It goes on until this many commits met a checkpoint,
const SAMPLES: u64 = 3_000;
/// but not longer.
const LONGEST: Duration = Duration::from_secs(40);
const QUIET: Duration = Duration::from_millis(300);
/// Commits of the bare loop that says what the machine's own tail is.
const BARE: usize = 8_000;
/// Fewer commits than this have no 99.9th percentile.
const SAMPLES_MIN: usize = 1_000;

/// What two threads tell each other.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    checkpoint: AtomicBool,
    /// Commits that began during a checkpoint.
    met: AtomicU64,
}

/// What the engine did in a span of time.
struct Span {
    checkpoint: bool,
    start: Instant,
    end: Instant,
}

type Commit = (Instant, Duration);

/// Commits one record at a time, while checkpoints begin and end.
pub fn run(run: &mut Run<'_>) -> anyhow::Result<()> {
    let store = run.open()?;
    let records = run.scale.records.min(RECORDS_MAX);
    load::sorted(store.as_ref(), records)?;
    let (spans, commits) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let shared = Shared::default();
    on_threads(2, |thread| {
        if thread == 0 {
            let result = checkpoints(store.as_ref(), records, &shared);
            shared.stop.store(true, Relaxed);
            *spans.lock().unwrap_or_else(PoisonError::into_inner) = result?;
        } else {
            let result = commit_until(store.as_ref(), records, &shared)?;
            *commits.lock().unwrap_or_else(PoisonError::into_inner) = result;
        }
        Ok(())
    })?;
    let spans = spans.into_inner().unwrap_or_else(PoisonError::into_inner);
    let commits = commits.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(run, &spans, &commits);
    bare(run)
}

/// A loop of overwrite and sync with nothing beside it: no engine's tail is shorter.
fn bare(run: &mut Run<'_>) -> anyhow::Result<()> {
    let mut log = RawLog::new(run.directory)?;
    let took = (0..BARE).map(|_| log.commit());
    let mut took: Vec<_> = took.collect::<anyhow::Result<_>>()?;
    let (median, high) = (
        quantile_micros(&mut took, 0.5),
        quantile_micros(&mut took, 0.999),
    );
    let row = "overwrite + fdatasync with nothing beside, p99.9 to p50";
    run.note(row, Unit::Ratio, high / median);
    Ok(())
}

/// Changes much, waits for the checkpoint of it, and again.
fn checkpoints(store: &dyn Store, records: u64, shared: &Shared) -> anyhow::Result<Vec<Span>> {
    let mut spans = Vec::new();
    let begin = Instant::now();
    let mut random = Random::new(8);
    let mut bytes = [0; VALUE_LEN];
    for round in 0.. {
        let met = shared.met.load(Relaxed);
        if round >= CHECKPOINTS_MIN && (met >= SAMPLES || begin.elapsed() > LONGEST) {
            break;
        }
        let start = Instant::now();
        store.write(Promise::Visible, &mut |writer| {
            (0..CHANGES).try_for_each(|_| {
                let key = key(random.below(records));
                value(&key, round as u64, &mut bytes);
                writer.put(&key, &bytes)
            })
        })?;
        let middle = Instant::now();
        shared.checkpoint.store(true, Relaxed);
        store.drain()?;
        shared.checkpoint.store(false, Relaxed);
        let end = Instant::now();
        for (checkpoint, start, end) in [(false, start, middle), (true, middle, end)] {
            spans.push(Span {
                checkpoint,
                start,
                end,
            });
        }
        std::thread::sleep(QUIET);
    }
    Ok(spans)
}

fn commit_until(store: &dyn Store, records: u64, shared: &Shared) -> anyhow::Result<Vec<Commit>> {
    let mut commits = Vec::new();
    let mut random = Random::new(9);
    let mut bytes = [0; VALUE_LEN];
    while !shared.stop.load(Relaxed) {
        let key = key(random.below(records));
        value(&key, random.next_u64(), &mut bytes);
        let met = u64::from(shared.checkpoint.load(Relaxed));
        shared.met.fetch_add(met, Relaxed);
        let start = Instant::now();
        put(store, Promise::Durable, &key, &bytes)?;
        commits.push((start, start.elapsed()));
    }
    Ok(commits)
}

fn report(run: &mut Run<'_>, spans: &[Span], commits: &[Commit]) {
    let overlaps =
        |(start, took): &Commit, span: &Span| *start < span.end && *start + *took > span.start;
    let (mut outside, mut during) = (Vec::new(), Vec::new());
    for commit in commits {
        let mut met = spans.iter().filter(|span| overlaps(commit, span));
        match (met.next(), met.next()) {
            (None, _) => outside.push(commit.1),
            (Some(span), None) if span.checkpoint => during.push(commit.1),
            // The batch before the checkpoint is no checkpoint.
            _ => {}
        }
    }
    let mut all: Vec<_> = commits.iter().map(|(_, took)| *took).collect();
    let high = quantile_micros(&mut all, 0.999);
    let row = "durable commit beside batches and checkpoints, p99.9";
    run.add_durable(row, Unit::Microseconds, high);
    let median = quantile_micros(&mut outside, 0.5);
    let unit = Unit::Microseconds;
    run.note("durable commit outside checkpoints, p50", unit, median);
    let share = ratio(during.len() as u64, commits.len() as u64);
    run.note("share of commits that met a checkpoint", Unit::Share, share);
    if during.len() >= SAMPLES_MIN {
        let high = quantile_micros(&mut during, 0.999);
        run.note("durable commit during checkpoints, p99.9", unit, high);
        let row = "p99.9 during checkpoints to p50 outside";
        run.note(row, Unit::Ratio, high / median);
    }
}
