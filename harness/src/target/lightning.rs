//! Lightning DB as a target.
//!
//! A database's salt is fixed, so that a run is repeated to the byte. It has a thread of its own only where that is interleaved by
//! the seed: elsewhere checkpoints "in the background" are run by the thread that makes them due.
//!
//! A map page that recovery had to rebuild from the slots counts as a problem of its integrity: the double-write
//! buffer is there so that no crash ever asks for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_db::disk::Disk;
use lightning_db::error::StorageError;
use lightning_db::sync::takes_part;
use lightning_db::{
    CheckpointError, CheckpointMode, CommitError, Database, Limits, OpenError, ReadError,
    Transaction, WriteError,
};

use super::{
    Ability, ClientId, Durability, ErrorKind, KnownOption, Mode, OptionKind, Options, Promise,
    Promises, RowSink, Session, Target, TargetError, parse_size,
};

const SALT: u64 = 0x006c_6967_6874_6e69;

/// How the recovery report calls a page of the map.
const MAP_PAGE: &str = "map page";

const KNOWN: &[KnownOption] = &[
    KnownOption {
        name: "page_size",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "log_segment",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "checkpoint_after",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "checkpoint_mode",
        kind: OptionKind::Word(&["inline", "manual", "background"]),
    },
    KnownOption {
        name: "wal_bytes",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "dirty_bytes",
        kind: OptionKind::Size,
    },
    KnownOption {
        name: "memory",
        kind: OptionKind::Size,
    },
];

/// Lightning DB.
#[derive(Debug)]
pub struct Lightning {
    promises: Promises,
}

impl Default for Lightning {
    fn default() -> Self {
        use Promise::{Durable, Prefix};
        let promises = Promises::none()
            .with(Durability::Sync, Durable, Durable)
            .with(Durability::Buffered, Durable, Prefix)
            .with(Durability::None, Prefix, Prefix);
        Self { promises }
    }
}

impl Target for Lightning {
    fn name(&self) -> &'static str {
        "lightning"
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::Interleave | Ability::Checkpoint | Ability::Verify | Ability::Threads => true,
        }
    }

    fn known_options(&self) -> &'static [KnownOption] {
        KNOWN
    }

    fn promises(&self, _options: &Options) -> Promises {
        self.promises.clone()
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        let options = engine_options(options);
        let database = match mode {
            Mode::Existing => Database::open_on(disk, options),
            Mode::CreateOrOpen => Database::open_or_create_on(disk, options),
        };
        let database = database.map_err(|error| of_open(&error))?;
        Ok(Box::new(LightningSession {
            open: BTreeMap::new(),
            database,
        }))
    }
}

