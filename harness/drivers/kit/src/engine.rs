//! What the loop asks of an engine.

use std::path::Path;

use crate::{About, Failure, Level, Options};

/// An engine with one database open.
pub trait Engine: Sized {
    /// What the engine says of itself. The same each time.
    fn about() -> About;

    /// Opens the database in a directory that is there. Its options are among those of [`About::options`].
    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure>;

    /// Applies all writes or none, at one of the levels of [`About::level`]. No key comes twice.
    fn commit(&mut self, writes: &[Write], level: Level) -> Result<(), Failure>;

    /// Reads a row.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure>;

    /// Shows all rows from a key on in the order of the engine, until it is told that this is enough.
    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure>;

    /// Ends in the way that the engine's manual calls clean.
    fn close(self) -> Result<(), Failure>;

    /// Makes durable what was committed so far. Asked only where [`About::syncs`].
    fn sync(&mut self) -> Result<(), Failure> {
        Err(Failure::unsupported("sync"))
    }

    /// What the engine calls checkpoint, flush or compact. Asked only where [`About::makes_checkpoints`].
    fn checkpoint(&mut self) -> Result<(), Failure> {
        Err(Failure::unsupported("checkpoint"))
    }

    /// The engine's own check, and what it found. Asked only where [`About::verifies`].
    fn verify(&mut self) -> Result<Vec<String>, Failure> {
        Err(Failure::unsupported("verify"))
    }
}

/// What is to be there when a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A database, or nothing: then one is made.
    CreateOrOpen,
    /// A database.
    Existing,
}

/// One write of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The row's key.
    pub key: Vec<u8>,
    /// Its value, or nothing: the row is deleted.
    pub value: Option<Vec<u8>>,
}

/// Takes a row; false if no other is wanted.
pub type See<'s> = dyn FnMut(&[u8], &[u8]) -> bool + 's;
