//! libmdbx.

use std::borrow::Cow;
use std::path::Path;

use libmdbx::{
    Database, DatabaseOptions, Mode, NoWriteMap, RO, RW, ReadWriteOptions, SyncMode, Table,
    Transaction, WriteFlags,
};

use crate::store::{Engine, Promise, Reader, Setup, Store, Writer};

/// Address space, not memory.
const SIZE_MAX: isize = 64 << 30;

#[derive(Debug)]
pub struct Mdbx;

struct Open(Database<NoWriteMap>);

struct Writing<'t> {
    transaction: &'t Transaction<'t, RW, NoWriteMap>,
    table: Table<'t>,
}

struct Reading<'t> {
    transaction: &'t Transaction<'t, RO, NoWriteMap>,
    table: Table<'t>,
}

impl Engine for Mdbx {
    fn name(&self) -> &'static str {
        "mdbx"
    }

    fn setting(&self) -> &'static str {
        "opened with SafeNoSync; durable: a forced sync after the commit; its cache is the page cache; it has no checksums"
    }

    fn has_log(&self) -> bool {
        false
    }

    fn open(&self, directory: &Path, _setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        let path = directory.join("mdbx");
        let mode = Mode::ReadWrite(ReadWriteOptions {
            sync_mode: SyncMode::SafeNoSync,
            max_size: Some(SIZE_MAX),
            ..ReadWriteOptions::default()
        });
        let options = DatabaseOptions {
            mode,
            no_rdahead: true,
            ..DatabaseOptions::default()
        };
        Ok(Box::new(Open(Database::open_with_options(path, options)?)))
    }
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let transaction = self.0.begin_rw_txn()?;
        body(&mut Writing {
            table: transaction.open_table(None)?,
            transaction: &transaction,
        })?;
        transaction.commit()?;
        if promise == Promise::Durable {
            self.0.sync(true)?;
        }
        Ok(())
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let transaction = self.0.begin_ro_txn()?;
        body(&Reading {
            table: transaction.open_table(None)?,
            transaction: &transaction,
        })
    }

    fn drain(&self) -> anyhow::Result<()> {
        self.0.sync(true)?;
        Ok(())
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        // It compacts by copying, which this binding does not offer.
        self.drain()
    }
}

impl Writer for Writing<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        Ok(self
            .transaction
            .put(&self.table, key, value, WriteFlags::UPSERT)?)
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.transaction.del(&self.table, key, None)?;
        Ok(())
    }
}

impl Reader for Reading<'_> {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.transaction.get::<Cow<'_, [u8]>>(&self.table, key)?;
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
        let cursor = self.transaction.cursor(&self.table)?;
        for entry in cursor
            .into_iter_from::<Cow<'_, [u8]>, Cow<'_, [u8]>>(start)
            .take(count)
        {
            let (key, value) = entry?;
            see(&key, &value);
        }
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        let cursor = self.transaction.cursor(&self.table)?;
        for entry in cursor.into_iter_start::<Cow<'_, [u8]>, Cow<'_, [u8]>>() {
            let (key, value) = entry?;
            see(&key, &value);
        }
        Ok(())
    }
}
