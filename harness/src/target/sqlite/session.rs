//! A session: one connection, one table for all.
//!
//! A database is created with `synchronous=extra` in a rollback journal that is deleted, whatever the options: creation is durable
//! when it returns. The options hold from then on. An existing database without its table has lost it.

use std::sync::Arc;

use libsqlite3_sys as ffi;
use lightning_db::disk::Disk;

use super::super::{
    ClientId, Durability, ErrorKind, Mode, Options, RowSink, Session, TargetError, parse_size,
};
use super::connection::{Connection, Parameter, SqliteError, StatementId};
use super::host::Host;
use super::target::{journal_mode, synchronous, word};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS kv(tbl TEXT NOT NULL, key BLOB NOT NULL, \
                      value BLOB NOT NULL, PRIMARY KEY(tbl, key)) WITHOUT ROWID";

/// An open database.
pub(super) struct SqliteSession {
    connection: Connection,
    statements: Statements,
    current: Option<ClientId>,
}

struct Statements {
    begin: StatementId,
    commit: StatementId,
    rollback: StatementId,
    get: StatementId,
    put: StatementId,
    delete: StatementId,
    scan: StatementId,
}

impl SqliteSession {
    /// Opens the database on a disk, rolling back or forward what a crash left.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Self, TargetError> {
        let mut connection = connected(disk, options, mode).map_err(|error| refused(&error))?;
        let statements = Statements::prepare(&mut connection).map_err(|error| refused(&error))?;
        let current = None;
        Ok(Self {
            connection,
            statements,
            current,
        })
    }

    fn transaction(&self, client: ClientId) -> Result<(), TargetError> {
        if self.current == Some(client) {
            return Ok(());
        }
        let text = "the client has no transaction open";
        Err(TargetError::refused(ErrorKind::Other, text))
    }

    fn run(&self, statement: StatementId, parameters: &[Parameter<'_>]) -> Result<(), TargetError> {
        let done = self.connection.run(statement, parameters, &mut |_| ());
        done.map_err(|error| refused(&error))
    }

    /// Ends what a failed call may have left open.
    fn end_transaction(&mut self) -> Result<(), TargetError> {
        self.current = None;
        if self.connection.is_in_transaction() {
            self.run(self.statements.rollback, &[])?;
        }
        Ok(())
    }
}

impl Statements {
    fn prepare(connection: &mut Connection) -> Result<Self, SqliteError> {
        let mut of = |sql: &str| connection.prepare(sql);
        Ok(Self {
            begin: of("BEGIN IMMEDIATE")?,
            commit: of("COMMIT")?,
            rollback: of("ROLLBACK")?,
            get: of("SELECT value FROM kv WHERE tbl = ?1 AND key = ?2")?,
            put: of("INSERT OR REPLACE INTO kv(tbl, key, value) VALUES(?1, ?2, ?3)")?,
            delete: of("DELETE FROM kv WHERE tbl = ?1 AND key = ?2")?,
            scan: of("SELECT key, value FROM kv WHERE tbl = ?1 ORDER BY key")?,
        })
    }
}

impl Session for SqliteSession {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        if self.current.is_some() {
            let text = "another client's transaction is open";
            return Err(TargetError::refused(ErrorKind::Busy, text));
        }
        self.run(self.statements.begin, &[])?;
        self.current = Some(client);
        Ok(())
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        self.transaction(client)?;
        let parameters = [Parameter::Text(table), Parameter::Blob(key)];
        let mut value = None;
        self.connection
            .run(self.statements.get, &parameters, &mut |row| {
                value = Some(row.bytes(0).to_vec());
            })
            .map_err(|error| refused(&error))?;
        Ok(value)
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        self.transaction(client)?;
        let parameters = [
            Parameter::Text(table),
            Parameter::Blob(key),
            Parameter::Blob(value),
        ];
        self.run(self.statements.put, &parameters)
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        self.transaction(client)?;
        let parameters = [Parameter::Text(table), Parameter::Blob(key)];
        self.run(self.statements.delete, &parameters)
    }

    fn commit(&mut self, client: ClientId, _durability: Durability) -> Result<(), TargetError> {
        self.transaction(client)?;
        let done = self
            .connection
            .run(self.statements.commit, &[], &mut |_| ());
        let ended = self.end_transaction();
        match done {
            Ok(()) => ended,
            Err(error) if kind_of(&error) == ErrorKind::Busy => Err(refused(&error)),
            Err(error) => Err(TargetError::unknown(kind_of(&error), error.to_string())),
        }
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.transaction(client)?;
        self.end_transaction()
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        let parameters = [Parameter::Text(table)];
        self.connection
            .run(self.statements.scan, &parameters, &mut |row| {
                sink(row.bytes(0), row.bytes(1));
            })
            .map_err(|error| refused(&error))
    }

    /// Passive, as the automatic one is: the next writer begins the log anew, over the old frames.
    fn checkpoint(&mut self) -> Result<(), TargetError> {
        let done = self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)");
        done.map(drop).map_err(|error| refused(&error))
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        let mut problems = Vec::new();
        let check = self.connection.prepare("PRAGMA integrity_check");
        let check = check.map_err(|error| refused(&error))?;
        self.connection
            .run(check, &[], &mut |row| problems.push(row.text(0)))
            .map_err(|error| refused(&error))?;
        problems.retain(|problem| problem != "ok");
        Ok(problems)
    }

    fn close(self: Box<Self>) -> Result<(), TargetError> {
        let closed = self.connection.close();
        closed.map_err(|error| TargetError::unknown(kind_of(&error), error.to_string()))
    }
}

fn connected(
    disk: Arc<dyn Disk>,
    options: &Options,
    mode: Mode,
) -> Result<Connection, SqliteError> {
    let create = mode == Mode::CreateOrOpen;
    let connection = Connection::open(Arc::new(Host::new(disk)), c"db", create)?;
    let set = |pragma: &str, value: &str| connection.execute(&format!("PRAGMA {pragma}={value}"));
    if create {
        if let Some(bytes) = options.get("page_size").and_then(|size| parse_size(size)) {
            set("page_size", &bytes.to_string())?;
        }
        set("synchronous", "extra")?;
        connection.execute(CREATE)?;
    }
    let wanted = journal_mode(options);
    let got = set("journal_mode", wanted)?;
    if got.as_deref() != Some(wanted) {
        let text = format!("the journal mode is {got:?}, not {wanted}");
        let code = ffi::SQLITE_ERROR;
        return Err(SqliteError { code, text });
    }
    set("synchronous", synchronous(options))?;
    set("temp_store", "memory")?;
    set("cache_size", word(options, "cache_pages", "2000"))?;
    set(
        "wal_autocheckpoint",
        word(options, "wal_autocheckpoint", "1000"),
    )?;
    Ok(connection)
}

fn refused(error: &SqliteError) -> TargetError {
    TargetError::refused(kind_of(error), error.to_string())
}

fn kind_of(error: &SqliteError) -> ErrorKind {
    match error.code & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => ErrorKind::Busy,
        ffi::SQLITE_FULL => ErrorKind::Full,
        ffi::SQLITE_IOERR => ErrorKind::Io,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => ErrorKind::Corruption,
        _ => ErrorKind::Other,
    }
}
