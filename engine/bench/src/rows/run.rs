//! What the rows of one group are measured with.

use std::path::Path;

use crate::check;
use crate::measure::{Asks, Figures, Unit};
use crate::store::{Engine, Setup, Store};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Records loaded at the start.
    pub records: u64,
    /// Bytes of cache that every engine gets.
    pub cache: u64,
    /// Records of the largest table that growth is measured at.
    pub growth: u64,
}

/// One engine in one group of rows.
pub struct Run<'r> {
    /// The engine.
    pub engine: &'r dyn Engine,
    /// A directory that is this run's alone.
    pub directory: &'r Path,
    /// How much of everything.
    pub scale: Scale,
    /// Where figures go.
    pub figures: &'r mut Figures,
}

impl Run<'_> {
    /// Opens the database with the cache of the run.
    pub fn open(&self) -> anyhow::Result<Box<dyn Store>> {
        self.open_with(self.setup())
    }

    /// How `open` opens it.
    pub fn setup(&self) -> Setup {
        Setup {
            cache: self.scale.cache,
            beyond_cache: false,
        }
    }

    /// Opens the database.
    pub fn open_with(&self, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        self.engine.open(self.directory, setup)
    }

    /// Adds a figure that is compared.
    pub fn add(&mut self, row: &str, unit: Unit, figure: f64) {
        self.push(row, unit, Asks::Transactions, figure);
    }

    /// Adds a figure that is compared with those of engines whose commits survive a power cut.
    pub fn add_durable(&mut self, row: &str, unit: Unit, figure: f64) {
        self.push(row, unit, Asks::DurableTransactions, figure);
    }

    /// Adds a figure that is compared with those of batches, too, if they survive a power cut.
    pub fn add_batches(&mut self, row: &str, unit: Unit, figure: f64) {
        self.push(row, unit, Asks::DurableBatches, figure);
    }

    /// Adds a figure that is compared with those that do what is asked.
    pub fn push(&mut self, row: &str, unit: Unit, asks: Asks, figure: f64) {
        let engine = self.engine.name();
        self.figures.add(row, unit, asks, engine, figure);
    }

    /// Adds a figure that explains others.
    pub fn note(&mut self, row: &str, unit: Unit, figure: f64) {
        self.figures.note(row, unit, self.engine.name(), figure);
    }
}

/// Runs `body` on as many threads, which are told their number, and waits for all.
pub fn on_threads(
    count: u64,
    body: impl Fn(u64) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let body = &body;
        let running: Vec<_> = (0..count)
            .map(|thread| scope.spawn(move || body(thread)))
            .collect();
        running
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(_) => Err(anyhow::anyhow!("a thread panicked")),
            })
    })
}

/// Writes a value and nothing else in one transaction.
pub fn put(
    store: &dyn Store,
    promise: crate::store::Promise,
    key: &[u8],
    value: &[u8],
) -> anyhow::Result<()> {
    store.write(promise, &mut |writer| writer.put(key, value))
}

/// Reads `count` of the records `0..records` at random over one snapshot.
pub fn read_some(store: &dyn Store, records: u64, count: u64, seed: u64) -> anyhow::Result<()> {
    let mut random = crate::data::Random::new(seed);
    store.read(&mut |reader| {
        (0..count).try_for_each(|_| check::get(reader, &crate::data::key(random.below(records))))
    })
}
