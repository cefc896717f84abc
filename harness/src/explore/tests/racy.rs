//! A toy with group commit, right or with a bug that only threads show.
//!
//! A commit appends its record under the log's lock, then waits until a sync has covered it. Whoever finds nobody syncing syncs for all
//! whose records are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_db::disk::{Disk, DiskFile, OpenMode};
use lightning_db::sync::{Condvar, Mutex, lock};

use crate::target::{
    Ability, ClientId, Durability, ErrorKind, KnownOption, Mode, Options, Promise, Promises,
    RowSink, Session, Target, TargetError,
};
use crate::toy::{ToyLog, ToyOptions};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Race {
    Nothing,
    /// What was appended while the sync was on its way counts as synced.
    EndReadAfterSync,
    /// Those who wait for a sync that another runs are not told of its end.
    NobodyIsWoken,
    /// Conflicts are looked for before the lock is taken that keeps others out.
    CheckBeforeLock,
    /// A sync that fails is never said to be over.
    FailedSyncGoesOnRunning,
    /// Those who wait for a sync that another runs take it for done when it ends, however it ends.
    FollowersBelieve,
    /// A thread panics while it holds the lock, where two of them meet.
    PanicWhereTwoMeet,
}

#[derive(Debug)]
pub(super) struct Racy(pub(super) Race);

#[derive(Clone)]
struct RacySession {
    shared: Arc<Shared>,
    open: BTreeMap<ClientId, Transaction>,
}

struct Shared {
    race: Race,
    log: Mutex<ToyLog>,
    file: Arc<dyn DiskFile>,
    synced: Mutex<Synced>,
    changed: Condvar,
}

#[derive(Default)]
struct Synced {
    through: u64,
    is_running: bool,
    has_failed: bool,
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Default)]
struct Transaction {
    snapshot: Rows,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Target for Racy {
    fn name(&self) -> &'static str {
        "racy"
    }

    fn can(&self, ability: Ability) -> bool {
        matches!(ability, Ability::Interleave | Ability::Threads)
    }

    fn known_options(&self) -> &'static [KnownOption] {
        &[]
    }

    fn promises(&self, _options: &Options) -> Promises {
        Promises::none().with(Durability::Sync, Promise::Durable, Promise::Durable)
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        _options: &Options,
        _mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        let open = |sync_before_ack| {
            let options = ToyOptions {
                sync_before_ack,
                ..ToyOptions::default()
            };
            ToyLog::open(&*disk, options).map_err(failed)
        };
        // The first one makes what it recovers durable; the second leaves syncs to us.
        drop(open(true)?);
        let log = Mutex::new(open(false)?);
        let file = disk.open("toy.log", OpenMode::Write).map_err(failed)?;
        let shared = Shared {
            race: self.0,
            log,
            file,
            synced: Mutex::default(),
            changed: Condvar::new(),
        };
        Ok(Box::new(RacySession {
            shared: Arc::new(shared),
            open: BTreeMap::new(),
        }))
    }
}

impl Shared {
    fn append(&self, transaction: Transaction) -> Result<u64, TargetError> {
        let Transaction { snapshot, writes } = transaction;
        let conflicts = |log: &ToyLog| {
            let differs = |row: &Vec<u8>| log.rows().get(row) != snapshot.get(row);
            writes.keys().any(differs)
        };
        let early = self.race == Race::CheckBeforeLock && !conflicts(&lock(&self.log));
        lightning_db::sync::pause();
        let mut log = lock(&self.log);
        if !early && conflicts(&log) {
            let what = "another was first";
            return Err(TargetError::refused(ErrorKind::Conflict, what));
        }
        if self.race == Race::PanicWhereTwoMeet && lock(&self.synced).is_running {
            std::panic::resume_unwind(Box::new("two met"));
        }
        let changes: Vec<_> = writes.into_iter().collect();
        log.commit(&changes).map_err(failed)?;
        Ok(log.end())
    }

    fn sync(&self, end: u64) -> Result<(), TargetError> {
        let mut synced = lock(&self.synced);
        while synced.through < end {
            if synced.has_failed {
                return Err(failed(std::io::Error::other("a sync has failed")));
            }
            if synced.is_running {
                synced = self.changed.wait(synced).unwrap();
                if self.race == Race::FollowersBelieve && synced.has_failed {
                    return Ok(());
                }
                continue;
            }
            synced.is_running = true;
            drop(synced);
            let before = lock(&self.log).end();
            let done = self.file.sync();
            let after = lock(&self.log).end();
            synced = lock(&self.synced);
            // What a sync that failed has left nobody knows.
            synced.has_failed |= done.is_err();
            if done.is_err() && self.race == Race::FailedSyncGoesOnRunning {
                synced.has_failed = false;
                return done.map_err(failed);
            }
            synced.is_running = false;
            if self.race != Race::NobodyIsWoken {
                self.changed.notify_all();
            }
            done.map_err(failed)?;
            let late = self.race == Race::EndReadAfterSync;
            synced.through = if late { after } else { before };
        }
        Ok(())
    }
}

impl RacySession {
    fn transaction(&mut self, client: ClientId) -> &mut Transaction {
        self.open.entry(client).or_default()
    }
}

impl Session for RacySession {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        let snapshot = lock(&self.shared.log).rows().clone();
        let writes = BTreeMap::new();
        self.open.insert(client, Transaction { snapshot, writes });
        Ok(())
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        let (transaction, row) = (self.transaction(client), row(table, key));
        let own = transaction.writes.get(&row).cloned();
        Ok(own.unwrap_or_else(|| transaction.snapshot.get(&row).cloned()))
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        let writes = &mut self.transaction(client).writes;
        writes.insert(row(table, key), Some(value.to_vec()));
        Ok(())
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        let writes = &mut self.transaction(client).writes;
        writes.insert(row(table, key), None);
        Ok(())
    }

    fn commit(&mut self, client: ClientId, _: Durability) -> Result<(), TargetError> {
        let transaction = self.open.remove(&client).unwrap_or_default();
        let end = self.shared.append(transaction)?;
        self.shared.sync(end)
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.open.remove(&client);
        Ok(())
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        let (prefix, log) = (row(table, b""), lock(&self.shared.log));
        for (row, value) in log.rows() {
            if let Some(key) = row.strip_prefix(prefix.as_slice()) {
                sink(key, value);
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), TargetError> {
        Err(TargetError::refused(ErrorKind::Unsupported, "checkpoint"))
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        Err(TargetError::refused(ErrorKind::Unsupported, "verify"))
    }

    fn share(&self) -> Option<Box<dyn Session + Send>> {
        Some(Box::new(self.clone()))
    }

    fn close(self: Box<Self>) -> Result<(), TargetError> {
        Ok(())
    }
}

fn row(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), b"/", key].concat()
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn failed(error: std::io::Error) -> TargetError {
    TargetError::unknown(ErrorKind::Io, error.to_string())
}
