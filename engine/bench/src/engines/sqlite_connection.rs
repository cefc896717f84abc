//! The little of SQLite's C interface that a benchmark needs.

use std::ffi::{CStr, CString, c_int};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;

use libsqlite3_sys as ffi;

/// An open connection: one thread at a time uses it.
#[derive(Debug)]
pub struct Connection(NonNull<ffi::sqlite3>);

// SAFETY: SQLite is built thread-safe, and a connection may move between threads.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Send for Connection {}

/// A prepared statement of a connection that outlives it.
#[derive(Debug)]
pub struct Statement(NonNull<ffi::sqlite3_stmt>);

// SAFETY: as for the connection: moved, never shared.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Send for Statement {}

impl Connection {
    /// Opens or creates the database file.
    #[expect(unsafe_code, reason = "C interface")]
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        let mut connection = ptr::null_mut();
        // SAFETY: the path is a C string, and the result is checked.
        let code = unsafe { ffi::sqlite3_open(path.as_ptr(), &raw mut connection) };
        let opened = NonNull::new(connection).map(Self);
        let opened = opened.ok_or_else(|| anyhow::anyhow!("sqlite: no memory"))?;
        opened.check(code)?;
        Ok(opened)
    }

    /// Prepares one statement.
    #[expect(unsafe_code, reason = "C interface")]
    pub fn prepare(&self, text: &str) -> anyhow::Result<Statement> {
        let text = CString::new(text)?;
        let mut statement = ptr::null_mut();
        // SAFETY: the connection is open, the text a C string.
        let code = unsafe {
            let (db, text) = (self.0.as_ptr(), text.as_ptr());
            ffi::sqlite3_prepare_v2(db, text, -1, &raw mut statement, ptr::null_mut())
        };
        self.check(code)?;
        let statement = NonNull::new(statement).map(Statement);
        statement.ok_or_else(|| anyhow::anyhow!("sqlite: an empty statement"))
    }

    /// Runs one statement to its end.
    pub fn run(&self, text: &str) -> anyhow::Result<()> {
        let mut statement = self.prepare(text)?;
        while statement.step()? {}
        Ok(())
    }

    #[expect(unsafe_code, reason = "C interface")]
    fn check(&self, code: c_int) -> anyhow::Result<()> {
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        // SAFETY: the message is a C string until the next call on this connection.
        let message = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(self.0.as_ptr())) };
        anyhow::bail!("sqlite: {}", message.to_string_lossy())
    }
}

impl Drop for Connection {
    #[expect(unsafe_code, reason = "C interface")]
    fn drop(&mut self) {
        // SAFETY: opened once, closed once, after its statements.
        unsafe { ffi::sqlite3_close(self.0.as_ptr()) };
    }
}

impl Statement {
    /// Makes it ready to run once more.
    #[expect(unsafe_code, reason = "C interface")]
    pub fn reset(&mut self) {
        // SAFETY: a prepared statement.
        unsafe { ffi::sqlite3_reset(self.0.as_ptr()) };
    }

    /// Sets a parameter, counted from 1, for the run that follows: `bytes` must live until then.
    #[expect(unsafe_code, reason = "C interface")]
    pub fn bind(&mut self, index: c_int, bytes: &[u8]) -> anyhow::Result<()> {
        let len = c_int::try_from(bytes.len())?;
        // SAFETY: SQLite makes a copy (transient) of the bytes that it is given.
        let code = unsafe {
            let transient = ffi::SQLITE_TRANSIENT();
            ffi::sqlite3_bind_blob(
                self.0.as_ptr(),
                index,
                bytes.as_ptr().cast(),
                len,
                transient,
            )
        };
        anyhow::ensure!(code == ffi::SQLITE_OK, "sqlite: bind: {code}");
        Ok(())
    }

    /// Sets an integer parameter.
    #[expect(unsafe_code, reason = "C interface")]
    pub fn bind_integer(&mut self, index: c_int, number: i64) -> anyhow::Result<()> {
        // SAFETY: a prepared statement.
        let code = unsafe { ffi::sqlite3_bind_int64(self.0.as_ptr(), index, number) };
        anyhow::ensure!(code == ffi::SQLITE_OK, "sqlite: bind: {code}");
        Ok(())
    }

    /// Goes on; whether there is a row.
    #[expect(unsafe_code, reason = "C interface")]
    pub fn step(&mut self) -> anyhow::Result<bool> {
        // SAFETY: a prepared statement.
        match unsafe { ffi::sqlite3_step(self.0.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => anyhow::bail!("sqlite: step: {code}"),
        }
    }

    /// A column of the current row.
    #[expect(unsafe_code, reason = "C interface")]
    pub fn blob(&self, column: c_int) -> &[u8] {
        // SAFETY: the bytes stay until the next step or reset, which need `&mut self`.
        unsafe {
            let bytes = ffi::sqlite3_column_blob(self.0.as_ptr(), column);
            let len = ffi::sqlite3_column_bytes(self.0.as_ptr(), column);
            match usize::try_from(len) {
                Ok(len) if len > 0 && !bytes.is_null() => slice::from_raw_parts(bytes.cast(), len),
                _ => &[],
            }
        }
    }
}

impl Drop for Statement {
    #[expect(unsafe_code, reason = "C interface")]
    fn drop(&mut self) {
        // SAFETY: prepared once, finalized once.
        unsafe { ffi::sqlite3_finalize(self.0.as_ptr()) };
    }
}
