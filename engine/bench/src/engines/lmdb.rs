//! LMDB, through heed.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use heed::types::Bytes;
use heed::{CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, RoTxn, RwTxn};

use crate::store::{Engine, Promise, Reader, Setup, Store, Writer};

type Table = Database<Bytes, Bytes>;

/// Address space, not memory.
const MAP_LEN: usize = 64 << 30;

#[derive(Debug)]
pub struct Lmdb;

struct Open {
    env: Env,
    table: Table,
    directory: PathBuf,
    /// Whether commits sync. LMDB lets one thread at a time change it.
    syncs: Mutex<bool>,
}

struct Writing<'t, 'e> {
    transaction: &'t mut RwTxn<'e>,
    table: Table,
}

struct Reading<'t, 'e> {
    transaction: &'t RoTxn<'e>,
    table: Table,
}

impl Engine for Lmdb {
    fn name(&self) -> &'static str {
        "lmdb"
    }

    fn setting(&self) -> &'static str {
        "durable: the default; visible: MDB_NOSYNC for that commit; MDB_NORDAHEAD beyond the cache; its cache is the page cache; it has no checksums"
    }

    fn has_log(&self) -> bool {
        false
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        let directory = directory.join("lmdb");
        std::fs::create_dir_all(&directory)?;
        Ok(Box::new(Open::new(directory, setup)?))
    }
}

impl Open {
    fn new(directory: PathBuf, setup: Setup) -> anyhow::Result<Self> {
        let env = open(&directory, setup)?;
        let mut transaction = env.write_txn()?;
        let table = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Self {
            env,
            table,
            directory,
            syncs: Mutex::new(true),
        })
    }

    #[expect(unsafe_code, reason = "LMDB's own switch")]
    fn sync_commits(&self, wanted: bool) -> anyhow::Result<()> {
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        if *syncs != wanted {
            let mode = if wanted {
                FlagSetMode::Disable
            } else {
                FlagSetMode::Enable
            };
            // SAFETY: one thread at a time, by the lock.
            unsafe { self.env.set_flags(EnvFlags::NO_SYNC, mode)? };
            *syncs = wanted;
        }
        Ok(())
    }
}

#[expect(unsafe_code, reason = "mapping a file")]
fn open(directory: &Path, setup: Setup) -> anyhow::Result<Env> {
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_LEN).max_readers(256);
    if setup.beyond_cache {
        // SAFETY: a hint to the kernel, which LMDB's manual advises for random reads of more than memory.
        unsafe { options.flags(EnvFlags::NO_READ_AHEAD) };
    }
    // SAFETY: the directory is the benchmark's own; nobody else opens or changes the file.
    Ok(unsafe { options.open(directory)? })
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.sync_commits(promise == Promise::Durable)?;
        let mut transaction = self.env.write_txn()?;
        body(&mut Writing {
            transaction: &mut transaction,
            table: self.table,
        })?;
        Ok(transaction.commit()?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let transaction = self.env.read_txn()?;
        body(&Reading {
            transaction: &transaction,
            table: self.table,
        })
    }

    fn drain(&self) -> anyhow::Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        let copy = self.directory.join("compacted.mdb");
        drop(self.env.copy_to_path(&copy, CompactionOption::Enabled)?);
        // A copy is how LMDB compacts: it takes the place of what was copied.
        let data = self.directory.join("data.mdb");
        std::fs::rename(copy, data).context("putting LMDB's compacted copy in place")
    }
}

impl Writer for Writing<'_, '_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        Ok(self.table.put(self.transaction, key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.table.delete(self.transaction, key)?;
        Ok(())
    }
}

impl Reader for Reading<'_, '_> {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let value = self.table.get(self.transaction, key)?;
        if let Some(value) = value {
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
        for entry in self.table.range(self.transaction, &bounds)?.take(count) {
            let (key, value) = entry?;
            see(key, value);
        }
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        for entry in self.table.iter(self.transaction)? {
            let (key, value) = entry?;
            see(key, value);
        }
        Ok(())
    }
}
