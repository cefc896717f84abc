//! The six core workloads of YCSB (Cooper et al., 2010), on two threads, a transaction an operation.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::run::{Run, on_threads, put};
use super::units::{kilo_rate, micros_each};
use crate::check;
use crate::data::{Random, VALUE_LEN, Zipf, is_of, key, value};
use crate::measure::{Unit, cpu};
use crate::store::{Promise, Store};

const THREADS: u64 = 2;
const SCAN_MAX: u64 = 100;

/// What one operation does.
#[derive(Clone, Copy)]
enum Operation {
    Read,
    ReadLatest,
    Update,
    Insert,
    Scan,
    ReadModifyWrite,
}

/// A workload: two operations and the share of the first in percent.
type Mix = (&'static str, Operation, u64, Operation);

const MIXES: [Mix; 6] = [
    ("YCSB A", Operation::Read, 50, Operation::Update),
    ("YCSB B", Operation::Read, 95, Operation::Update),
    ("YCSB C", Operation::Read, 100, Operation::Read),
    ("YCSB D", Operation::ReadLatest, 95, Operation::Insert),
    ("YCSB E", Operation::Scan, 95, Operation::Insert),
    ("YCSB F", Operation::Read, 50, Operation::ReadModifyWrite),
];

struct Bench<'s> {
    store: &'s dyn Store,
    zipf: Zipf,
    /// Records below this one are there.
    loaded: u64,
    records: AtomicU64,
}

/// Loads a table and runs all six on it, one after the other.
pub fn run(run: &mut Run<'_>) -> anyhow::Result<()> {
    let store = run.open()?;
    let records = run.scale.records;
    let bench = Bench {
        store: store.as_ref(),
        zipf: Zipf::new(records),
        loaded: records,
        records: AtomicU64::new(0),
    };
    for first in (0..records).step_by(10_000) {
        bench.load(10_000.min(records - first))?;
    }
    store.drain()?;
    for mix in MIXES {
        let operations = if matches!(mix.1, Operation::Scan) {
            records / 20
        } else {
            records / 5
        };
        let (before, start) = (cpu(), Instant::now());
        on_threads(THREADS, |thread| {
            bench.run(mix, operations / THREADS, thread)
        })?;
        let rate = kilo_rate(operations, start.elapsed());
        run.add(mix.0, Unit::KiloOpsPerSecond, rate);
        let each = micros_each(cpu().saturating_sub(before), operations);
        let row = format!("processor time: an operation of {}", mix.0);
        run.note(&row, Unit::Microseconds, each);
        store.drain()?;
    }
    check::whole_table(store.as_ref(), bench.records.into_inner())
}

impl Bench<'_> {
    fn load(&self, count: u64) -> anyhow::Result<()> {
        let first = self.records.fetch_add(count, Relaxed);
        let mut bytes = [0; VALUE_LEN];
        self.store.write(Promise::Visible, &mut |writer| {
            (first..first + count).try_for_each(|record| {
                let key = key(record);
                value(&key, 0, &mut bytes);
                writer.put(&key, &bytes)
            })
        })
    }

    fn run(
        &self,
        (_, often, share, seldom): Mix,
        operations: u64,
        thread: u64,
    ) -> anyhow::Result<()> {
        let mut random = Random::new(100 + thread);
        for _ in 0..operations {
            let operation = if random.below(100) < share {
                often
            } else {
                seldom
            };
            self.operate(operation, &mut random)?;
        }
        Ok(())
    }

    fn operate(&self, operation: Operation, random: &mut Random) -> anyhow::Result<()> {
        match operation {
            Operation::Read => self.read(self.zipf.record(random)),
            Operation::ReadLatest => {
                let newest = self.records.load(Relaxed).saturating_sub(1);
                self.read(newest.saturating_sub(self.zipf.rank(random)))
            }
            Operation::Update => self.update(self.zipf.record(random), random),
            Operation::Insert => self.load(1),
            Operation::Scan => {
                let count = usize::try_from(1 + random.below(SCAN_MAX))?;
                let start = key(self.zipf.record(random));
                self.store.read(&mut |reader| {
                    reader.range(&start, count, &mut |k, v| {
                        black_box((k[0], v[0]));
                    })
                })
            }
            Operation::ReadModifyWrite => {
                let record = self.zipf.record(random);
                self.read(record)?;
                self.update(record, random)
            }
        }
    }

    fn read(&self, record: u64) -> anyhow::Result<()> {
        let key = key(record);
        let mut ours = false;
        let found = self
            .store
            .get(&key, &mut |value| ours = is_of(&key, value))?;
        // Of the records that are inserted meanwhile another thread may not have committed the newest.
        let expected = if found { ours } else { record >= self.loaded };
        check::ensure(expected, || format!("record {record} is not there"))
    }

    fn update(&self, record: u64, random: &mut Random) -> anyhow::Result<()> {
        let key = key(record);
        let mut bytes = [0; VALUE_LEN];
        value(&key, random.next_u64(), &mut bytes);
        put(self.store, Promise::Visible, &key, &bytes)
    }
}
