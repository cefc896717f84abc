//! A connection to a database, and its statements.
//!
//! C1. `db` is an open connection until `close` or drop; every statement in `statements` belongs to it and is
//!     finalised before it is closed.
//! C2. SQLite's random numbers come from one generator of the whole process. Each call that may draw some holds the
//!     process-wide lock, and seeds the generator first: what it draws depends on the session alone, whoever else
//!     uses SQLite. Two boots that begin with different bytes draw differently: a journal's nonce must not come back.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use libsqlite3_sys as ffi;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::host::Host;
use super::vfs::Vfs;

/// One call at a time in this process: see C2.
static ENGINE: Mutex<()> = Mutex::new(());

/// A call that SQLite answered with an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (code {code})")]
pub(super) struct SqliteError {
    /// SQLite's extended code.
    pub(super) code: c_int,
    /// SQLite's words.
    pub(super) text: String,
}

/// A value for a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parameter<'a> {
    Text(&'a str),
    Blob(&'a [u8]),
}

/// A prepared statement of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatementId(usize);

/// A row that a statement has come to.
pub(super) struct Row {
    raw: *mut ffi::sqlite3_stmt,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    db: *mut ffi::sqlite3,
    statements: Vec<*mut ffi::sqlite3_stmt>,
    seed: u64,
    calls: Cell<u64>,
    vfs: Vfs,
}

impl SqliteError {
    fn of_code(code: c_int) -> Self {
        // SAFETY: SQLite has a constant text for every number.
        let text = unsafe { CStr::from_ptr(ffi::sqlite3_errstr(code)) };
        let text = text.to_string_lossy().into_owned();
        Self { code, text }
    }
}

impl Row {
    /// A column's bytes, whatever its type.
    pub(super) fn bytes(&self, column: c_int) -> &[u8] {
        // SAFETY: the statement stands on a row, and stays there while this is borrowed.
        let (start, len) = unsafe {
            let start = ffi::sqlite3_column_blob(self.raw, column);
            (start, ffi::sqlite3_column_bytes(self.raw, column))
        };
        if start.is_null() {
            return &[];
        }
        // SAFETY: SQLite says how many bytes there are; they live until the statement goes on.
        unsafe { std::slice::from_raw_parts(start.cast(), usize::try_from(len).unwrap_or(0)) }
    }

    /// A column as text.
    pub(super) fn text(&self, column: c_int) -> String {
        String::from_utf8_lossy(self.bytes(column)).into_owned()
    }
}

impl Connection {
    /// Opens a database. SQLite reads nothing of it yet.
    pub(super) fn open(host: Arc<Host>, name: &CStr, create: bool) -> Result<Self, SqliteError> {
        let seed = host.digest();
        let seed = seed.map_err(|_| SqliteError::of_code(ffi::SQLITE_IOERR_READ))?;
        let vfs = Vfs::register(host).map_err(SqliteError::of_code)?;
        let mut this = Self {
            db: ptr::null_mut(),
            statements: Vec::new(),
            seed,
            calls: Cell::new(0),
            vfs,
        };
        let create = if create { ffi::SQLITE_OPEN_CREATE } else { 0 };
        let flags = ffi::SQLITE_OPEN_READWRITE
            | ffi::SQLITE_OPEN_NOMUTEX
            | ffi::SQLITE_OPEN_PRIVATECACHE
            | ffi::SQLITE_OPEN_EXRESCODE
            | create;
        let mut db = ptr::null_mut();
        let vfs_name = this.vfs.name().as_ptr();
        // SAFETY: the names end with a zero and live through the call; the file system outlives `db` (V2).
        let code = this.locked(|| unsafe {
            ffi::sqlite3_open_v2(name.as_ptr(), &raw mut db, flags, vfs_name)
        });
        this.db = db;
        this.checked(code).map(|()| this)
    }

    /// Prepares a statement for `run`.
    pub(super) fn prepare(&mut self, sql: &str) -> Result<StatementId, SqliteError> {
        let raw = self.prepared(sql)?;
        self.statements.push(raw);
        Ok(StatementId(self.statements.len() - 1))
    }

    /// Runs a statement once. Returns the first column of its last row as text.
    pub(super) fn execute(&self, sql: &str) -> Result<Option<String>, SqliteError> {
        let raw = self.prepared(sql)?;
        let mut last = None;
        let done = self.step_through(raw, &mut |row| last = Some(row.text(0)));
        // SAFETY: prepared above, and used no more.
        self.locked(|| unsafe { ffi::sqlite3_finalize(raw) });
        done.map(|()| last)
    }

    /// Runs a prepared statement, and gives its rows to `row`.
    pub(super) fn run(
        &self,
        statement: StatementId,
        parameters: &[Parameter<'_>],
        row: &mut dyn FnMut(&Row),
    ) -> Result<(), SqliteError> {
        let raw = self.statements.get(statement.0).copied();
        let raw = raw.ok_or_else(|| SqliteError::of_code(ffi::SQLITE_MISUSE))?;
        let bound = self.bind(raw, parameters);
        let done = bound.and_then(|()| self.step_through(raw, row));
        // SAFETY: C1. What was bound may end after this.
        self.locked(|| unsafe {
            ffi::sqlite3_reset(raw);
            ffi::sqlite3_clear_bindings(raw)
        });
        done
    }

    /// Whether a transaction is open.
    pub(super) fn is_in_transaction(&self) -> bool {
        // SAFETY: C1.
        unsafe { ffi::sqlite3_get_autocommit(self.db) == 0 }
    }

    /// Closes it cleanly.
    pub(super) fn close(mut self) -> Result<(), SqliteError> {
        let code = self.end();
        if code == ffi::SQLITE_OK {
            Ok(())
        } else {
            Err(SqliteError::of_code(code))
        }
    }

    fn prepared(&self, sql: &str) -> Result<*mut ffi::sqlite3_stmt, SqliteError> {
        let sql = CString::new(sql).map_err(|_| SqliteError::of_code(ffi::SQLITE_MISUSE))?;
        let mut raw = ptr::null_mut();
        // SAFETY: C1; the text ends with a zero and lives through the call.
        let code = self.locked(|| unsafe {
            ffi::sqlite3_prepare_v2(self.db, sql.as_ptr(), -1, &raw mut raw, ptr::null_mut())
        });
        self.checked(code).map(|()| raw)
    }

    /// Binds without a copy: the caller resets before the values end.
    fn bind(
        &self,
        raw: *mut ffi::sqlite3_stmt,
        parameters: &[Parameter<'_>],
    ) -> Result<(), SqliteError> {
        for (place, parameter) in (1..).zip(parameters) {
            let bytes = match parameter {
                Parameter::Text(text) => text.as_bytes(),
                Parameter::Blob(bytes) => bytes,
            };
            let len = c_int::try_from(bytes.len());
            let len = len.map_err(|_| SqliteError::of_code(ffi::SQLITE_TOOBIG))?;
            // SAFETY: C1; the bytes live until the statement is reset, as `run` does.
            let code = unsafe {
                match parameter {
                    Parameter::Text(_) => {
                        ffi::sqlite3_bind_text(raw, place, bytes.as_ptr().cast(), len, None)
                    }
                    Parameter::Blob(_) => {
                        ffi::sqlite3_bind_blob(raw, place, bytes.as_ptr().cast(), len, None)
                    }
                }
            };
            self.checked(code)?;
        }
        Ok(())
    }

    fn step_through(
        &self,
        raw: *mut ffi::sqlite3_stmt,
        row: &mut dyn FnMut(&Row),
    ) -> Result<(), SqliteError> {
        loop {
            // SAFETY: C1: the statement is prepared and not finalised.
            match self.locked(|| unsafe { ffi::sqlite3_step(raw) }) {
                ffi::SQLITE_ROW => row(&Row { raw }),
                ffi::SQLITE_DONE => return Ok(()),
                code => return self.checked(code),
            }
        }
    }

    /// One call, alone, with the generator seeded for it.
    fn locked<T>(&self, call: impl FnOnce() -> T) -> T {
        let _alone = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = self.calls.get() + 1;
        self.calls.set(calls);
        let [a, b, c, d, ..] = xxh3_64_with_seed(&calls.to_le_bytes(), self.seed).to_le_bytes();
        // Zero would ask the system for randomness.
        let seed = c_int::from_le_bytes([a, b, c, d]) | 1;
        let no_schema = ptr::null_mut::<ffi::sqlite3>();
        // SAFETY: this operation takes an int and a connection, which may be null.
        unsafe { ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, seed, no_schema) };
        call()
    }

    fn checked(&self, code: c_int) -> Result<(), SqliteError> {
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        if self.db.is_null() {
            return Err(SqliteError::of_code(code));
        }
        // SAFETY: C1; the text lives until the next call, and is copied before.
        let text = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(self.db)) };
        let text = text.to_string_lossy().into_owned();
        Err(SqliteError { code, text })
    }

    fn end(&mut self) -> c_int {
        for raw in std::mem::take(&mut self.statements) {
            // SAFETY: C1, and it is forgotten here.
            self.locked(|| unsafe { ffi::sqlite3_finalize(raw) });
        }
        let db = std::mem::replace(&mut self.db, ptr::null_mut());
        // SAFETY: C1: all statements are gone; closing null does nothing.
        self.locked(|| unsafe { ffi::sqlite3_close(db) })
    }
}

impl Drop for Connection {
    /// The end of the process: nothing more reaches the disk.
    fn drop(&mut self) {
        self.vfs.host().kill();
        self.end();
    }
}
