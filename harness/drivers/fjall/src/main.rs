//! fjall as a driver.
//!
//! Options: `creation` (see [`Home`]), `max_memtable_size` (bytes; 64 KiB, far below fjall's own, so that tables are written within a short workload; fjall's own is
//! 64 MiB), `max_journaling_size` (bytes; fjall's own), `cache_size` (bytes; fjall's own).

use std::path::Path;
use std::process::ExitCode;

use chaos_driver_kit::{
    About, Engine, Failure, Home, Kind, Level, Mode, Options, Promise, See, Write, locked, serve,
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

const MEMTABLE_LEN: u64 = 64 << 10;

struct Fjall {
    database: Database,
    rows: Keyspace,
}

impl Engine for Fjall {
    /// docs.rs/fjall, `PersistMode::SyncAll`: "Flushes data + metadata using fsync"; README, "Durability": "you can choose to call
    /// `Database::persist`"; "Sync the journal to disk to make sure data is definitely durable". Write batches are atomic. `Buffer`: "allows the
    /// OS to write out data in case of an application crash", and "is **not** guaranteed to be persisted in case of a power loss". Blocks
    /// have checksums, but no page promises that all damage is found. What it has for checkpoints is hidden from its documentation, and waits for ever after a failed
    /// flush (`keyspace/mod.rs`, `rotate_memtable_and_wait`): it is not used.
    fn about() -> About {
        use Promise::{Durable, Nothing};
        About::new("fjall", locked(include_str!("../../Cargo.lock"), "fjall"))
            .syncs()
            .level(Level::Sync, Durable, Durable)
            .level(Level::Buffered, Durable, Nothing)
            .options(&[
                Home::OPTION,
                "max_memtable_size",
                "max_journaling_size",
                "cache_size",
            ])
    }

    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let home = Home::find(dir, mode, options)?;
        let mut builder = Database::builder(home.path());
        if options.get("max_journaling_size").is_some() {
            builder = builder.max_journaling_size(options.size("max_journaling_size", 0)?);
        }
        if options.get("cache_size").is_some() {
            builder = builder.cache_size(options.size("cache_size", 0)?);
        }
        let memtable = options.size("max_memtable_size", MEMTABLE_LEN)?;
        let database = builder.open().map_err(failed)?;
        let of_rows = || KeyspaceCreateOptions::default().max_memtable_size(memtable);
        let rows = database.keyspace("kv", of_rows).map_err(failed)?;
        home.created()?;
        Ok(Self { database, rows })
    }

    fn commit(&mut self, writes: &[Write], level: Level) -> Result<(), Failure> {
        let mode = match level {
            Level::Sync => PersistMode::SyncAll,
            Level::Buffered | Level::None => PersistMode::Buffer,
        };
        let mut batch = self.database.batch().durability(Some(mode));
        for Write { key, value } in writes {
            match value {
                Some(value) => batch.insert(&self.rows, &key[..], &value[..]),
                None => batch.remove(&self.rows, &key[..]),
            }
        }
        batch.commit().map_err(failed)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let value = self.rows.get(key).map_err(failed)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
        for entry in self.rows.range(from..) {
            let (key, value) = entry.into_inner().map_err(failed)?;
            if !see(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    /// fjall closes when it is dropped; what fails then is told to nobody, so it is persisted before.
    fn close(self) -> Result<(), Failure> {
        self.sync_all()?;
        drop(self.rows);
        drop(self.database);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.sync_all()
    }
}

impl Fjall {
    fn sync_all(&self) -> Result<(), Failure> {
        self.database.persist(PersistMode::SyncAll).map_err(failed)
    }
}

fn failed(error: impl Into<fjall::Error>) -> Failure {
    let error = error.into();
    let otherwise = match &error {
        fjall::Error::Storage(_)
        | fjall::Error::JournalRecovery(_)
        | fjall::Error::Decompress(_)
        | fjall::Error::InvalidTrailer
        | fjall::Error::InvalidTag(_)
        | fjall::Error::InvalidVersion(_)
        | fjall::Error::Unrecoverable => Kind::Corruption,
        fjall::Error::Poisoned => Kind::Io,
        fjall::Error::Locked => Kind::Busy,
        _ => Kind::Other,
    };
    Failure::of(&error, otherwise)
}

fn main() -> ExitCode {
    serve::<Fjall>()
}
