//! Lightning DB.

use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use lightning_db::{
    CommitError, Database, Durability, Limits, Options, Snapshot, Source, Transaction,
};

use crate::store::{Engine, Promise, Reader, Setup, Store, Writer};

const TABLE: &str = "t";

#[derive(Debug)]
pub struct Lightning;

struct Open(Database);

impl Engine for Lightning {
    fn name(&self) -> &'static str {
        "lightning"
    }

    fn setting(&self) -> &'static str {
        "durable: Durability::Sync, the default; visible: Durability::None; memory: twice the cache, pages not yet written among it (once, beyond the cache)"
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        open(directory, options(setup))
    }

    fn open_hasty(&self, directory: &Path, setup: Setup) -> anyhow::Result<Option<Box<dyn Store>>> {
        open(directory, options(setup).group_wait(Duration::ZERO)).map(Some)
    }
}

fn options(setup: Setup) -> Options {
    let mut limits = Limits::default();
    // Half of it is for what is not on disk yet: others keep that beside their cache. Where memory is what is
    // measured it is the same as theirs.
    limits.memory = if setup.beyond_cache {
        setup.cache
    } else {
        setup.cache * 2
    };
    Options::new().limits(limits)
}

fn open(directory: &Path, options: Options) -> anyhow::Result<Box<dyn Store>> {
    let db = Database::open_or_create(directory.join("db"), options)?;
    Ok(Box::new(Open(db)))
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let durability = match promise {
            Promise::Durable => Durability::Sync,
            Promise::Visible => Durability::None,
        };
        loop {
            let mut transaction = self.0.begin()?;
            body(&mut transaction)?;
            match transaction.commit_with(durability) {
                // Its peers make writers wait instead.
                Err(CommitError::Conflict { .. }) => {}
                other => return Ok(other.map(drop)?),
            }
        }
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        body(&self.0.snapshot()?)
    }

    /// Without a snapshot that could be handed on.
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.0.get(TABLE, key)?;
        if let Some(value) = &value {
            see(value);
        }
        Ok(value.is_some())
    }

    fn drain(&self) -> anyhow::Result<()> {
        Ok(self.0.checkpoint()?)
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        self.0.compact()?;
        Ok(())
    }

    fn log_syncs(&self) -> Option<u64> {
        Some(self.0.stats().log_syncs)
    }

    fn misses(&self) -> Option<u64> {
        Some(self.0.stats().page_loads)
    }

    fn replayed(&self) -> Option<u64> {
        Some(self.0.recovery_report().bytes)
    }

    fn log_bytes(&self) -> Option<u64> {
        Some(self.0.stats().log_bytes)
    }
}

impl Writer for Transaction {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        Ok(Self::put(self, TABLE, key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        Ok(Self::delete(self, TABLE, key)?)
    }
}

impl Reader for Snapshot {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = Self::get(self, TABLE, key)?;
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
        let bounds = (Bound::Included(start), Bound::Unbounded);
        self.visit_entries(TABLE, bounds, count, see)?;
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        let mut entries = Self::scan(self, TABLE)?;
        while let Some(entry) = entries.next_ref() {
            let (key, value) = entry?;
            see(key, value);
        }
        Ok(())
    }
}
