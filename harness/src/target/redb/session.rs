//! An open redb database.
//!
//! 1. redb has one writer, who would wait for himself: one transaction at a time.
//! 2. Dropping a session without `close` is the end of the process: redb is dropped too, for it cleans up when it is, but
//!    its file is dead by then, and what it says about that is nobody's.

use std::panic::{self, AssertUnwindSafe};

use super::engine::{Engine, Settings};
use super::file::RedbFile;
use crate::target::{ClientId, Durability, ErrorKind, RowSink, Session, TargetError};

/// An open database of one version.
pub(super) struct RedbSession<E: Engine> {
    /// Before the database, so that it ends first.
    transaction: Option<(ClientId, E::Transaction)>,
    database: Option<E::Database>,
    file: RedbFile,
    settings: Settings,
}

impl<E: Engine> RedbSession<E> {
    pub(super) fn open(file: RedbFile, settings: Settings) -> Result<Self, TargetError> {
        Ok(Self {
            transaction: None,
            database: Some(E::open(file.clone(), settings)?),
            file,
            settings,
        })
    }

    fn database(&mut self) -> Result<&mut E::Database, TargetError> {
        self.database
            .as_mut()
            .ok_or_else(|| refused("the database is closed"))
    }

    fn of(&self, client: ClientId) -> Result<&E::Transaction, TargetError> {
        match &self.transaction {
            Some((owner, transaction)) if *owner == client => Ok(transaction),
            _ => Err(refused("the client has no transaction open")),
        }
    }

    fn take(&mut self, client: ClientId) -> Result<E::Transaction, TargetError> {
        self.transaction
            .take_if(|(owner, _)| *owner == client)
            .map(|(_, transaction)| transaction)
            .ok_or_else(|| refused("the client has no transaction open"))
    }
}

impl<E: Engine> Session for RedbSession<E> {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        if self.transaction.is_some() {
            let text = "another transaction is open";
            return Err(TargetError::refused(ErrorKind::Busy, text));
        }
        let transaction = E::begin(self.database()?)?;
        self.transaction = Some((client, transaction));
        Ok(())
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        E::get(self.of(client)?, table, key)
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        E::put(self.of(client)?, table, key, value)
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        E::delete(self.of(client)?, table, key)
    }

    fn commit(&mut self, client: ClientId, durability: Durability) -> Result<(), TargetError> {
        let transaction = self.take(client)?;
        E::commit(transaction, durability, self.settings)
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        E::abort(self.take(client)?)
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        E::scan(self.database()?, table, sink)
    }

    fn checkpoint(&mut self) -> Result<(), TargetError> {
        E::compact(self.database()?)
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        match E::check(self.database()?) {
            Ok(true) => Ok(Vec::new()),
            Ok(false) => Ok(vec!["check_integrity had something to repair".to_owned()]),
            Err(error) if error.kind == ErrorKind::Corruption => Ok(vec![error.text]),
            Err(error) => Err(error),
        }
    }

    fn close(mut self: Box<Self>) -> Result<(), TargetError> {
        drop(self.transaction.take());
        drop(self.database.take());
        Ok(())
    }
}

impl<E: Engine> Drop for RedbSession<E> {
    fn drop(&mut self) {
        self.file.kill();
        let (transaction, database) = (self.transaction.take(), self.database.take());
        let dropped = panic::catch_unwind(AssertUnwindSafe(|| {
            drop(transaction);
            drop(database);
        }));
        drop(dropped);
    }
}

fn refused(text: &str) -> TargetError {
    TargetError::refused(ErrorKind::Other, text)
}
