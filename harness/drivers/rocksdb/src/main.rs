//! RocksDB as a driver, with the system's library.
//!
//! Options: `creation` (see [`Home`]), `write_buffer_size` (bytes; 64 KiB, far below RocksDB's own of 64 MiB, so that tables are written within a short workload).

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use chaos_driver_kit::{
    About, Engine, Failure, Home, Kind, Level, Mode, Options, Promise, See, Write, serve,
};
use rocksdb::{
    DB, Direction, ErrorKind, FlushOptions, IteratorMode, ReadOptions, WriteBatch, WriteOptions,
};

const WRITE_BUFFER_LEN: u64 = 64 << 10;

struct Rocksdb(DB);

impl Engine for Rocksdb {
    /// include/rocksdb/options.h, `WriteOptions::sync`: "If true, the write will be flushed from the operating system buffer cache (by calling
    /// `WritableFile::Sync()`) before the write is considered complete"; "If this flag is false, and the machine crashes, some recent writes
    /// may be lost. Note that if it is just the process that crashes (i.e., the machine does not reboot), no writes will be lost even if
    /// `sync==false`". Batches are atomic. Blocks and records have checksums, but nothing says that all damage is found.
    fn about() -> About {
        use Promise::{Durable, Nothing};
        About::new("rocksdb", &version())
            .syncs()
            .makes_checkpoints()
            .level(Level::Sync, Durable, Durable)
            .level(Level::Buffered, Durable, Nothing)
            .options(&[Home::OPTION, "write_buffer_size"])
    }

    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let home = Home::find(dir, mode, options)?;
        let mut settings = rocksdb::Options::default();
        settings.create_if_missing(mode == Mode::CreateOrOpen);
        let buffer = options.size("write_buffer_size", WRITE_BUFFER_LEN)?;
        settings.set_write_buffer_size(usize::try_from(buffer).unwrap_or(usize::MAX));
        let database = DB::open(&settings, home.path()).map_err(|error| failed(&error))?;
        home.created()?;
        Ok(Self(database))
    }

    fn commit(&mut self, writes: &[Write], level: Level) -> Result<(), Failure> {
        let mut batch = WriteBatch::default();
        for Write { key, value } in writes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(level == Level::Sync);
        let written = self.0.write_opt(batch, &options);
        written.map_err(|error| failed(&error))
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        self.0.get(key).map_err(|error| failed(&error))
    }

    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        let rows = self
            .0
            .iterator_opt(IteratorMode::From(from, Direction::Forward), options);
        for row in rows {
            let (key, value) = row.map_err(|error| failed(&error))?;
            if !see(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    /// RocksDB closes when it is dropped. Background work is waited for, so that another process finds nobody at work.
    fn close(self) -> Result<(), Failure> {
        self.0.cancel_all_background_work(true);
        drop(self.0);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.0.flush_wal(true).map_err(|error| failed(&error))
    }

    fn checkpoint(&mut self) -> Result<(), Failure> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let flushed = self.0.flush_opt(&options);
        flushed.map_err(|error| failed(&error))?;
        self.0.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }
}

/// The full version of the library is part of its file's name.
fn version() -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut places = maps
        .lines()
        .filter_map(|line| line.split_whitespace().last());
    let place = places.find(|place| place.contains("librocksdb.so."));
    let place = place.and_then(|place| fs::canonicalize(place).ok());
    let name = place.as_deref().and_then(Path::to_str).unwrap_or_default();
    name.split_once(".so.")
        .map_or("?", |(_, version)| version)
        .to_owned()
}

fn failed(error: &rocksdb::Error) -> Failure {
    let text = error.to_string();
    let is_full = text.contains("No space left") || text.contains("Disk quota");
    let kind = match error.kind() {
        _ if is_full => Kind::Full,
        ErrorKind::Corruption => Kind::Corruption,
        ErrorKind::IOError => Kind::Io,
        ErrorKind::Busy | ErrorKind::TryAgain => Kind::Busy,
        _ => Kind::Other,
    };
    Failure::new(kind, text)
}

fn main() -> ExitCode {
    serve::<Rocksdb>()
}
