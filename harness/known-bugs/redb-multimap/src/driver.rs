//! redb with, beside the rows, one key of a multimap table whose values have a tree of their own: what redb#629 is about.

use std::path::Path;
use std::process::ExitCode;

use chaos_driver_kit::{
    About, Engine, Failure, Home, Kind, Level, Mode, Options, Promise, See, Write, serve,
};
use redb::{Database, MultimapTableDefinition, ReadableTable as _, TableDefinition, TableError};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("kv");
const MANY: MultimapTableDefinition<'_, u64, u64> = MultimapTableDefinition::new("many");
/// Values of one key that a commit adds: a few commits make a tree of several pages.
const VALUES: u64 = 300;

struct Redb {
    database: Database,
    values: u64,
}

impl Engine for Redb {
    fn about() -> About {
        About::new("redb-multimap", env!("CARGO_BIN_NAME"))
            .level(Level::Sync, Promise::Durable, Promise::Durable)
            .options(&[Home::OPTION])
    }

    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let home = Home::find(dir, mode, options)?;
        let database = Database::create(home.path().join("redb.db")).map_err(failed)?;
        home.created()?;
        Ok(Self {
            database,
            values: 0,
        })
    }

    fn commit(&mut self, writes: &[Write], _level: Level) -> Result<(), Failure> {
        let transaction = self.database.begin_write().map_err(failed)?;
        {
            let mut table = transaction.open_table(TABLE).map_err(failed)?;
            for Write { key, value } in writes {
                match value {
                    Some(value) => table.insert(&key[..], &value[..]).map(drop),
                    None => table.remove(&key[..]).map(drop),
                }
                .map_err(failed)?;
            }
            let mut many = transaction.open_multimap_table(MANY).map_err(failed)?;
            for _ in 0..VALUES {
                many.insert(&0, &self.values).map_err(failed)?;
                self.values += 1;
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
        drop(self.database);
        Ok(())
    }
}

fn failed(error: impl Into<redb::Error>) -> Failure {
    let error = error.into();
    let kind = match &error {
        redb::Error::Corrupted(_) => Kind::Corruption,
        redb::Error::Io(error) => Kind::of_io(error),
        _ => Kind::Other,
    };
    Failure::new(kind, error.to_string())
}

/// The driver.
pub fn main() -> ExitCode {
    serve::<Redb>()
}
