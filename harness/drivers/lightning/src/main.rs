//! Lightning DB as a driver: the engine in a process of its own, on a real file system.
//!
//! Options: `page_size`, `log_segment`, `checkpoint_after` (bytes), `checkpoint_mode` (`inline`, `background`).

use std::path::Path;
use std::process::ExitCode;

use chaos_driver_kit::{
    About, Engine, Failure, Kind, Level, Mode, Options, Promise, See, Write, serve,
};
use lightning_db::error::StorageError;
use lightning_db::{
    CheckpointError, CheckpointMode, CommitError, Database, Durability, OpenError, ReadError,
};

const TABLE: &str = "kv";
const CHECKPOINT_AFTER: u64 = 256 << 10;
const LOG_SEGMENT: u64 = 64 << 10;
/// Else it is drawn, and no run could be repeated.
const SALT: u64 = 0x0064_7269_7665_72;

struct Lightning(Database);

impl Engine for Lightning {
    /// engine/src/options.rs, `Durability`, and engine/guide/transactions.md; of damage: engine/guide/damage.md.
    fn about() -> About {
        use Promise::{Durable, Prefix};
        About::new("lightning", env!("CARGO_PKG_VERSION"))
            .makes_checkpoints()
            .verifies()
            .level(Level::Sync, Durable, Durable)
            .level(Level::Buffered, Durable, Prefix)
            .level(Level::None, Prefix, Prefix)
            .detects_damage()
            .shows_what_lasts()
            .options(&[
                "page_size",
                "log_segment",
                "checkpoint_after",
                "checkpoint_mode",
            ])
    }

    fn open(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let settings = settings(options)?;
        let opened = match mode {
            Mode::CreateOrOpen => Database::open_or_create(dir.join("db"), settings),
            Mode::Existing => Database::open(dir.join("db"), settings),
        };
        opened.map(Self).map_err(|error| of_open(&error))
    }

    fn commit(&mut self, writes: &[Write], level: Level) -> Result<(), Failure> {
        let mut transaction = self
            .0
            .begin()
            .map_err(|error| of_read(&error).not_applied())?;
        for Write { key, value } in writes {
            match value {
                Some(value) => transaction.put(TABLE, key, value),
                None => transaction.delete(TABLE, key),
            }
            .map_err(|error| Failure::of(&error, Kind::Other).not_applied())?;
        }
        let level = match level {
            Level::Sync => Durability::Sync,
            Level::Buffered => Durability::Buffered,
            Level::None => Durability::None,
        };
        let committed = transaction.commit_with(level);
        committed.map(drop).map_err(|error| of_commit(&error))
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let value = self.0.get(TABLE, key).map_err(|error| of_read(&error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
        let snapshot = self.0.snapshot().map_err(|error| of_read(&error))?;
        let rows = snapshot
            .range(TABLE, from..)
            .map_err(|error| of_read(&error))?;
        for entry in rows {
            let (key, value) = entry.map_err(|error| of_read(&error))?;
            if !see(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn close(self) -> Result<(), Failure> {
        self.0.close().map_err(|error| of_checkpoint(&error))
    }

    fn checkpoint(&mut self) -> Result<(), Failure> {
        self.0.checkpoint().map_err(|error| of_checkpoint(&error))
    }

    fn verify(&mut self) -> Result<Vec<String>, Failure> {
        let report = self.0.verify().map_err(|error| of_read(&error))?;
        Ok(report.problems)
    }
}

fn settings(options: &Options) -> Result<lightning_db::Options, Failure> {
    let background = options.word("checkpoint_mode", &["inline", "background"])?;
    let mode = match background {
        Some("background") => CheckpointMode::Background,
        _ => CheckpointMode::Inline,
    };
    let page_size = options.size("page_size", 4096)?;
    Ok(lightning_db::Options::new()
        .salt(SALT)
        .page_size(u32::try_from(page_size).unwrap_or(u32::MAX))
        .log_segment(options.size("log_segment", LOG_SEGMENT)?)
        .checkpoint_after(options.size("checkpoint_after", CHECKPOINT_AFTER)?)
        .checkpoint_mode(mode))
}

fn kind_of(error: &StorageError) -> Kind {
    match error {
        StorageError::Corruption(_) => Kind::Corruption,
        error if error.is_full() => Kind::Full,
        StorageError::Io(_) => Kind::Io,
        _ => Kind::Other,
    }
}

fn of_open(error: &OpenError) -> Failure {
    let kind = match error {
        OpenError::Locked => Kind::Busy,
        OpenError::Storage(storage) => kind_of(storage),
        _ => Kind::Other,
    };
    failure(kind, error)
}

fn of_read(error: &ReadError) -> Failure {
    let kind = match error {
        ReadError::Storage(storage) => kind_of(storage),
        _ => Kind::Other,
    };
    failure(kind, error)
}

fn of_commit(error: &CommitError) -> Failure {
    match error {
        CommitError::Conflict { .. } => failure(Kind::Conflict, error).not_applied(),
        CommitError::Full(_) => failure(Kind::Full, error).not_applied(),
        CommitError::Refused(storage) | CommitError::Poisoned(storage) => {
            failure(kind_of(storage), error).not_applied()
        }
        CommitError::ReadOnly => failure(Kind::Other, error).not_applied(),
        CommitError::Unknown(storage) => failure(kind_of(storage), error),
        _ => failure(Kind::Other, error),
    }
}

fn of_checkpoint(error: &CheckpointError) -> Failure {
    let kind = match error {
        CheckpointError::Full(_) => Kind::Full,
        CheckpointError::Poisoned(storage) => kind_of(storage),
        _ => Kind::Other,
    };
    failure(kind, error)
}

/// The error with its causes.
fn failure(kind: Kind, error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Failure::new(kind, text)
}

fn main() -> ExitCode {
    serve::<Lightning>()
}
