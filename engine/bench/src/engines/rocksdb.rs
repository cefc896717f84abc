//! RocksDB.

use std::path::Path;
use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, FlushOptions, Options, SnapshotWithThreadMode,
    WriteBatch, WriteOptions,
};

use crate::store::{Engine, Promise, Reader, Setup, Store, Writer};

const COMPACTIONS_PENDING: &str = "rocksdb.compaction-pending";
const COMPACTIONS_RUNNING: &str = "rocksdb.num-running-compactions";
const FLUSHES_RUNNING: &str = "rocksdb.num-running-flushes";

#[derive(Debug)]
pub struct Rocksdb;

struct Open(DB);

struct View<'s>(SnapshotWithThreadMode<'s, DB>);

impl Engine for Rocksdb {
    fn name(&self) -> &'static str {
        "rocksdb"
    }

    fn setting(&self) -> &'static str {
        "write batches, compared although they are not isolated; bloom filters of 10 bits; durable: WriteOptions::set_sync; visible: without; no compression"
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(usize::try_from(setup.cache)?));
        table.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::None);
        Ok(Box::new(Open(DB::open(
            &options,
            directory.join("rocksdb"),
        )?)))
    }
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut batch = WriteBatch::default();
        body(&mut batch)?;
        let mut options = WriteOptions::default();
        options.set_sync(promise == Promise::Durable);
        Ok(self.0.write_opt(batch, &options)?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        body(&View(self.0.snapshot()))
    }

    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.0.get_pinned(key)?;
        if let Some(value) = &value {
            see(value);
        }
        Ok(value.is_some())
    }

    fn drain(&self) -> anyhow::Result<()> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.0.flush_opt(&options)?;
        // Asked, not waited for: older libraries cannot be told to wait.
        for property in [COMPACTIONS_PENDING, COMPACTIONS_RUNNING, FLUSHES_RUNNING] {
            while self.0.property_int_value(property)?.unwrap_or(0) > 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        self.drain()?;
        self.0.compact_range::<&[u8], &[u8]>(None, None);
        self.drain()
    }
}

impl Writer for WriteBatch {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        Self::put(self, key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        Self::delete(self, key);
        Ok(())
    }
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.0.get_pinned(key)?;
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
        let mut cursor = self.0.raw_iterator();
        cursor.seek(start);
        for _ in 0..count {
            let Some((key, value)) = cursor.item() else {
                break;
            };
            see(key, value);
            cursor.next();
        }
        Ok(cursor.status()?)
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        let mut cursor = self.0.raw_iterator();
        cursor.seek_to_first();
        while let Some((key, value)) = cursor.item() {
            see(key, value);
            cursor.next();
        }
        Ok(cursor.status()?)
    }
}
