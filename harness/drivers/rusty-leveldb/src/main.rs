//! rusty-leveldb as a driver.
//!
//! Options: `creation` (see [`Home`]), `write_buffer_size` (bytes; 4 KiB, so that tables are written within a short workload; its own is 4 MiB).

use std::path::Path;
use std::process::ExitCode;

use chaos_driver_kit::{
    About, Engine, Failure, Home, Kind, Level, Mode, Options, Promise, See, Write, locked, serve,
};
use rusty_leveldb::{DB, LdbIterator as _, Status, StatusCode, WriteBatch};

const BUFFER_LEN: u64 = 4 << 10;

struct Leveldb(DB);

impl Engine for Leveldb {
    /// docs.rs/rusty-leveldb, `DB::write`: "`sync` determines whether the write should be flushed to disk"; `DB::flush`: "makes sure that
    /// all pending changes (e.g. from `put()`) are stored on disk". Its README does "not endorse using this library for any data that you
    /// care about". Nothing is promised of damage.
    fn about() -> About {
        let version = locked(include_str!("../../Cargo.lock"), "rusty-leveldb");
        About::new("rusty-leveldb", version)
            .syncs()
            .makes_checkpoints()
            .level(Level::Sync, Promise::Durable, Promise::Durable)
            .options(&[Home::OPTION, "write_buffer_size"])
    }

    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let buffer = options.size("write_buffer_size", BUFFER_LEN)?;
        let settings = rusty_leveldb::Options {
            write_buffer_size: usize::try_from(buffer).unwrap_or(usize::MAX),
            ..rusty_leveldb::Options::default()
        };
        let home = Home::find(dir, mode, options)?;
        let database = DB::open(home.path(), settings).map_err(failed)?;
        home.created()?;
        Ok(Self(database))
    }

    fn commit(&mut self, writes: &[Write], _level: Level) -> Result<(), Failure> {
        let mut batch = WriteBatch::default();
        for Write { key, value } in writes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        self.0.write(batch, true).map_err(failed)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.get(key).map(|value| value.to_vec()))
    }

    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
        let mut rows = self.0.new_iter().map_err(failed)?;
        while let Some((key, value)) = rows.next() {
            if &key[..] >= from && !see(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn close(mut self) -> Result<(), Failure> {
        self.0.close().map_err(failed)
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(failed)
    }

    fn checkpoint(&mut self) -> Result<(), Failure> {
        self.0.compact_range(b"", &[0xff; 64]).map_err(failed)
    }
}

fn failed(error: Status) -> Failure {
    let kind = match error.code {
        StatusCode::Corruption | StatusCode::InvalidData | StatusCode::CompressionError => {
            Kind::Corruption
        }
        StatusCode::IOError | StatusCode::PermissionDenied | StatusCode::NotFound => Kind::Io,
        StatusCode::LockError => Kind::Busy,
        _ => Kind::Other,
    };
    Failure::new(kind, error.err)
}

fn main() -> ExitCode {
    serve::<Leveldb>()
}
