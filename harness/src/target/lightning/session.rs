//! An open Lightning DB.

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_db::disk::Disk;
use lightning_db::{Database, Savepoint, Transaction};

use super::copies;
use super::errors::{
    no_transaction, of_checkpoint, of_commit, of_read, of_savepoint, of_table, of_write,
};
use crate::target::{ClientId, Durability, ErrorKind, KeyRange, RowSink, Session, TargetError};

/// How the recovery report calls a page of the map.
const MAP_PAGE: &str = "map page";

/// An open database.
pub(super) struct LightningSession {
    /// Before the database, so that they end first.
    open: BTreeMap<ClientId, Open>,
    database: Database,
    /// Where the database is, and beside it its backups.
    disk: Arc<dyn Disk>,
}

/// A client's transaction, and its savepoints, the outermost first.
struct Open {
    transaction: Transaction,
    savepoints: Vec<Savepoint>,
}

impl LightningSession {
    pub(super) fn new(database: Database, disk: Arc<dyn Disk>) -> Self {
        Self {
            open: BTreeMap::new(),
            database,
            disk,
        }
    }

    fn open(&mut self, client: ClientId) -> Result<&mut Open, TargetError> {
        self.open.get_mut(&client).ok_or_else(no_transaction)
    }

    fn transaction(&mut self, client: ClientId) -> Result<&mut Transaction, TargetError> {
        Ok(&mut self.open(client)?.transaction)
    }
}

impl Open {
    fn savepoint(&self, savepoint: usize) -> Result<Savepoint, TargetError> {
        let text = "no such savepoint is set";
        let set = self.savepoints.get(savepoint).copied();
        set.ok_or_else(|| TargetError::refused(ErrorKind::Other, text))
    }
}

impl Session for LightningSession {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        let transaction = self.database.begin().map_err(|error| of_read(&error))?;
        let savepoints = Vec::new();
        let open = Open {
            transaction,
            savepoints,
        };
        self.open.insert(client, open);
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

    fn get_many(
        &mut self,
        client: ClientId,
        table: &str,
        keys: &[&[u8]],
    ) -> Result<Vec<Option<Vec<u8>>>, TargetError> {
        let transaction = self.transaction(client)?;
        let values = transaction.get_many(table, keys);
        let values = values.map_err(|error| of_read(&error))?;
        let owned = values.into_iter().map(|value| Some(value?.to_vec()));
        Ok(owned.collect())
    }

    fn range(
        &mut self,
        client: ClientId,
        table: &str,
        keys: KeyRange<'_>,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        let transaction = self.transaction(client)?;
        let entries = transaction.range(table, keys.from..keys.to);
        for entry in entries.map_err(|error| of_read(&error))? {
            let (key, value) = entry.map_err(|error| of_read(&error))?;
            sink(&key, &value);
        }
        Ok(())
    }

    fn delete_range(
        &mut self,
        client: ClientId,
        table: &str,
        keys: KeyRange<'_>,
    ) -> Result<(), TargetError> {
        self.transaction(client)?
            .delete_range(table, keys.from..keys.to)
            .map_err(|error| of_write(&error))
    }

    fn create_table(&mut self, client: ClientId, name: &str) -> Result<bool, TargetError> {
        of_table(self.transaction(client)?.create_table(name))
    }

    fn drop_table(&mut self, client: ClientId, name: &str) -> Result<bool, TargetError> {
        of_table(self.transaction(client)?.drop_table(name))
    }

    fn rename_table(
        &mut self,
        client: ClientId,
        from: &str,
        to: &str,
    ) -> Result<bool, TargetError> {
        of_table(self.transaction(client)?.rename_table(from, to))
    }

    fn tables(&mut self, client: Option<ClientId>) -> Result<Vec<String>, TargetError> {
        let tables = match client {
            Some(client) => self.transaction(client)?.tables(),
            None => self.database.tables(),
        };
        tables.map_err(|error| of_read(&error))
    }

    fn savepoint(&mut self, client: ClientId) -> Result<(), TargetError> {
        let open = self.open(client)?;
        open.savepoints.push(open.transaction.savepoint());
        Ok(())
    }

    fn rollback_to(&mut self, client: ClientId, savepoint: usize) -> Result<(), TargetError> {
        let open = self.open(client)?;
        let to = open.savepoint(savepoint)?;
        open.savepoints.truncate(savepoint + 1);
        let gone_back = open.transaction.rollback_to(to);
        gone_back.map_err(of_savepoint)
    }

    fn release(&mut self, client: ClientId, savepoint: usize) -> Result<(), TargetError> {
        let open = self.open(client)?;
        let given_up = open.savepoint(savepoint)?;
        open.savepoints.truncate(savepoint);
        let released = open.transaction.release(given_up);
        released.map_err(of_savepoint)
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
        let open = self.open.remove(&client).ok_or_else(no_transaction)?;
        let durability = match durability {
            Durability::Sync => lightning_db::Durability::Sync,
            Durability::Buffered => lightning_db::Durability::Buffered,
            Durability::None => lightning_db::Durability::None,
        };
        let committed = open.transaction.commit_with(durability);
        committed
            .map(|_| ())
            .map_err(|error| of_commit(&error, self.database.recovery_report()))
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.open
            .remove(&client)
            .ok_or_else(no_transaction)?
            .transaction
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

    fn compact(&mut self) -> Result<bool, TargetError> {
        let report = self.database.compact();
        let report = report.map_err(|error| of_checkpoint(&error))?;
        let is_shorter = report.data_bytes < report.data_bytes_before;
        Ok(report.pages_moved > 0 || report.nodes_filled > 0 || is_shorter)
    }

    fn backup(&mut self, name: &str, base: Option<&str>) -> Result<(), TargetError> {
        copies::backup(&self.database, &self.disk, name, base)
    }

    fn restore_point(&mut self) -> Result<u64, TargetError> {
        let archived = self.database.archive_log();
        let reached = archived.map_err(|error| of_checkpoint(&error))?;
        Ok(reached.get())
    }

    fn evictions(&self) -> u64 {
        self.database.stats().evictions
    }

    fn share(&self) -> Option<Box<dyn Session + Send>> {
        Some(Box::new(Self::new(
            self.database.clone(),
            Arc::clone(&self.disk),
        )))
    }

    fn close(self: Box<Self>) -> Result<(), TargetError> {
        let Self { open, database, .. } = *self;
        drop(open);
        database.close().map_err(|error| of_checkpoint(&error))
    }
}
