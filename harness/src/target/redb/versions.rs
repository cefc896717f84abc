//! The versions of redb, each a crate of its own with the same names in it.

use std::io;

use super::engine::{Engine, Settings};
use super::file::RedbFile;
use crate::target::{Durability, ErrorKind, RowSink, TargetError};

/// The current version.
#[derive(Clone, Copy, Debug, Default)]
pub struct Current;

/// A version with known bugs, fixed in 4.2.0.
#[derive(Clone, Copy, Debug, Default)]
pub struct V4_1_0;

/// Lets a version of redb answer; `$redb` is its crate.
macro_rules! version {
    ($version:ident, $redb:ident, $name:literal) => {
        impl $redb::StorageBackend for RedbFile {
            fn len(&self) -> io::Result<u64> {
                RedbFile::len(self)
            }

            fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
                RedbFile::read(self, offset, out)
            }

            fn set_len(&self, len: u64) -> io::Result<()> {
                RedbFile::set_len(self, len)
            }

            fn sync_data(&self) -> io::Result<()> {
                self.sync()
            }

            fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
                RedbFile::write(self, offset, data)
            }
        }

        impl Engine for $version {
            const NAME: &'static str = $name;
            type Database = $redb::Database;
            type Transaction = $redb::WriteTransaction;

            fn open(file: RedbFile, settings: Settings) -> Result<Self::Database, TargetError> {
                $redb::Builder::new()
                    .set_cache_size(settings.cache_len)
                    .create_with_backend(file)
                    .map_err(Self::refused)
            }

            fn begin(database: &Self::Database) -> Result<Self::Transaction, TargetError> {
                database.begin_write().map_err(Self::refused)
            }

            fn get(
                transaction: &Self::Transaction,
                table: &str,
                key: &[u8],
            ) -> Result<Option<Vec<u8>>, TargetError> {
                use $redb::ReadableTable as _;
                let table = transaction
                    .open_table($redb::TableDefinition::<&[u8], &[u8]>::new(table))
                    .map_err(Self::refused)?;
                let value = table.get(key).map_err(Self::refused)?;
                Ok(value.map(|value| value.value().to_vec()))
            }

            fn put(
                transaction: &Self::Transaction,
                table: &str,
                key: &[u8],
                value: &[u8],
            ) -> Result<(), TargetError> {
                let mut table = transaction
                    .open_table($redb::TableDefinition::<&[u8], &[u8]>::new(table))
                    .map_err(Self::refused)?;
                table.insert(key, value).map_err(Self::refused).map(drop)
            }

            fn delete(
                transaction: &Self::Transaction,
                table: &str,
                key: &[u8],
            ) -> Result<(), TargetError> {
                let mut table = transaction
                    .open_table($redb::TableDefinition::<&[u8], &[u8]>::new(table))
                    .map_err(Self::refused)?;
                table.remove(key).map_err(Self::refused).map(drop)
            }

            fn commit(
                transaction: Self::Transaction,
                durability: Durability,
                settings: Settings,
            ) -> Result<(), TargetError> {
                let mut transaction = transaction;
                let durability = match durability {
                    Durability::Sync => $redb::Durability::Immediate,
                    Durability::Buffered | Durability::None => $redb::Durability::None,
                };
                transaction
                    .set_durability(durability)
                    .map_err(Self::refused)?;
                transaction.set_two_phase_commit(settings.two_phase);
                transaction.set_quick_repair(settings.quick_repair);
                transaction.commit().map_err(|error| {
                    let error = Self::refused(error);
                    TargetError::unknown(error.kind, error.text)
                })
            }

            fn abort(transaction: Self::Transaction) -> Result<(), TargetError> {
                transaction.abort().map_err(Self::refused)
            }

            fn scan(
                database: &Self::Database,
                table: &str,
                sink: &mut RowSink<'_>,
            ) -> Result<(), TargetError> {
                use $redb::{ReadableDatabase as _, ReadableTable as _};
                let transaction = database.begin_read().map_err(Self::refused)?;
                let definition = $redb::TableDefinition::<&[u8], &[u8]>::new(table);
                let table = match transaction.open_table(definition) {
                    Err($redb::TableError::TableDoesNotExist(_)) => return Ok(()),
                    opened => opened.map_err(Self::refused)?,
                };
                for entry in table.iter().map_err(Self::refused)? {
                    let (key, value) = entry.map_err(Self::refused)?;
                    sink(key.value(), value.value());
                }
                Ok(())
            }

            fn compact(database: &mut Self::Database) -> Result<(), TargetError> {
                match database.compact() {
                    Err($redb::CompactionError::TransactionInProgress) => Ok(()),
                    compacted => compacted.map_err(Self::refused).map(drop),
                }
            }

            fn check(database: &mut Self::Database) -> Result<bool, TargetError> {
                database.check_integrity().map_err(Self::refused)
            }
        }

        impl $version {
            fn refused(error: impl Into<$redb::Error>) -> TargetError {
                let error = error.into();
                let kind = match &error {
                    $redb::Error::Corrupted(_) => ErrorKind::Corruption,
                    $redb::Error::Io(error) if is_full(error) => ErrorKind::Full,
                    $redb::Error::Io(_) | $redb::Error::PreviousIo => ErrorKind::Io,
                    _ => ErrorKind::Other,
                };
                TargetError::refused(kind, error.to_string())
            }
        }
    };
}

version!(Current, redb, "redb");
version!(V4_1_0, redb_4_1, "redb-4.1.0");

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
