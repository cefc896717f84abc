//! The life of one table: loaded, changed, read, emptied by half, compacted.

use std::hint::black_box;
use std::time::Instant;

use super::run::{Run, on_threads, read_some};
use super::units::{disk_bytes, mebibytes, ratio};
use crate::check;
use crate::data::{KEY_LEN, Random, VALUE_LEN, key, value};
use crate::measure::{Asks, Unit, cpu, millis, quantile_micros, time};
use crate::process::{Io, Memory};
use crate::store::{Promise, Store, Writes};

const DURABLE: u64 = 1_000;
const BATCHES: u64 = 100;
const BATCH_LEN: u64 = 1_000;
const THREADS: u64 = 4;
const RECORD_LEN: u64 = (KEY_LEN + VALUE_LEN) as u64;

/// Measures all rows of one engine.
pub fn run(run: &mut Run<'_>) -> anyhow::Result<()> {
    let mut store = run.open()?;
    let records = run.scale.records;
    let transactions = run.engine.writes() == Writes::Transactions;
    let mut table = Table {
        run,
        store: store.as_mut(),
        records: 0,
        removed: 0,
    };
    let before = Io::now();
    table.load(records)?;
    table.durable()?;
    table.batches()?;
    table.visible(records / 20)?;
    let written = Io::now().since(before).written;
    let payload = table.records * RECORD_LEN;
    let row = "bytes written a byte of payload, all of these writes";
    table.run.note(row, Unit::Ratio, ratio(written, payload));
    if transactions {
        table.reads(records)?;
        table.ranges(records / 2)?;
        table.scan()?;
        table.threads()?;
    }
    table.removals(records / 2)?;
    table.compact()?;
    table.memory();
    check::whole_table(table.store, table.records - table.removed)
}

struct Table<'s, 'r> {
    run: &'s mut Run<'r>,
    store: &'s mut dyn Store,
    /// Records `0..records` were written.
    records: u64,
    removed: u64,
}

