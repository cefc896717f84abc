//! The toy engine as a target: what the harness is tested on.
//!
//! Transactions work on a copy of the rows made when they begin; the first to commit a row wins. A table is a
//! prefix of the toy's keys.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use lightning_db::disk::Disk;

use super::{
    Ability, ClientId, Durability, ErrorKind, KnownOption, Mode, OptionKind, Options, Promise,
    Promises, RowSink, Session, Target, TargetError,
};
use crate::toy::{ToyLog, ToyOptions};

const KNOWN: &[KnownOption] = &[
    KnownOption {
        name: "sync_before_ack",
        kind: OptionKind::Switch,
    },
    KnownOption {
        name: "checksum",
        kind: OptionKind::Switch,
    },
    KnownOption {
        name: "sync_directory",
        kind: OptionKind::Switch,
    },
];

/// The toy engine.
#[derive(Debug)]
pub struct Toy {
    promises: Promises,
}

impl Default for Toy {
    fn default() -> Self {
        let (durable, none) = (Promise::Durable, Promises::none());
        Self {
            promises: none
                .with(Durability::Sync, durable, durable)
                .even_if_sectors_tear()
                .going_on_with_space()
                .with_shown_durable(),
        }
    }
}

impl Target for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn can(&self, ability: Ability) -> bool {
        ability == Ability::Interleave
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
        let switch = |name: &str| options.get(name).is_none_or(|value| value != "false");
        let options = ToyOptions {
            sync_before_ack: switch("sync_before_ack"),
            checksum: switch("checksum"),
            sync_directory: switch("sync_directory"),
        };
        if mode == Mode::Existing && disk.list("").map_err(|error| failed(&error))?.is_empty() {
            return Err(TargetError::refused(
                ErrorKind::Other,
                "there is no database",
            ));
        }
        let log = ToyLog::open(&*disk, options).map_err(|error| failed(&error))?;
        Ok(Box::new(ToySession {
            log,
            open: BTreeMap::new(),
        }))
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

struct ToySession {
    log: ToyLog,
    open: BTreeMap<ClientId, Transaction>,
}

struct Transaction {
    snapshot: Rows,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl ToySession {
    fn transaction(&mut self, client: ClientId) -> Result<&mut Transaction, TargetError> {
        self.open.get_mut(&client).ok_or_else(|| {
            TargetError::refused(ErrorKind::Other, "the client has no transaction open")
        })
    }
}

impl Session for ToySession {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        let snapshot = self.log.rows().clone();
        self.open.insert(
            client,
            Transaction {
                snapshot,
                writes: BTreeMap::new(),
            },
        );
        Ok(())
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        let (transaction, place) = (self.transaction(client)?, place(table, key));
        Ok(match transaction.writes.get(&place) {
            Some(own) => own.clone(),
            None => transaction.snapshot.get(&place).cloned(),
        })
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        self.transaction(client)?
            .writes
            .insert(place(table, key), Some(value.to_vec()));
        Ok(())
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        self.transaction(client)?
            .writes
            .insert(place(table, key), None);
        Ok(())
    }

    fn commit(&mut self, client: ClientId, _: Durability) -> Result<(), TargetError> {
        self.transaction(client)?;
        let Some(Transaction { snapshot, writes }) = self.open.remove(&client) else {
            return Ok(());
        };
        let now = self.log.rows();
        if writes
            .keys()
            .any(|place| now.get(place) != snapshot.get(place))
        {
            return Err(TargetError::refused(
                ErrorKind::Conflict,
                "another was first",
            ));
        }
        let changes: Vec<_> = writes.into_iter().collect();
        self.log.commit(&changes).map_err(|error| failed(&error))
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.open.remove(&client);
        Ok(())
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        let prefix = place(table, b"");
        let range = (Bound::Included(prefix.as_slice()), Bound::Unbounded);
        let rows = self.log.rows().range::<[u8], _>(range);
        for (place, value) in rows.take_while(|(place, _)| place.starts_with(&prefix)) {
            sink(&place[prefix.len()..], value);
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), TargetError> {
        Err(TargetError::refused(ErrorKind::Unsupported, "checkpoint"))
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        Err(TargetError::refused(ErrorKind::Unsupported, "verify"))
    }

    fn close(self: Box<Self>) -> Result<(), TargetError> {
        Ok(())
    }
}

fn place(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), b"/", key].concat()
}

fn failed(error: &io::Error) -> TargetError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        _ => ErrorKind::Io,
    };
    TargetError::unknown(kind, error.to_string())
}
