//! Bugs of what one client's transaction does, and of what comes after a failure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::super::{
    Breakdown, ClientId, Durability, ErrorKind, KeyRange, RowSink, Session, TargetError,
};
use crate::scenario::Bug;

/// A row and its value.
type Write = (String, Vec<u8>, Vec<u8>);

pub(super) struct SpoiledSession<S: Session + ?Sized> {
    bug: Bug,
    fired: Arc<AtomicU64>,
    /// The first write since each savepoint, the outermost first.
    undone: BTreeMap<ClientId, Vec<Option<Write>>>,
    /// Whether a commit has failed.
    has_failed: bool,
    sound: Box<S>,
}

impl<S: Session + ?Sized> SpoiledSession<S> {
    pub(super) fn new(bug: Bug, fired: Arc<AtomicU64>, sound: Box<S>) -> Self {
        Self {
            bug,
            fired,
            undone: BTreeMap::new(),
            has_failed: false,
            sound,
        }
    }

    /// Whether the bug is this one; then it shows.
    fn shows(&self, bug: Bug) -> bool {
        let shows = self.bug == bug;
        self.fired.fetch_add(u64::from(shows), Relaxed);
        shows
    }

    fn savepoints(&mut self, client: ClientId) -> &mut Vec<Option<Write>> {
        self.undone.entry(client).or_default()
    }
}

impl<S: Session + ?Sized> Session for SpoiledSession<S> {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.undone.remove(&client);
        self.sound.begin(client)
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        self.sound.get(client, table, key)
    }

    fn get_many(
        &mut self,
        client: ClientId,
        table: &str,
        keys: &[&[u8]],
    ) -> Result<Vec<Option<Vec<u8>>>, TargetError> {
        self.sound.get_many(client, table, keys)
    }

    fn range(
        &mut self,
        client: ClientId,
        table: &str,
        keys: KeyRange<'_>,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        let mut skip = self.bug == Bug::RangeReadSkipsARow;
        let fired = Arc::clone(&self.fired);
        self.sound.range(client, table, keys, &mut |key, value| {
            if std::mem::take(&mut skip) {
                fired.fetch_add(1, Relaxed);
            } else {
                sink(key, value);
            }
        })
    }

    fn delete_range(
        &mut self,
        client: ClientId,
        table: &str,
        keys: KeyRange<'_>,
    ) -> Result<(), TargetError> {
        if self.bug != Bug::RangeDeleteSparesARow {
            return self.sound.delete_range(client, table, keys);
        }
        let mut first = None;
        self.sound.range(client, table, keys, &mut |key, value| {
            first.get_or_insert((key.to_vec(), value.to_vec()));
        })?;
        self.sound.delete_range(client, table, keys)?;
        match first {
            Some((key, value)) if self.shows(Bug::RangeDeleteSparesARow) => {
                self.sound.put(client, table, &key, &value)
            }
            _ => Ok(()),
        }
    }

    fn create_table(&mut self, client: ClientId, name: &str) -> Result<bool, TargetError> {
        self.sound.create_table(client, name)
    }

    fn drop_table(&mut self, client: ClientId, name: &str) -> Result<bool, TargetError> {
        if self.bug != Bug::DroppedTableKeepsARow {
            return self.sound.drop_table(client, name);
        }
        let mut first = None;
        let all = KeyRange {
            from: &[],
            to: &[u8::MAX],
        };
        self.sound.range(client, name, all, &mut |key, value| {
            first.get_or_insert((key.to_vec(), value.to_vec()));
        })?;
        let dropped = self.sound.drop_table(client, name)?;
        if let Some((key, value)) = first {
            self.fired.fetch_add(1, Relaxed);
            self.sound.put(client, name, &key, &value)?;
        }
        Ok(dropped)
    }

    fn rename_table(
        &mut self,
        client: ClientId,
        from: &str,
        to: &str,
    ) -> Result<bool, TargetError> {
        self.sound.rename_table(client, from, to)
    }

    fn tables(&mut self, client: Option<ClientId>) -> Result<Vec<String>, TargetError> {
        self.sound.tables(client)
    }

    fn savepoint(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.savepoints(client).push(None);
        self.sound.savepoint(client)
    }

    fn rollback_to(&mut self, client: ClientId, savepoint: usize) -> Result<(), TargetError> {
        self.sound.rollback_to(client, savepoint)?;
        let savepoints = self.savepoints(client);
        savepoints.truncate(savepoint + 1);
        let first = savepoints.last_mut().and_then(Option::take);
        match first {
            Some((table, key, value)) if self.shows(Bug::SavepointKeepsAWrite) => {
                self.sound.put(client, &table, &key, &value)
            }
            _ => Ok(()),
        }
    }

    fn release(&mut self, client: ClientId, savepoint: usize) -> Result<(), TargetError> {
        self.savepoints(client).truncate(savepoint);
        self.sound.release(client, savepoint)
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        for first in self.savepoints(client) {
            first.get_or_insert_with(|| (table.to_owned(), key.to_vec(), value.to_vec()));
        }
        self.sound.put(client, table, key, value)
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        self.sound.delete(client, table, key)
    }

    fn commit(&mut self, client: ClientId, durability: Durability) -> Result<(), TargetError> {
        if self.has_failed && self.bug == Bug::NeverWritesAgain {
            self.sound.rollback(client)?;
            self.fired.fetch_add(1, Relaxed);
            return Err(TargetError::refused(ErrorKind::Full, "there was no space"));
        }
        let committed = self.sound.commit(client, durability);
        if committed.as_ref().is_err_and(|error| !error.may_retry()) {
            self.has_failed = true;
            if self.shows(Bug::FailedCommitIsAcknowledged) {
                return Ok(());
            }
        }
        committed
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.sound.rollback(client)
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        if self.has_failed && self.shows(Bug::ReadsEndWithWrites) {
            return Err(TargetError::refused(ErrorKind::Io, "a commit failed"));
        }
        self.sound.scan(table, sink)
    }

    fn checkpoint(&mut self) -> Result<(), TargetError> {
        self.sound.checkpoint()
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        self.sound.verify()
    }

    fn compact(&mut self) -> Result<bool, TargetError> {
        self.sound.compact()
    }

    fn backup(&mut self, name: &str, base: Option<&str>) -> Result<(), TargetError> {
        self.sound.backup(name, base)
    }

    fn restore_point(&mut self) -> Result<u64, TargetError> {
        self.sound.restore_point()
    }

    fn breakdown(&self) -> Option<&Breakdown> {
        self.sound.breakdown()
    }

    fn evictions(&self) -> u64 {
        self.sound.evictions()
    }

    fn share(&self) -> Option<Box<dyn Session + Send>> {
        let sound = self.sound.share()?;
        let fired = Arc::clone(&self.fired);
        Some(Box::new(SpoiledSession::new(self.bug, fired, sound)))
    }

    fn close(self: Box<Self>) -> Result<(), TargetError> {
        self.sound.close()
    }
}
