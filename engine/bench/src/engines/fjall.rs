//! fjall: its transactions, and beside them its batches, which no other work is checked against.

use std::path::Path;
use std::time::Duration;

use fjall::config::CompressionPolicy;
use fjall::{
    Database, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable,
    SingleWriterTxDatabase, SingleWriterTxKeyspace, SingleWriterWriteTx, Snapshot,
};

use crate::store::{Engine, Promise, Reader, Setup, Store, Writer, Writes};

/// Its single-writer transactions. Of its two kinds they are the faster one here: neither shares a sync among
/// commits, and the optimistic one keeps track of what it read as well.
#[derive(Debug)]
pub struct Fjall;

/// Its write batches.
#[derive(Debug)]
pub struct FjallBatch;

struct Open {
    database: SingleWriterTxDatabase,
    keyspace: SingleWriterTxKeyspace,
    writes: Writes,
}

struct Transaction<'s> {
    transaction: SingleWriterWriteTx<'s>,
    keyspace: &'s SingleWriterTxKeyspace,
}

struct Batch<'s> {
    batch: OwnedWriteBatch,
    keyspace: &'s SingleWriterTxKeyspace,
}

struct View<'s> {
    snapshot: Snapshot,
    keyspace: &'s SingleWriterTxKeyspace,
}

impl Engine for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn setting(&self) -> &'static str {
        "single-writer transactions; durable: PersistMode::SyncData; visible: no persist mode; no compression"
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        open(directory, setup, Writes::Transactions)
    }
}

impl Engine for FjallBatch {
    fn name(&self) -> &'static str {
        "fjall-batch"
    }

    fn setting(&self) -> &'static str {
        "fjall with write batches in place of transactions: atomic, not isolated, so compared in the rows that ask for a batch only"
    }

    fn writes(&self) -> Writes {
        Writes::Batches
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        open(directory, setup, Writes::Batches)
    }
}

fn open(directory: &Path, setup: Setup, writes: Writes) -> anyhow::Result<Box<dyn Store>> {
    let database = SingleWriterTxDatabase::builder(directory.join("fjall"))
        .cache_size(setup.cache)
        .open()?;
    let options = || {
        KeyspaceCreateOptions::default()
            .data_block_compression_policy(CompressionPolicy::disabled())
    };
    let keyspace = database.keyspace("t", options)?;
    Ok(Box::new(Open {
        database,
        keyspace,
        writes,
    }))
}

impl Open {
    fn database(&self) -> &Database {
        self.database.inner()
    }
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mode = (promise == Promise::Durable).then_some(PersistMode::SyncData);
        let keyspace = &self.keyspace;
        if self.writes == Writes::Batches {
            let batch = self.database().batch().durability(mode);
            let mut batch = Batch { batch, keyspace };
            body(&mut batch)?;
            return Ok(batch.batch.commit()?);
        }
        let mut writing = Transaction {
            transaction: self.database.write_tx().durability(mode),
            keyspace,
        };
        body(&mut writing)?;
        Ok(writing.transaction.commit()?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        body(&View {
            snapshot: self.database.read_tx(),
            keyspace: &self.keyspace,
        })
    }

    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.keyspace.get(key)?;
        if let Some(value) = &value {
            see(value);
        }
        Ok(value.is_some())
    }

    fn drain(&self) -> anyhow::Result<()> {
        let database = self.database();
        self.keyspace.inner().rotate_memtable_and_wait()?;
        while database.active_compactions() > 0 || database.outstanding_flushes() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(database.persist(PersistMode::SyncAll)?)
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        self.drain()?;
        self.keyspace.inner().major_compact()?;
        self.drain()
    }
}

impl Writer for Transaction<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        self.transaction.insert(self.keyspace, key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.transaction.remove(self.keyspace, key);
        Ok(())
    }
}

impl Writer for Batch<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        self.batch.insert(self.keyspace.inner(), key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.batch.remove(self.keyspace.inner(), key);
        Ok(())
    }
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.snapshot.get(self.keyspace.inner(), key)?;
        if let Some(value) = &value {
            see(value);
        }
        Ok(value.is_some())
    }

    fn range(
        &self,
        start: &[u8],
        count: usize,
        see: &mut dyn FnMut(&[u8], &[u8]),
    ) -> anyhow::Result<()> {
        let keyspace = self.keyspace.inner();
        for entry in self.snapshot.range(keyspace, start..).take(count) {
            let (key, value) = entry.into_inner()?;
            see(&key, &value);
        }
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        for entry in self.snapshot.iter(self.keyspace.inner()) {
            let (key, value) = entry.into_inner()?;
            see(&key, &value);
        }
        Ok(())
    }
}
