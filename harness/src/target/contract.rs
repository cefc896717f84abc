//! What the harness asks of an engine. One that takes all changes of a transaction at once needs [`Target::open`] and a
//! [`KeyValue`](super::KeyValue) and no more.
//!
//! 1. `open` in mode [`Mode::CreateOrOpen`] works on an empty disk, on a whole database, and on whatever a
//!    crash during creation leaves.
//! 2. A call that fails with kind `Conflict` or `Busy` has ended the client's transaction: nothing of it
//!    was applied. After any other failure before `commit` the caller rolls back.
//! 3. Dropping a session without `close` is a process crash as far as the target can make it one.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use lightning_db::disk::Disk;

use super::{
    Breakdown, Durability, ErrorKind, KnownOption, OptionError, Promise, Promises, TargetError,
};
use crate::sim::SimDisk;

/// A target's options as drawn for a run: text by name.
pub type Options = BTreeMap<String, String>;

/// Receives the rows of a scan, key and value, in ascending order of keys.
pub type RowSink<'a> = dyn FnMut(&[u8], &[u8]) + 'a;

/// An engine that can be tested.
pub trait Target: Debug + Send + Sync {
    /// The name that scenarios and reports use.
    fn name(&self) -> &'static str;
    /// Whether the target can do this. What it can't is not asked of it; that is everything, if it does not say.
    fn can(&self, _ability: Ability) -> bool {
        false
    }
    /// The options that it knows.
    fn known_options(&self) -> &'static [KnownOption] {
        &[]
    }
    /// What acknowledged transactions may expect of a database with these options. If the target does not say: that one which is
    /// acknowledged survives process crashes and power cuts; of damage at rest no more than that no value is read that nobody ever wrote.
    fn promises(&self, _options: &Options) -> Promises {
        let durable = Promise::Durable;
        let promises = Promises::none().with(Durability::Sync, durable, durable);
        promises.without_damage_detected()
    }
    /// Whether it works in a process of its own: the system decides then which of its calls reach the disk, and its threads run as they like.
    fn is_a_process(&self) -> bool {
        false
    }
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
    /// Whether a file is part of the log that a recovery has to read: its length bounds what a recovery may take. All files, if the target
    /// does not say.
    fn is_log(&self, _name: &str) -> bool {
        true
    }
    /// Makes a database on the empty disk `to`, of backups on `from`, the disk of the database that they were taken of.
    fn restore(
        &self,
        _from: Arc<dyn Disk>,
        _copy: Copied<'_>,
        _options: &Options,
        _to: Arc<dyn Disk>,
    ) -> Result<(), TargetError> {
        Err(unsupported("backups"))
    }
    /// Opens the database that is all of `disk`, but for backups and archives of it.
    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError>;
    /// Opens the database that is all of a simulated disk. One whose process breaks down over it is opened all the same: see
    /// [`Session::breakdown`].
    fn open_simulated(
        &self,
        disk: &SimDisk,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        self.open(Arc::new(disk.clone()), options, mode)
    }
    /// For a target that is a process of its own ([`Target::is_a_process`]): opens the database that is all of a real directory. `started` is
    /// told the number of the process, which leads a process group, before that knows of the directory.
    fn open_directory(
        &self,
        _dir: &Path,
        _options: &Options,
        _mode: Mode,
        _started: &mut dyn FnMut(u32),
    ) -> Result<Box<dyn Session>, TargetError> {
        Err(unsupported("a directory of a process's own"))
    }
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
    /// Savepoints inside transactions.
    Savepoints,
    /// Reading and deleting ranges inside transactions.
    Ranges,
    /// Creating, dropping, renaming and listing tables inside transactions.
    Tables,
    /// Giving back space that nothing uses, on request.
    Compact,
    /// Backups beside the database on its disk, and restoring them to another.
    Backup,
    /// Several threads on one open database, all of them started and blocked through the engine's `sync`.
    Threads,
    /// Named places in its protocols at which it can be stopped.
    Failpoints,
}

impl Ability {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Interleave,
        Self::Checkpoint,
        Self::Verify,
        Self::Savepoints,
        Self::Ranges,
        Self::Tables,
        Self::Compact,
        Self::Backup,
        Self::Threads,
        Self::Failpoints,
    ];
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

/// Keys from one on, and before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange<'k> {
    /// The first key that can be in it.
    pub from: &'k [u8],
    /// The first key after it.
    pub to: &'k [u8],
}

