//! fjall.

use std::path::Path;
use std::time::Duration;

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Snapshot,
};

use crate::store::{Engine, Promise, Reader, Store, Writer};

#[derive(Debug)]
pub struct Fjall;

struct Open {
    database: Database,
    keyspace: Keyspace,
}

struct Batch<'s> {
    batch: OwnedWriteBatch,
    keyspace: &'s Keyspace,
}

struct View<'s> {
    snapshot: Snapshot,
    keyspace: &'s Keyspace,
}

impl Engine for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn setting(&self) -> &'static str {
        "durable: a batch with PersistMode::SyncData; visible: a batch with no persist mode"
    }

    fn create(&self, directory: &Path, cache: u64) -> anyhow::Result<Box<dyn Store>> {
        let database = Database::builder(directory.join("fjall"))
            .cache_size(cache)
            .open()?;
        let keyspace = database.keyspace("t", KeyspaceCreateOptions::default)?;
        Ok(Box::new(Open { database, keyspace }))
    }
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mode = (promise == Promise::Durable).then_some(PersistMode::SyncData);
        let mut batch = Batch {
            batch: self.database.batch().durability(mode),
            keyspace: &self.keyspace,
        };
        body(&mut batch)?;
        Ok(batch.batch.commit()?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        body(&View {
            snapshot: self.database.snapshot(),
            keyspace: &self.keyspace,
        })
    }

    fn drain(&self) -> anyhow::Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        while self.database.active_compactions() > 0 || self.database.outstanding_flushes() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        self.drain()?;
        self.keyspace.major_compact()?;
        self.drain()
    }
}

impl Writer for Batch<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        self.batch.insert(self.keyspace, key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.batch.remove(self.keyspace, key);
        Ok(())
    }
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.snapshot.get(self.keyspace, key)?;
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
        for entry in self.snapshot.range(self.keyspace, start..).take(count) {
            let (key, value) = entry.into_inner()?;
            see(&key, &value);
        }
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        for entry in self.snapshot.iter(self.keyspace) {
            let (key, value) = entry.into_inner()?;
            see(&key, &value);
        }
        Ok(())
    }
}
