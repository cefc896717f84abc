//! SQLite: a table without row ids, so that the key is the tree's key.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sqlite_connection::{Connection, Statement};
use crate::store::{Engine, Promise, Reader, Setup, Store, Writer};

const PUT: &str = "INSERT INTO t VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v";

#[derive(Debug)]
pub struct Sqlite;

struct Open {
    path: PathBuf,
    cache: u64,
    idle: Mutex<Vec<Prepared>>,
}

/// A connection and what it has prepared. Statements end before their connection does.
struct Prepared {
    begin: Statement,
    begin_write: Statement,
    commit: Statement,
    put: Statement,
    delete: Statement,
    select: RefCell<Statement>,
    range: RefCell<Statement>,
    scan: RefCell<Statement>,
    connection: Connection,
    syncs: Option<bool>,
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn setting(&self) -> &'static str {
        "WAL; durable: synchronous=FULL; visible: synchronous=OFF"
    }

    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>> {
        let path = directory.join("sqlite.db");
        let connection = Connection::open(&path)?;
        connection.run("PRAGMA journal_mode=WAL")?;
        connection
            .run("CREATE TABLE IF NOT EXISTS t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")?;
        Ok(Box::new(Open {
            path,
            cache: setup.cache,
            idle: Mutex::default(),
        }))
    }
}

impl Prepared {
    fn new(path: &Path, cache: u64) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.run("PRAGMA busy_timeout=60000")?;
        connection.run(&format!("PRAGMA cache_size=-{}", cache / 1024))?;
        connection.run(&format!("PRAGMA mmap_size={}", 16_u64 << 30))?;
        let prepare = |text| connection.prepare(text);
        let read = |text| prepare(text).map(RefCell::new);
        Ok(Self {
            begin: prepare("BEGIN")?,
            begin_write: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            put: prepare(PUT)?,
            delete: prepare("DELETE FROM t WHERE k = ?1")?,
            select: read("SELECT v FROM t WHERE k = ?1")?,
            range: read("SELECT k, v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?2")?,
            scan: read("SELECT k, v FROM t ORDER BY k")?,
            connection,
            syncs: None,
        })
    }

    fn sync_commits(&mut self, wanted: bool) -> anyhow::Result<()> {
        if self.syncs != Some(wanted) {
            let level = if wanted { "FULL" } else { "OFF" };
            self.connection
                .run(&format!("PRAGMA synchronous={level}"))?;
            self.syncs = Some(wanted);
        }
        Ok(())
    }
}

impl Open {
    /// Lends a connection.
    fn with<T>(&self, body: impl FnOnce(&mut Prepared) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let idle = self.idle().pop();
        let mut prepared = match idle {
            Some(prepared) => prepared,
            None => Prepared::new(&self.path, self.cache)?,
        };
        let result = body(&mut prepared)?;
        self.idle().push(prepared);
        Ok(result)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Prepared>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a statement that shows nothing.
fn run(statement: &mut Statement) -> anyhow::Result<()> {
    statement.reset();
    statement.step()?;
    statement.reset();
    Ok(())
}

impl Store for Open {
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.with(|prepared| {
            prepared.sync_commits(promise == Promise::Durable)?;
            run(&mut prepared.begin_write)?;
            body(prepared)?;
            run(&mut prepared.commit)
        })
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.with(|prepared| {
            run(&mut prepared.begin)?;
            body(prepared)?;
            run(&mut prepared.commit)
        })
    }

    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        // One statement is a transaction of its own.
        self.with(|prepared| Reader::get(prepared, key, see))
    }

    fn drain(&self) -> anyhow::Result<()> {
        self.with(|prepared| prepared.connection.run("PRAGMA wal_checkpoint(TRUNCATE)"))
    }

    fn compact(&mut self) -> anyhow::Result<()> {
        self.with(|prepared| prepared.connection.run("VACUUM"))?;
        self.drain()
    }
}

impl Writer for Prepared {
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        self.put.bind(1, key)?;
        self.put.bind(2, value)?;
        run(&mut self.put)
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.delete.bind(1, key)?;
        run(&mut self.delete)
    }
}

impl Reader for Prepared {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let mut select = self.select.borrow_mut();
        select.bind(1, key)?;
        let found = select.step()?;
        if found {
            see(select.blob(0));
        }
        select.reset();
        Ok(found)
    }

    fn range(
        &self,
        start: &[u8],
        count: usize,
        see: &mut dyn FnMut(&[u8], &[u8]),
    ) -> anyhow::Result<()> {
        let mut range = self.range.borrow_mut();
        range.bind(1, start)?;
        range.bind_integer(2, i64::try_from(count)?)?;
        while range.step()? {
            see(range.blob(0), range.blob(1));
        }
        range.reset();
        Ok(())
    }

    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        let mut scan = self.scan.borrow_mut();
        while scan.step()? {
            see(scan.blob(0), scan.blob(1));
        }
        scan.reset();
        Ok(())
    }
}