impl Table<'_, '_> {
    /// Measures `work` as `row`; its processor time stands beside it.
    fn row(
        &mut self,
        row: &str,
        asks: Asks,
        work: impl FnOnce(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (before, start) = (cpu(), Instant::now());
        work(self)?;
        let took = start.elapsed();
        let cpu = cpu().saturating_sub(before);
        self.run.push(row, Unit::Milliseconds, asks, millis(took));
        let row = format!("processor time: {row}");
        self.run.note(&row, Unit::Milliseconds, millis(cpu));
        Ok(())
    }

    /// Background work is not charged to the next row: its cost is a row of its own.
    fn drain(&mut self, after: &str) -> anyhow::Result<()> {
        let took = time(|| self.store.drain())?;
        let row = format!("background work after {after}");
        self.run.note(&row, Unit::Milliseconds, millis(took));
        Ok(())
    }

    /// Appends `count` new records in one transaction.
    fn append(&mut self, count: u64, promise: Promise) -> anyhow::Result<()> {
        let records = self.records..self.records + count;
        self.records = records.end;
        let mut bytes = [0; VALUE_LEN];
        self.store.write(promise, &mut |writer| {
            records.clone().try_for_each(|record| {
                let key = key(record);
                value(&key, 0, &mut bytes);
                writer.put(&key, &bytes)
            })
        })
    }

    fn load(&mut self, records: u64) -> anyhow::Result<()> {
        self.row(
            "bulk load, one transaction",
            Asks::DurableBatches,
            |table| table.append(records, Promise::Durable),
        )?;
        self.drain("bulk load")
    }

    fn durable(&mut self) -> anyhow::Result<()> {
        let mut took = Vec::new();
        for _ in 0..DURABLE {
            took.push(time(|| self.append(1, Promise::Durable))?);
        }
        let (median, high) = (
            quantile_micros(&mut took, 0.5),
            quantile_micros(&mut took, 0.99),
        );
        self.run
            .add_durable("durable transaction, p50", Unit::Microseconds, median);
        self.run
            .note("durable transaction, p99", Unit::Microseconds, high);
        self.drain("durable transactions")
    }

    fn batches(&mut self) -> anyhow::Result<()> {
        let (files, io) = (disk_bytes(self.run.directory)?, Io::now());
        let log = self.store.log_bytes();
        self.row(
            "100 durable batches of 1,000",
            Asks::DurableBatches,
            |table| (0..BATCHES).try_for_each(|_| table.append(BATCH_LEN, Promise::Durable)),
        )?;
        let acknowledged = Io::now().since(io).written;
        let payload = BATCHES * BATCH_LEN * RECORD_LEN;
        if let (Some(before), Some(after)) = (log, self.store.log_bytes()) {
            let row = "batches: log a byte of payload";
            let log = after.saturating_sub(before);
            self.run.note(row, Unit::Ratio, ratio(log, payload));
        }
        let grown = disk_bytes(self.run.directory)?.saturating_sub(files);
        let row = "batches: files grew by";
        self.run.note(row, Unit::Mebibytes, mebibytes(grown));
        let row = "batches: bytes written a byte of payload, when acknowledged";
        self.run
            .note(row, Unit::Ratio, ratio(acknowledged, payload));
        self.drain("batches")?;
        let later = Io::now().since(io).written - acknowledged;
        let row = "batches: bytes written a byte of payload, put off";
        self.run.note(row, Unit::Ratio, ratio(later, payload));
        Ok(())
    }

    fn visible(&mut self, count: u64) -> anyhow::Result<()> {
        let row = format!("{count} transactions, not durable");
        self.row(&row, Asks::Transactions, |table| {
            (0..count).try_for_each(|_| table.append(1, Promise::Visible))
        })?;
        self.drain("transactions, not durable")
    }

    fn reads(&mut self, count: u64) -> anyhow::Result<()> {
        self.row("random reads", Asks::Transactions, |table| {
            read_some(table.store, table.records, count, 1)
        })
    }

    fn ranges(&mut self, count: u64) -> anyhow::Result<()> {
        let mut seen = 0;
        self.row("ranges of 10", Asks::Transactions, |table| {
            let mut random = Random::new(2);
            table.store.read(&mut |reader| {
                (0..count).try_for_each(|_| {
                    let start = key(random.below(table.records));
                    reader.range(&start, 10, &mut |key, value| {
                        black_box((key[0], value[0]));
                        seen += 1;
                    })
                })
            })
        })?;
        // Fewer than ten records follow on the last ten only.
        let all = seen <= count * 10 && seen + 1_000 > count * 10;
        check::ensure(all, || {
            format!("{count} ranges of 10 showed {seen} records")
        })
    }

    fn scan(&mut self) -> anyhow::Result<()> {
        let mut seen = 0;
        self.row("full scan", Asks::Transactions, |table| {
            table.store.read(&mut |reader| {
                reader.scan(&mut |key, value| {
                    black_box((key[0], value[0]));
                    seen += 1;
                })
            })
        })?;
        let records = self.records;
        let what = || format!("the scan showed {seen} of {records} records");
        check::ensure(seen == records, what)
    }

    fn threads(&mut self) -> anyhow::Result<()> {
        self.row("random reads, 4 threads", Asks::Transactions, |table| {
            let (store, records) = (&*table.store, table.records);
            on_threads(THREADS, |thread| {
                read_some(store, records, records / THREADS, thread + 10)
            })
        })
    }

    fn removals(&mut self, count: u64) -> anyhow::Result<()> {
        self.row("removals, one transaction", Asks::DurableBatches, |table| {
            table.store.write(Promise::Durable, &mut |writer| {
                (0..count).try_for_each(|record| writer.delete(&key(record)))
            })
        })?;
        self.removed = count;
        self.drain("removals")
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        let size = mebibytes(disk_bytes(self.run.directory)?);
        self.run
            .note("size before compaction", Unit::Mebibytes, size);
        let took = time(|| self.store.compact())?;
        self.run
            .note("compaction", Unit::Milliseconds, millis(took));
        let size = disk_bytes(self.run.directory)?;
        let payload = (self.records - self.removed) * RECORD_LEN;
        let row = "size after compaction";
        self.run.add_batches(row, Unit::Mebibytes, mebibytes(size));
        self.run
            .note("payload then", Unit::Mebibytes, mebibytes(payload));
        let row = "size after compaction a byte of payload";
        self.run.note(row, Unit::Ratio, ratio(size, payload));
        Ok(())
    }

    fn memory(&mut self) {
        let memory = Memory::now();
        let row = "peak memory, mapped files among it";
        self.run.note(row, Unit::Mebibytes, mebibytes(memory.peak));
        let row = "memory in no file, at the end";
        self.run
            .note(row, Unit::Mebibytes, mebibytes(memory.anonymous));
    }
}
