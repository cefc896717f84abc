//! redb.

use std::path::Path;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition,
};

use crate::store::{Engine, Promise, Reader, Setup, Store, Writer};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("t");

#[derive(Debug)]
pub struct Redb;

struct Open(Database);

impl Engine for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn setting(&self) -> &'static str {
        "durable: Durability::Immediate, the default; visible: Durability::None"
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        let database = Database::builder()
            .set_cache_size(usize::try_from(setup.cache)?)
            .create(directory.join("redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
        Ok(Box::new(Open(database)))
    }
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(match promise {
            Promise::Durable => Durability::Immediate,
            Promise::Visible => Durability::None,
        })?;
        let mut table = transaction.open_table(TABLE)?;
        body(&mut table)?;
        drop(table);
        Ok(transaction.commit()?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        body(&self.0.begin_read()?.open_table(TABLE)?)
    }

    fn drain(&self) -> anyhow::Result<()> {
        // What was not durable becomes so, as a checkpoint would make it.
        Ok(self.0.begin_write()?.commit()?)
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        self.0.compact()?;
        Ok(())
    }
}

impl Writer for Table<'_, &'static [u8], &'static [u8]> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        self.insert(key, value)?;
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.remove(key)?;
        Ok(())
    }
}

impl Reader for ReadOnlyTable<&'static [u8], &'static [u8]> {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = ReadableTable::get(self, key)?;
        if let Some(value) = &value {
            see(value.value());
        }
        Ok(value.is_some())
    }

    fn range(
        &self,
        start: &[u8],
        count: usize,
        see: &mut dyn FnMut(&[u8], &[u8]),
    ) -> anyhow::Result<()> {
        for entry in ReadableTable::range(self, start..)?.take(count) {
            let (key, value) = entry?;
            see(key.value(), value.value());
        }
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        for entry in self.iter()? {
            let (key, value) = entry?;
            see(key.value(), value.value());
        }
        Ok(())
    }
}