/// What to restore.
#[derive(Clone, Copy, Debug)]
pub struct Copied<'c> {
    /// Backups by name: a full one, and those of what has changed since the one before.
    pub chain: &'c [String],
    /// A point up to which the archived log is replayed.
    pub point: Option<u64>,
}

/// An open database. What a target has no [`Ability`] for is never asked of it.
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
    /// Reads several rows of a table as the client's transaction sees them, in the order of `keys`.
    fn get_many(
        &mut self,
        client: ClientId,
        table: &str,
        keys: &[&[u8]],
    ) -> Result<Vec<Option<Vec<u8>>>, TargetError> {
        let one = |key: &&[u8]| self.get(client, table, key);
        keys.iter().map(one).collect()
    }
    /// Gives the rows of a range, as the client's transaction sees them, to `sink`.
    fn range(
        &mut self,
        _client: ClientId,
        _table: &str,
        _keys: KeyRange<'_>,
        _sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        Err(unsupported("range reads"))
    }
    /// Deletes the rows of a range in the client's transaction.
    fn delete_range(
        &mut self,
        _client: ClientId,
        _table: &str,
        _keys: KeyRange<'_>,
    ) -> Result<(), TargetError> {
        Err(unsupported("range deletes"))
    }
    /// Sets a savepoint in the client's transaction, inside those that are set.
    fn savepoint(&mut self, _client: ClientId) -> Result<(), TargetError> {
        Err(unsupported("savepoints"))
    }
    /// Undoes what the client's transaction did since a savepoint, counted from the outermost. It stays, those inside it go.
    fn rollback_to(&mut self, _client: ClientId, _savepoint: usize) -> Result<(), TargetError> {
        Err(unsupported("savepoints"))
    }
    /// Gives up a savepoint, and those inside it; what was done stays.
    fn release(&mut self, _client: ClientId, _savepoint: usize) -> Result<(), TargetError> {
        Err(unsupported("savepoints"))
    }
    /// Creates a table in the client's transaction; false if there is one of this name.
    fn create_table(&mut self, _client: ClientId, _name: &str) -> Result<bool, TargetError> {
        Err(unsupported("changes of tables"))
    }
    /// Drops a table in the client's transaction; false if there is none of this name.
    fn drop_table(&mut self, _client: ClientId, _name: &str) -> Result<bool, TargetError> {
        Err(unsupported("changes of tables"))
    }
    /// Renames a table in the client's transaction; false if there is no such table, or one of the new name.
    fn rename_table(
        &mut self,
        _client: ClientId,
        _from: &str,
        _to: &str,
    ) -> Result<bool, TargetError> {
        Err(unsupported("changes of tables"))
    }
    /// The names of all tables as the client's transaction sees them; without one, those that are committed. Ascending.
    fn tables(&mut self, _client: Option<ClientId>) -> Result<Vec<String>, TargetError> {
        Err(unsupported("lists of tables"))
    }
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
    fn checkpoint(&mut self) -> Result<(), TargetError> {
        Err(unsupported("checkpoints"))
    }
    /// The engine's own integrity check: the problems it found.
    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        Err(unsupported("verification"))
    }
    /// Gives back space that nothing uses. Says whether there was anything to do.
    fn compact(&mut self) -> Result<bool, TargetError> {
        Err(unsupported("compaction"))
    }
    /// Backs the database up under a name that no backup had: all of it, or what has changed since the backup `base`.
    fn backup(&mut self, _name: &str, _base: Option<&str>) -> Result<(), TargetError> {
        Err(unsupported("backups"))
    }
    /// Archives the log up to what is committed now. Returns this point, for restores.
    fn restore_point(&mut self) -> Result<u64, TargetError> {
        Err(unsupported("an archive"))
    }
    /// What became of the process that the target runs in, if it has one of its own and that is of no more use.
    fn breakdown(&self) -> Option<&Breakdown> {
        None
    }
    /// How many pages left memory to make room for others.
    fn evictions(&self) -> u64 {
        0
    }
    /// Another session of the same open database, for another thread. None from a target without the ability.
    fn share(&self) -> Option<Box<dyn Session + Send>> {
        None
    }
    /// Closes the database cleanly. Open transactions have no effect.
    fn close(self: Box<Self>) -> Result<(), TargetError>;
}

fn unsupported(what: &str) -> TargetError {
    TargetError::refused(ErrorKind::Unsupported, what)
}
