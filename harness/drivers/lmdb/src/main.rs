//! LMDB, through heed, as a driver.
//!
//! LMDB never syncs the directory of its files, the one vulnerability that ALICE (OSDI'14) lists for it. Like a careful user the driver does it
//! where it creates a database ([`Home`]), unless `creation` is `in-place`.
//!
//! Options: `creation`, `map_size` (64 MiB), `no_meta_sync`, `no_sync`: LMDB's flags of these names.

use std::ops::Bound;
use std::path::Path;
use std::process::ExitCode;

use chaos_driver_kit::{
    About, Engine, Failure, Home, Kind, Level, Mode, Options, Promise, See, Write, serve,
};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, MdbError};

const MAP_LEN: u64 = 64 << 20;

struct Lmdb {
    env: Env,
    table: Database<Bytes, Bytes>,
}

impl Engine for Lmdb {
    /// lmdb.h, of `mdb_env_open`: without `MDB_NOSYNC`, `MDB_NOMETASYNC` and `MDB_MAPASYNC` a commit is flushed; with the second of them "a
    /// system crash may undo the last committed transaction"; "preserves the ACI (atomicity, consistency, isolation) but not D". There are no
    /// checksums on pages: nothing is promised of damage.
    fn about() -> About {
        let version = heed::lmdb_version();
        let version = format!("{}.{}.{}", version.major, version.minor, version.patch);
        About::new("lmdb", &version)
            .syncs()
            .level(Level::Sync, Promise::Durable, Promise::Durable)
            .options(&[Home::OPTION, "map_size", "no_meta_sync", "no_sync"])
    }

    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let home = Home::find(dir, mode, options)?;
        let env = open(home.path(), options)?;
        let mut transaction = env.write_txn().map_err(failed)?;
        let table = env
            .create_database(&mut transaction, None)
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        home.created()?;
        Ok(Self { env, table })
    }

    fn commit(&mut self, writes: &[Write], _level: Level) -> Result<(), Failure> {
        let not_applied = |error| failed(error).not_applied();
        let mut transaction = self.env.write_txn().map_err(not_applied)?;
        for Write { key, value } in writes {
            match value {
                Some(value) => self.table.put(&mut transaction, key, value),
                None => self.table.delete(&mut transaction, key).map(drop),
            }
            .map_err(not_applied)?;
        }
        transaction.commit().map_err(failed)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let transaction = self.env.read_txn().map_err(failed)?;
        let value = self.table.get(&transaction, key).map_err(failed)?;
        Ok(value.map(<[u8]>::to_vec))
    }

    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
        // LMDB has no empty key, not even to search for.
        let start = if from.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Included(from)
        };
        let transaction = self.env.read_txn().map_err(failed)?;
        let range = (start, Bound::Unbounded);
        for entry in self.table.range(&transaction, &range).map_err(failed)? {
            let (key, value) = entry.map_err(failed)?;
            if !see(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn close(self) -> Result<(), Failure> {
        self.env.prepare_for_closing().wait();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.env.force_sync().map_err(failed)
    }
}

#[expect(unsafe_code, reason = "mapping a file")]
fn open(path: &Path, options: &Options) -> Result<Env, Failure> {
    let mut flags = EnvFlags::empty();
    let map_len = options.size("map_size", MAP_LEN)?;
    flags.set(
        EnvFlags::NO_META_SYNC,
        options.switch("no_meta_sync", false)?,
    );
    flags.set(EnvFlags::NO_SYNC, options.switch("no_sync", false)?);
    let mut environment = EnvOpenOptions::new();
    environment.map_size(usize::try_from(map_len).unwrap_or(usize::MAX));
    // SAFETY: these flags weaken what survives a crash of the system, not what is safe in memory.
    unsafe { environment.flags(flags) };
    // SAFETY: nobody else works on the directory while the database is open. What the files hold may be damaged, for that is what is tested: then
    // this process may end by a signal, which is what is asked about LMDB.
    unsafe { environment.open(path) }.map_err(failed)
}

fn failed(error: heed::Error) -> Failure {
    let text = error.to_string();
    let kind = match error {
        heed::Error::Io(error) => Kind::of_io(&error),
        heed::Error::Mdb(
            MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::Invalid
            | MdbError::VersionMismatch,
        ) => Kind::Corruption,
        heed::Error::Mdb(MdbError::MapFull) => Kind::Full,
        // "A fatal error occurred earlier and the environment must be shut down": a write or a sync that failed.
        heed::Error::Mdb(MdbError::Panic) => Kind::Io,
        _ => Kind::Other,
    };
    Failure::new(kind, text)
}

fn main() -> ExitCode {
    serve::<Lmdb>()
}
