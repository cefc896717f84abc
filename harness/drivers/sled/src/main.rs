//! sled as a driver.
//!
//! Its background flusher runs by the clock: it is off, and every commit flushes.
//!
//! Options: `creation` (see [`Home`]), `segment_size` (32 KiB; sled's own is 512 KiB), `cache_capacity`, `mode` (`low-space`, sled's own, or `high-throughput`).

use std::path::Path;
use std::process::ExitCode;

use chaos_driver_kit::{
    About, Engine, Failure, Home, Kind, Level, Mode, Options, Promise, See, Write, locked, serve,
};
use sled::{Batch, Config, Db};

/// Below sled's own, so that a short workload fills several, and a recovery is quick.
const SEGMENT_LEN: u64 = 32 << 10;
const CACHE_LEN: u64 = 8 << 20;

struct Sled(Db);

impl Engine for Sled {
    /// docs.rs/sled/0.34.7, `Tree::flush`: "Synchronously flushes all dirty IO buffers and calls fsync. If this succeeds, it is guaranteed
    /// that all previous writes will be recovered if the system crashes." `apply_batch`: "atomically". Nothing is promised of damage, though
    /// its errors have a `Corruption`. Without a flush nothing is said of crashes.
    fn about() -> About {
        About::new("sled", locked(include_str!("../../Cargo.lock"), "sled"))
            .syncs()
            .verifies()
            .level(Level::Sync, Promise::Durable, Promise::Durable)
            .options(&[Home::OPTION, "segment_size", "cache_capacity", "mode"])
    }

    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let home = Home::find(dir, mode, options)?;
        let segment = options.size("segment_size", SEGMENT_LEN)?;
        let throughput = options.word("mode", &["low-space", "high-throughput"])?;
        let mode = match throughput {
            Some("high-throughput") => sled::Mode::HighThroughput,
            _ => sled::Mode::LowSpace,
        };
        let config = Config::new()
            .path(home.path())
            .mode(mode)
            .segment_size(usize::try_from(segment).unwrap_or(usize::MAX))
            .cache_capacity(options.size("cache_capacity", CACHE_LEN)?)
            .flush_every_ms(None);
        let database = config.open().map_err(failed)?;
        home.created()?;
        Ok(Self(database))
    }

    fn commit(&mut self, writes: &[Write], _level: Level) -> Result<(), Failure> {
        let mut batch = Batch::default();
        for Write { key, value } in writes {
            match value {
                Some(value) => batch.insert(&key[..], &value[..]),
                None => batch.remove(&key[..]),
            }
        }
        self.0.apply_batch(batch).map_err(failed)?;
        self.0.flush().map(drop).map_err(failed)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let value = self.0.get(key).map_err(failed)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
        for entry in self.0.range(from..) {
            let (key, value) = entry.map_err(failed)?;
            if !see(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    /// sled closes when it is dropped; what fails then is told to nobody, so it is flushed before.
    fn close(self) -> Result<(), Failure> {
        self.0.flush().map_err(failed)?;
        drop(self.0);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.0.flush().map(drop).map_err(failed)
    }

    fn verify(&mut self) -> Result<Vec<String>, Failure> {
        match self.0.verify_integrity() {
            Ok(()) => Ok(Vec::new()),
            Err(error @ sled::Error::Corruption { .. }) => Ok(vec![error.to_string()]),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: sled::Error) -> Failure {
    let text = error.to_string();
    let kind = match error {
        sled::Error::Io(error) => Kind::of_io(&error),
        sled::Error::Corruption { .. } => Kind::Corruption,
        _ => Kind::Other,
    };
    Failure::new(kind, text)
}

fn main() -> ExitCode {
    serve::<Sled>()
}
