//! redb as a driver.
//!
//! Options: `creation` (see [`Home`]), `two_phase`, `quick_repair` (both `false`, as redb has them), `cache_size` (256 KiB, so that pages are
//! written before their commit).

use std::path::Path;
use std::process::ExitCode;

use chaos_driver_kit::{
    About, Engine, Failure, Home, Kind, Level, Mode, Options, Promise, See, Write, locked, serve,
};
use redb::{
    CompactionError, Database, Durability, ReadableDatabase as _, TableDefinition, TableError,
};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("kv");
const CACHE_LEN: u64 = 256 << 10;

struct Redb {
    database: Database,
    two_phase: bool,
    quick_repair: bool,
}

impl Engine for Redb {
    /// `Durability::Immediate`: "commits with this durability level are guaranteed to be persistent as soon as `WriteTransaction::commit`
    /// returns"; `None`: not persisted "unless followed by a commit with Immediate", and it lives in redb's memory, so the end of the
    /// process takes it too (docs.rs/redb, `Durability`). Checksums are there to find what a crash left half written (design.md, "1PC+C"); that
    /// a read checks them is promised nowhere.
    fn about() -> About {
        use Promise::{Durable, Prefix};
        About::new("redb", locked(include_str!("../../Cargo.lock"), "redb"))
            .makes_checkpoints()
            .verifies()
            .level(Level::Sync, Durable, Durable)
            .level(Level::None, Prefix, Prefix)
            .options(&[Home::OPTION, "two_phase", "quick_repair", "cache_size"])
    }

    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let cache = options.size("cache_size", CACHE_LEN)?;
        let home = Home::find(dir, mode, options)?;
        let database = Database::builder()
            .set_cache_size(usize::try_from(cache).unwrap_or(usize::MAX))
            .create(home.path().join("redb.db"))
            .map_err(failed)?;
        home.created()?;
        Ok(Self {
            database,
            two_phase: options.switch("two_phase", false)?,
            quick_repair: options.switch("quick_repair", false)?,
        })
    }

    fn commit(&mut self, writes: &[Write], level: Level) -> Result<(), Failure> {
        let mut transaction = self.database.begin_write().map_err(not_applied)?;
        let durability = match level {
            Level::Sync => Durability::Immediate,
            Level::Buffered | Level::None => Durability::None,
        };
        transaction
            .set_durability(durability)
            .map_err(not_applied)?;
        transaction.set_two_phase_commit(self.two_phase);
        transaction.set_quick_repair(self.quick_repair);
        {
            let mut table = transaction.open_table(TABLE).map_err(not_applied)?;
            for Write { key, value } in writes {
                match value {
                    Some(value) => table.insert(&key[..], &value[..]).map(drop),
                    None => table.remove(&key[..]).map(drop),
                }
                .map_err(not_applied)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = match transaction.open_table(TABLE) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let value = table.get(key).map_err(failed)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = match transaction.open_table(TABLE) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        for entry in table.range(from..).map_err(failed)? {
            let (key, value) = entry.map_err(failed)?;
            if !see(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn close(self) -> Result<(), Failure> {
        self.database.close().map_err(failed)
    }

    /// Moves pages and cuts the file, or does nothing while a commit is not durable yet.
    fn checkpoint(&mut self) -> Result<(), Failure> {
        match self.database.compact() {
            Err(CompactionError::TransactionInProgress) => Ok(()),
            compacted => compacted.map(drop).map_err(failed),
        }
    }

    fn verify(&mut self) -> Result<Vec<String>, Failure> {
        let failure = match self.database.check_integrity() {
            Ok(true) => return Ok(Vec::new()),
            Ok(false) => return Ok(vec!["check_integrity had something to repair".to_owned()]),
            Err(error) => error,
        };
        match redb::Error::from(failure) {
            redb::Error::Corrupted(text) => Ok(vec![text]),
            error => Err(failed(error)),
        }
    }
}

fn failed(error: impl Into<redb::Error>) -> Failure {
    let error = error.into();
    let kind = match &error {
        redb::Error::Corrupted(_) => Kind::Corruption,
        redb::Error::DatabaseAlreadyOpen => Kind::Busy,
        redb::Error::Io(error) => Kind::of_io(error),
        redb::Error::PreviousIo => Kind::Io,
        _ => Kind::Other,
    };
    Failure::new(kind, error.to_string())
}

fn not_applied(error: impl Into<redb::Error>) -> Failure {
    failed(error).not_applied()
}

fn main() -> ExitCode {
    serve::<Redb>()
}