fn engine_options(asked: &Options) -> lightning_db::Options {
    let size = |name: &str| asked.get(name).and_then(|value| parse_size(value));
    let mode = match asked.get("checkpoint_mode").map(String::as_str) {
        Some("manual") => CheckpointMode::Manual,
        Some("background") if takes_part() => CheckpointMode::Background,
        _ => CheckpointMode::Inline,
    };
    let mut limits = Limits::default();
    limits.wal_bytes = size("wal_bytes").unwrap_or(limits.wal_bytes);
    limits.dirty_bytes = size("dirty_bytes").unwrap_or(limits.dirty_bytes);
    limits.memory = size("memory").unwrap_or(limits.memory);
    let mut options = lightning_db::Options::new()
        .salt(SALT)
        .checkpoint_mode(mode)
        .limits(limits);
    if let Some(bytes) = size("page_size") {
        options = options.page_size(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
    if let Some(bytes) = size("log_segment") {
        options = options.log_segment(bytes);
    }
    if let Some(bytes) = size("checkpoint_after") {
        options = options.checkpoint_after(bytes);
    }
    options
}

struct LightningSession {
    /// Before the database, so that they end first.
    open: BTreeMap<ClientId, Transaction>,
    database: Database,
}

impl LightningSession {
    fn transaction(&mut self, client: ClientId) -> Result<&mut Transaction, TargetError> {
        self.open.get_mut(&client).ok_or_else(no_transaction)
    }
}

impl Session for LightningSession {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        let transaction = self.database.begin().map_err(|error| of_read(&error))?;
        self.open.insert(client, transaction);
        Ok(())
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        let value = self
            .transaction(client)?
            .get(table, key)
            .map_err(|error| of_read(&error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        self.transaction(client)?
            .put(table, key, value)
            .map_err(|error| of_write(&error))
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        self.transaction(client)?
            .delete(table, key)
            .map_err(|error| of_write(&error))
    }

    fn commit(&mut self, client: ClientId, durability: Durability) -> Result<(), TargetError> {
        let transaction = self.open.remove(&client).ok_or_else(no_transaction)?;
        let durability = match durability {
            Durability::Sync => lightning_db::Durability::Sync,
            Durability::Buffered => lightning_db::Durability::Buffered,
            Durability::None => lightning_db::Durability::None,
        };
        let committed = transaction.commit_with(durability);
        committed.map(|_| ()).map_err(|error| of_commit(&error))
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.open
            .remove(&client)
            .ok_or_else(no_transaction)?
            .rollback();
        Ok(())
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        let snapshot = self.database.snapshot().map_err(|error| of_read(&error))?;
        for entry in snapshot.scan(table).map_err(|error| of_read(&error))? {
            let (key, value) = entry.map_err(|error| of_read(&error))?;
            sink(&key, &value);
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), TargetError> {
        self.database
            .checkpoint()
            .map_err(|error| of_checkpoint(&error))
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        let report = self.database.verify().map_err(|error| of_read(&error))?;
        let repairs = self.database.recovery_report().repairs.iter();
        let rebuilt = repairs
            .filter(|what| what.starts_with(MAP_PAGE))
            .map(|what| format!("recovery had to rebuild what no crash may damage: {what}"));
        Ok(report.problems.into_iter().chain(rebuilt).collect())
    }

    fn share(&self) -> Option<Box<dyn Session + Send>> {
        Some(Box::new(Self {
            open: BTreeMap::new(),
            database: self.database.clone(),
        }))
    }

    fn close(self: Box<Self>) -> Result<(), TargetError> {
        let Self { open, database } = *self;
        drop(open);
        database.close().map_err(|error| of_checkpoint(&error))
    }
}

fn no_transaction() -> TargetError {
    TargetError::refused(ErrorKind::Other, "the client has no transaction open")
}

fn kind_of(error: &StorageError) -> ErrorKind {
    match error {
        StorageError::Corruption(_) => ErrorKind::Corruption,
        error if error.is_full() => ErrorKind::Full,
        StorageError::Io(_) => ErrorKind::Io,
        _ => ErrorKind::Other,
    }
}

fn of_open(error: &OpenError) -> TargetError {
    let kind = match error {
        OpenError::Locked => ErrorKind::Busy,
        OpenError::Storage(storage) => kind_of(storage),
        _ => ErrorKind::Other,
    };
    TargetError::refused(kind, text_of(error))
}

fn of_read(error: &ReadError) -> TargetError {
    let kind = match error {
        ReadError::Storage(storage) => kind_of(storage),
        _ => ErrorKind::Other,
    };
    TargetError::refused(kind, text_of(error))
}

fn of_write(error: &WriteError) -> TargetError {
    TargetError::refused(ErrorKind::Other, text_of(error))
}

fn of_commit(error: &CommitError) -> TargetError {
    let text = text_of(error);
    match error {
        CommitError::Conflict { .. } => TargetError::refused(ErrorKind::Conflict, text),
        CommitError::Full(_) => TargetError::refused(ErrorKind::Full, text),
        CommitError::Refused(storage) | CommitError::Poisoned(storage) => {
            TargetError::refused(kind_of(storage), text)
        }
        CommitError::ReadOnly => TargetError::refused(ErrorKind::Other, text),
        CommitError::Unknown(storage) => TargetError::unknown(kind_of(storage), text),
        _ => TargetError::unknown(ErrorKind::Other, text),
    }
}

fn of_checkpoint(error: &CheckpointError) -> TargetError {
    let kind = match error {
        CheckpointError::Full(_) => ErrorKind::Full,
        CheckpointError::Poisoned(storage) => kind_of(storage),
        _ => ErrorKind::Other,
    };
    TargetError::unknown(kind, text_of(error))
}

/// An error with its causes.
fn text_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
