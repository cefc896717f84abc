//! sled 0.34.

use std::path::Path;

use sled::{Batch, Db};

use crate::store::{Engine, Promise, Reader, Setup, Store, Writer};

#[derive(Debug)]
pub struct Sled;

struct Open(Db);

struct View<'s>(&'s Db);

impl Engine for Sled {
    fn name(&self) -> &'static str {
        "sled"
    }

    fn setting(&self) -> &'static str {
        "durable: flush after the batch, which is NOT power-loss safe (its log is not synced in order), so not compared in durable rows; no snapshots"
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        let config = sled::Config::new()
            .path(directory.join("sled"))
            .cache_capacity(setup.cache);
        Ok(Box::new(Open(config.open()?)))
    }
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut batch = Batch::default();
        body(&mut batch)?;
        self.0.apply_batch(batch)?;
        if promise == Promise::Durable {
            self.0.flush()?;
        }
        Ok(())
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        body(&View(&self.0))
    }

    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        View(&self.0).get(key, see)
    }

    fn drain(&self) -> anyhow::Result<()> {
        self.0.flush()?;
        Ok(())
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        self.drain()
    }

    fn has_snapshots(&self) -> bool {
        false
    }
}

impl Writer for Batch {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        self.insert(key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.remove(key);
        Ok(())
    }
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.0.get(key)?;
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
        for entry in self.0.range(start..).take(count) {
            let (key, value) = entry?;
            see(&key, &value);
        }
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        for entry in self.0.iter() {
            let (key, value) = entry?;
            see(&key, &value);
        }
        Ok(())
    }
}
