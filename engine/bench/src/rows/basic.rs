//! The life of one table: loaded, changed, read, emptied by half, compacted.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use super::scale::{Scale, disk_bytes, mebibytes};
use crate::data::{KEY_LEN, Random, VALUE_LEN, key, value};
use crate::measure::{Figures, Unit, millis, quantile_micros, time};
use crate::store::{Engine, Promise, Store};

const DURABLE: u64 = 1_000;
const BATCHES: u64 = 100;
const BATCH_LEN: u64 = 1_000;
const THREADS: u64 = 4;

/// Measures all rows of one engine, in a directory of its own.
pub fn run(
    engine: &dyn Engine,
    directory: &Path,
    scale: Scale,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut store = engine.create(directory, scale.cache)?;
    let mut table = Table {
        engine: engine.name(),
        store: store.as_mut(),
        records: 0,
        removed: 0,
        figures,
    };
    table.load(scale.records)?;
    table.durable()?;
    table.batches(directory)?;
    table.visible(scale.records / 20)?;
    table.reads(scale.records)?;
    table.ranges(scale.records / 2)?;
    table.scan()?;
    table.threads()?;
    table.removals(scale.records / 2)?;
    table.compact(directory)
}

struct Table<'s> {
    engine: &'static str,
    store: &'s mut dyn Store,
    /// Records `0..records` were written.
    records: u64,
    removed: u64,
    figures: &'s mut Figures,
}

impl Table<'_> {
    fn add(&mut self, row: &str, unit: Unit, figure: f64) {
        self.figures.add(row, unit, self.engine, figure);
    }

    /// Background work is not charged to the next row: its cost is a row of its own.
    fn drain(&mut self, after: &str) -> anyhow::Result<()> {
        let took = time(|| self.store.drain())?;
        let row = format!("background work after {after}");
        self.figures
            .note(&row, Unit::Milliseconds, self.engine, millis(took));
        Ok(())
    }

    /// Appends `count` new records in one transaction.
    fn append(&mut self, count: u64, promise: Promise) -> anyhow::Result<()> {
        let records = self.records..self.records + count;
        self.records = records.end;
        let mut bytes = [0; VALUE_LEN];
        self.store.write(promise, &mut |writer| {
            for record in records.clone() {
                value(record, 0, &mut bytes);
                writer.put(&key(record), &bytes)?;
            }
            Ok(())
        })
    }

    fn load(&mut self, records: u64) -> anyhow::Result<()> {
        let took = time(|| self.append(records, Promise::Durable))?;
        self.add(
            "bulk load, one transaction",
            Unit::Milliseconds,
            millis(took),
        );
        self.drain("bulk load")
    }

    fn durable(&mut self) -> anyhow::Result<()> {
        let mut took = Vec::new();
        for _ in 0..DURABLE {
            took.push(time(|| self.append(1, Promise::Durable))?);
        }
        let median = quantile_micros(&mut took, 0.5);
        self.add("durable transaction, p50", Unit::Microseconds, median);
        let high = quantile_micros(&mut took, 0.99);
        self.figures.note(
            "durable transaction, p99",
            Unit::Microseconds,
            self.engine,
            high,
        );
        self.drain("durable transactions")
    }

    fn batches(&mut self, directory: &Path) -> anyhow::Result<()> {
        let before = disk_bytes(directory)?;
        let took =
            time(|| (0..BATCHES).try_for_each(|_| self.append(BATCH_LEN, Promise::Durable)))?;
        self.add(
            "100 durable batches of 1,000",
            Unit::Milliseconds,
            millis(took),
        );
        let grown = disk_bytes(directory)?.saturating_sub(before);
        self.figures.note(
            "files grew by, in these batches",
            Unit::Mebibytes,
            self.engine,
            mebibytes(grown),
        );
        self.drain("batches")
    }

    fn visible(&mut self, count: u64) -> anyhow::Result<()> {
        let took = time(|| (0..count).try_for_each(|_| self.append(1, Promise::Visible)))?;
        let row = format!("{count} transactions, not durable");
        self.add(&row, Unit::Milliseconds, millis(took));
        self.drain("transactions, not durable")
    }

    fn reads(&mut self, count: u64) -> anyhow::Result<()> {
        let (store, records) = (&*self.store, self.records);
        let took = time(|| read_some(store, records, count, 1))?;
        self.add("random reads", Unit::Milliseconds, millis(took));
        Ok(())
    }

    fn ranges(&mut self, count: u64) -> anyhow::Result<()> {
        let (store, records) = (&*self.store, self.records);
        let took = time(|| {
            let mut random = Random::new(2);
            let mut seen = 0_u64;
            store.read(&mut |reader| {
                for _ in 0..count {
                    let start = key(random.below(records));
                    reader.range(&start, 10, &mut |k, v| {
                        seen += black_box(k.len() + v.len()) as u64;
                    })?;
                }
                Ok(())
            })?;
            anyhow::ensure!(seen > 0, "the ranges showed nothing");
            Ok(())
        })?;
        self.add("ranges of 10", Unit::Milliseconds, millis(took));
        Ok(())
    }

    fn scan(&mut self) -> anyhow::Result<()> {
        let (store, records) = (&*self.store, self.records);
        let took = time(|| {
            let mut seen = 0;
            store.read(&mut |reader| {
                reader.scan(&mut |k, v| seen += u64::from(black_box(k.len() + v.len()) > 0))
            })?;
            anyhow::ensure!(
                seen == records,
                "the scan showed {seen} of {records} records"
            );
            Ok(())
        })?;
        self.add("full scan", Unit::Milliseconds, millis(took));
        Ok(())
    }

    fn threads(&mut self) -> anyhow::Result<()> {
        let (store, records) = (&*self.store, self.records);
        let each = records / THREADS;
        let start = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || read_some(store, records, each, thread + 10)))
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(_) => Err(anyhow::anyhow!("a reading thread panicked")),
                })
        })?;
        let took = start.elapsed();
        self.add("random reads, 4 threads", Unit::Milliseconds, millis(took));
        Ok(())
    }

    fn removals(&mut self, count: u64) -> anyhow::Result<()> {
        let took = time(|| {
            self.store.write(Promise::Durable, &mut |writer| {
                (0..count).try_for_each(|record| writer.delete(&key(record)))
            })
        })?;
        self.removed = count;
        self.add(
            "removals, one transaction",
            Unit::Milliseconds,
            millis(took),
        );
        self.drain("removals")
    }

    fn compact(&mut self, directory: &Path) -> anyhow::Result<()> {
        let size = mebibytes(disk_bytes(directory)?);
        self.figures
            .note("size before compaction", Unit::Mebibytes, self.engine, size);
        let took = time(|| self.store.compact())?;
        self.figures
            .note("compaction", Unit::Milliseconds, self.engine, millis(took));
        let size = mebibytes(disk_bytes(directory)?);
        self.add("size after compaction", Unit::Mebibytes, size);
        let kept = self.records - self.removed;
        let payload = mebibytes(kept * (KEY_LEN + VALUE_LEN) as u64);
        self.figures
            .note("payload", Unit::Mebibytes, self.engine, payload);
        Ok(())
    }
}

/// Reads `count` records at random and looks at each value.
fn read_some(store: &dyn Store, records: u64, count: u64, seed: u64) -> anyhow::Result<()> {
    let mut random = Random::new(seed);
    store.read(&mut |reader| {
        for _ in 0..count {
            let record = random.below(records);
            let found = reader.get(&key(record), &mut |value| {
                black_box(value[0]);
            })?;
            anyhow::ensure!(found, "record {record} is not there");
        }
        Ok(())
    })
}
