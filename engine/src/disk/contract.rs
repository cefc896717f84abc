//! What the engine asks of storage, and all that it assumes of it.
//!
//! 1. `write_at` makes bytes visible to `read_at`, not durable.
//! 2. `sync` makes every earlier write, `allocate` and `set_len` of that file durable. If it fails, any
//!    subset of them may be: the caller must poison itself, never retry.
//! 3. Unsynced writes may reach the disk in any order, in whole 512-byte sectors, or not at all. A
//!    file's length is a thing of its own: it may reach the disk before, after or without the bytes.
//! 4. A created, renamed or removed name is durable only after `sync_dir` of its directory, a created
//!    directory only after `sync_dir` of its parent.
//! 5. Names are relative to the database's directory, `/` separates, `""` is the directory itself.
//! 6. What another thread does between two calls is seen or not seen as a whole, a call at a time.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenMode {
    /// The file exists; reading only.
    Read,
    /// The file exists; reading and writing.
    Write,
    /// The file does not exist (`AlreadyExists` otherwise) and is created empty; reading and writing.
    Create,
}

/// A directory on some storage.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a directory; one that exists already is not an error.
    fn create_dir(&self, name: &str) -> io::Result<()>;
    /// The names in a directory, without the directory's own, sorted.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Renames a file, atomically replacing `to`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Takes the exclusive lock on a file, creating it if need be; `WouldBlock` if another holder has
    /// it. The lock ends when the value is dropped, and with the process. An implementation may ask again for a moment
    /// before it says so.
    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>>;
}

/// A held lock. Dropping it releases.
pub trait DiskLock: Debug + Send + Sync {}

/// An open file. All offsets and lengths are in bytes.
pub trait DiskFile: Debug + Send + Sync {
    /// Fills `buf` from `offset`. Reading past the end is `UnexpectedEof`, never zeroes.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file if needed. After an error the range holds an
    /// unknown mix of old and new bytes.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// The file's length.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file's length is 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file or grows it with zeroes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes sure that `[offset, offset + len)` has space, growing the file with zeroes if needed: later
    /// writes into it do not fail for want of space. Existing bytes stay.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Makes all earlier changes of this file's bytes and length durable. See the module's contract for
    /// what an error means.
    fn sync(&self) -> io::Result<()>;
    /// Asks that the writes in `[offset, offset + len)` start on their way to the disk. Promises nothing,
    /// but an error is as grave as one of `sync`.
    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()>;
}
