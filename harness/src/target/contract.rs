//! What the harness asks of an engine.
//!
//! 1. `open` in mode [`Mode::CreateOrOpen`] works on an empty disk, on a whole database, and on whatever a
//!    crash during creation leaves.
//! 2. A call that fails with kind `Conflict` or `Busy` has ended the client's transaction: nothing of it
//!    was applied. After any other failure before `commit` the caller rolls back.
//! 3. Dropping a session without `close` is a process crash as far as the target can make it one.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use lightning_db::disk::Disk;

use super::{Durability, KnownOption, OptionError, Promises, TargetError};

/// A target's options as drawn for a run: text by name.
pub type Options = BTreeMap<String, String>;

/// Receives the rows of a scan, key and value, in ascending order of keys.
pub type RowSink<'a> = dyn FnMut(&[u8], &[u8]) + 'a;

/// An engine that can be tested.
pub trait Target: Debug + Send + Sync {
    /// The name that scenarios and reports use.
    fn name(&self) -> &'static str;
    /// Whether the target can do this. What it can't is not asked of it.
    fn can(&self, ability: Ability) -> bool;
    /// The options that it knows.
    fn known_options(&self) -> &'static [KnownOption];
    /// What acknowledged transactions may expect of a database with these options.
    fn promises(&self, options: &Options) -> Promises;
    /// Settings of options that differ in what they promise, or the one without any.
    fn variants(&self) -> Vec<Options> {
        vec![Options::new()]
    }
    /// Refuses an option that is not known or whose value makes no sense.
    fn check_options(&self, options: &Options) -> Result<(), OptionError> {
        options
            .iter()
            .try_for_each(|(name, value)| KnownOption::check(self.known_options(), name, value))
    }
    /// Opens the database that is all of `disk`.
    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError>;
}

/// What not every engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ability {
    /// Several transactions open at once.
    Interleave,
    /// Checkpoints on request.
    Checkpoint,
    /// Checking its own integrity.
    Verify,
    /// Several threads on one open database, all of them started and blocked through the engine's `sync`.
    Threads,
}

/// How a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It may be there or not.
    CreateOrOpen,
    /// It must be there: an engine that creates an empty one has lost it.
    Existing,
}

/// A logical client, which has at most one transaction open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u16);

/// An open database.
pub trait Session {
    /// Opens the client's transaction.
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError>;
    /// Reads a row as the client's transaction sees it.
    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError>;
    /// Writes a row in the client's transaction.
    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError>;
    /// Deletes a row, which need not be there, in the client's transaction.
    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError>;
    /// Commits the client's transaction. Whether it failed or not, it is over.
    fn commit(&mut self, client: ClientId, durability: Durability) -> Result<(), TargetError>;
    /// Ends the client's transaction without effect.
    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError>;
    /// Gives all committed rows of a table to `sink`. A table that was never written has none.
    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError>;
    /// Whatever the engine calls a checkpoint.
    fn checkpoint(&mut self) -> Result<(), TargetError>;
    /// The engine's own integrity check: the problems it found.
    fn verify(&mut self) -> Result<Vec<String>, TargetError>;
    /// Another session of the same open database, for another thread. None from a target without the ability.
    fn share(&self) -> Option<Box<dyn Session + Send>> {
        None
    }
    /// Closes the database cleanly. Open transactions have no effect.
    fn close(self: Box<Self>) -> Result<(), TargetError>;
}
