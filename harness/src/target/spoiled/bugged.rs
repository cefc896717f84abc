//! A session around another one, in which a bug decides about the calls that it is about.

use super::super::{Breakdown, ClientId, Durability, KeyRange, RowSink, Session, TargetError};

/// A bug of a session. What is not said otherwise goes through.
pub(super) trait Wrong: Clone + Send + 'static {
    fn begin<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
    ) -> Result<(), TargetError> {
        sound.begin(client)
    }

    fn get<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        sound.get(client, table, key)
    }

    fn range<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        table: &str,
        keys: KeyRange<'_>,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        sound.range(client, table, keys, sink)
    }

    /// Called after a row was put, or deleted.
    fn wrote(&mut self, _client: ClientId, _table: &str, _key: &[u8], _value: Option<&[u8]>) {}

    fn commit<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        durability: Durability,
    ) -> Result<(), TargetError> {
        sound.commit(client, durability)
    }

    fn rollback<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
    ) -> Result<(), TargetError> {
        sound.rollback(client)
    }

    fn scan<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        table: &str,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        sound.scan(table, sink)
    }
}

/// A session with a bug.
pub(super) struct Bugged<W, S: Session + ?Sized> {
    wrong: W,
    sound: Box<S>,
}

impl<W: Wrong, S: Session + ?Sized> Bugged<W, S> {
    pub(super) fn new(wrong: W, sound: Box<S>) -> Self {
        Self { wrong, sound }
    }
}

impl<W: Wrong, S: Session + ?Sized> Session for Bugged<W, S> {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.wrong.begin(&mut *self.sound, client)
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        self.wrong.get(&mut *self.sound, client, table, key)
    }

    fn range(
        &mut self,
        client: ClientId,
        table: &str,
        keys: KeyRange<'_>,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        self.wrong
            .range(&mut *self.sound, client, table, keys, sink)
    }

    fn delete_range(
        &mut self,
        client: ClientId,
        table: &str,
        keys: KeyRange<'_>,
    ) -> Result<(), TargetError> {
        self.sound.delete_range(client, table, keys)
    }

    fn savepoint(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.sound.savepoint(client)
    }

    fn rollback_to(&mut self, client: ClientId, savepoint: usize) -> Result<(), TargetError> {
        self.sound.rollback_to(client, savepoint)
    }

    fn release(&mut self, client: ClientId, savepoint: usize) -> Result<(), TargetError> {
        self.sound.release(client, savepoint)
    }

    fn create_table(&mut self, client: ClientId, name: &str) -> Result<bool, TargetError> {
        self.sound.create_table(client, name)
    }

    fn drop_table(&mut self, client: ClientId, name: &str) -> Result<bool, TargetError> {
        self.sound.drop_table(client, name)
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

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        self.sound.put(client, table, key, value)?;
        self.wrong.wrote(client, table, key, Some(value));
        Ok(())
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        self.sound.delete(client, table, key)?;
        self.wrong.wrote(client, table, key, None);
        Ok(())
    }

    fn commit(&mut self, client: ClientId, durability: Durability) -> Result<(), TargetError> {
        self.wrong.commit(&mut *self.sound, client, durability)
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.wrong.rollback(&mut *self.sound, client)
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        self.wrong.scan(&mut *self.sound, table, sink)
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
        Some(Box::new(Bugged::new(self.wrong.clone(), sound)))
    }

    fn close(self: Box<Self>) -> Result<(), TargetError> {
        self.sound.close()
    }
}
