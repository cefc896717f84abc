//! What a benchmark asks of an engine.
//!
//! Each engine answers through its own best interface: values are shown where they lie, a batch is the
//! engine's own batch, and a promise is the engine's own setting that keeps it, as its manual says.

use std::path::Path;

/// What must be true when a commit returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It survives a power cut.
    Durable,
    /// Nothing but that it is atomic, and visible to readers.
    Visible,
}

/// What an engine's writes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Transactions: they read what they wrote, and one that lost a race is refused or waits.
    Transactions,
    /// Atomic batches that nobody else's work is checked against. They are compared where a row asks for no more.
    Batches,
}

/// How a database is opened.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Bytes of cache, for engines that have one.
    pub cache: u64,
    /// Whether there will be much more data than that.
    pub beyond_cache: bool,
}

/// An engine that can be measured.
pub trait Engine: Sync {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// How it was set up, in words: what a reader must know to judge the comparison.
    fn setting(&self) -> &'static str;

    /// Whether a log is replayed when a database is opened after a crash.
    fn has_log(&self) -> bool {
        true
    }

    /// What [`Store::write`] is here.
    fn writes(&self) -> Writes {
        Writes::Transactions
    }

    /// Opens the database in `directory`; makes an empty one if there is none.
    fn open(&self, directory: &Path, setup: Setup) -> anyhow::Result<Box<dyn Store>>;

    /// As `open`, but that no commit waits for others to share its sync with; none if the engine has no such setting.
    fn open_hasty(
        &self,
        _directory: &Path,
        _setup: Setup,
    ) -> anyhow::Result<Option<Box<dyn Store>>> {
        Ok(None)
    }
}

/// An open database with one table.
pub trait Store: Sync {
    /// Runs `body` in one transaction, or into one batch, and commits it.
    fn write(
        &self,
        promise: Promise,
        body: &mut dyn FnMut(&mut dyn Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()>;

    /// Runs `body` over one snapshot.
    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> anyhow::Result<()>) -> anyhow::Result<()>;

    /// Shows the newest value of `key`, with as little ado as the engine can; whether there is one.
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool> {
        let mut found = false;
        self.read(&mut |reader| {
            found = reader.get(key, see)?;
            Ok(())
        })?;
        Ok(found)
    }

    /// Waits until what the engine put off is done, as far as it lets itself be asked.
    fn drain(&self) -> anyhow::Result<()>;

    /// Makes the files as small as the engine can.
    fn compact(&mut self) -> anyhow::Result<()>;

    /// Syncs of the log so far, where the engine counts them.
    fn log_syncs(&self) -> Option<u64> {
        None
    }

    /// Pages that reads had to fetch so far, where the engine counts them.
    fn misses(&self) -> Option<u64> {
        None
    }

    /// Bytes of log that opening replayed, where the engine counts them.
    fn replayed(&self) -> Option<u64> {
        None
    }

    /// Bytes of log since the last checkpoint, where the engine counts them.
    fn log_bytes(&self) -> Option<u64> {
        None
    }

    /// Whether a snapshot keeps showing what it showed.
    fn has_snapshots(&self) -> bool {
        true
    }
}

/// A transaction or a batch that is being filled.
pub trait Writer {
    /// Sets a key.
    fn put(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<()>;

    /// Removes a key.
    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()>;
}

/// A snapshot.
pub trait Reader {
    /// Shows the value of `key`; whether there is one.
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> anyhow::Result<bool>;

    /// Shows the first `count` entries from `start` on.
    fn range(
        &self,
        start: &[u8],
        count: usize,
        see: &mut dyn FnMut(&[u8], &[u8]),
    ) -> anyhow::Result<()>;

    /// Shows all entries, ascending.
    fn scan(&self, see: &mut dyn FnMut(&[u8], &[u8])) -> anyhow::Result<()>;
}
