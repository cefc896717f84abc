//! Canopydb.

use std::path::Path;

use canopydb::{Database, DbOptions, EnvOptions, Tree};

use crate::store::{Engine, Promise, Reader, Setup, Store, Writer};

const TABLE: &[u8] = b"t";

#[derive(Debug)]
pub struct Canopydb;

struct Open(Database);

struct Writing<'t>(Tree<'t>);

struct Reading<'t>(Tree<'t>);

impl Engine for Canopydb {
    fn name(&self) -> &'static str {
        "canopydb"
    }

    fn setting(&self) -> &'static str {
        "checksums on, as ours are; durable: commit_with(sync); visible: commit_with(no sync)"
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        let directory = directory.join("canopydb");
        std::fs::create_dir_all(&directory)?;
        let mut env = EnvOptions::new(&directory);
        env.page_cache_size = usize::try_from(setup.cache)?;
        env.use_checksums = true;
        let database = Database::with_options(env, DbOptions::default())?;
        let transaction = database.begin_write()?;
        transaction.get_or_create_tree(TABLE)?;
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
        let transaction = self.0.begin_write()?;
        let mut writing = Writing(transaction.get_or_create_tree(TABLE)?);
        body(&mut writing)?;
        drop(writing);
        transaction.commit_with(promise == Promise::Durable)?;
        Ok(())
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let transaction = self.0.begin_read()?;
        let tree = transaction.get_tree(TABLE)?;
        let tree = tree.ok_or_else(|| anyhow::anyhow!("canopydb lost its tree"))?;
        body(&Reading(tree))
    }

    fn drain(&self) -> anyhow::Result<()> {
        Ok(self.0.checkpoint()?)
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        self.0.compact()?;
        Ok(self.0.checkpoint()?)
    }
}

impl Writer for Writing<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        Ok(self.0.insert(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.0.delete(key)?;
        Ok(())
    }
}

impl Reader for Reading<'_> {
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
        for entry in self.0.range(start..)?.take(count) {
            let (key, value) = entry?;
            see(&key, &value);
        }
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        for entry in self.0.iter()? {
            let (key, value) = entry?;
            see(&key, &value);
        }
        Ok(())
    }
}
