//! Engines without transactions of their own, as sessions.
//!
//! A transaction is kept here until it is committed, all of it in one call; one is open at a time. A table is a prefix of keys.

use std::collections::BTreeMap;

use super::{ClientId, Durability, ErrorKind, RowSink, Session, TargetError};

/// A change of one key: its new value, or none if it goes.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// An open database that takes all changes of a transaction at once: all that most engines need to be tested.
///
/// [`one_at_a_time`] makes a [`Session`] of it.
pub trait KeyValue {
    /// Makes all of `changes` or none. Returned with success they are acknowledged at this level of durability. The keys of one call differ.
    fn commit(&mut self, changes: &[Change], durability: Durability) -> Result<(), TargetError>;
    /// The committed value of a key.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, TargetError>;
    /// Gives all committed rows to `sink`, ascending by key.
    fn scan(&mut self, sink: &mut RowSink<'_>) -> Result<(), TargetError>;
    /// Whatever the engine calls a checkpoint. Asked for only if the target has the ability.
    fn checkpoint(&mut self) -> Result<(), TargetError> {
        Err(TargetError::refused(ErrorKind::Unsupported, "checkpoints"))
    }
    /// The engine's own integrity check: the problems it found. Asked for only if the target has the ability.
    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        Err(TargetError::refused(ErrorKind::Unsupported, "verification"))
    }
    /// Closes the database cleanly; then it is dropped. Dropped without that, its process has crashed.
    fn close(&mut self) -> Result<(), TargetError> {
        Ok(())
    }
}

/// A session of a database that has one transaction at a time.
pub fn one_at_a_time(database: impl KeyValue + 'static) -> Box<dyn Session> {
    Box::new(OneAtATime {
        database,
        open: None,
    })
}

struct OneAtATime<D> {
    database: D,
    open: Option<Open>,
}

/// The open transaction. The last write of each key counts.
struct Open {
    client: ClientId,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<D: KeyValue> OneAtATime<D> {
    fn writes(
        &mut self,
        client: ClientId,
    ) -> Result<&mut BTreeMap<Vec<u8>, Option<Vec<u8>>>, TargetError> {
        match &mut self.open {
            Some(open) if open.client == client => Ok(&mut open.writes),
            _ => Err(TargetError::refused(
                ErrorKind::Other,
                "the client has no transaction open",
            )),
        }
    }
}

impl<D: KeyValue> Session for OneAtATime<D> {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        if self.open.is_some() {
            let text = "another transaction is open";
            return Err(TargetError::refused(ErrorKind::Busy, text));
        }
        let writes = BTreeMap::new();
        self.open = Some(Open { client, writes });
        Ok(())
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        let key = place(table, key);
        match self.writes(client)?.get(&key) {
            Some(own) => Ok(own.clone()),
            None => self.database.get(&key),
        }
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        let value = Some(value.to_vec());
        self.writes(client)?.insert(place(table, key), value);
        Ok(())
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        self.writes(client)?.insert(place(table, key), None);
        Ok(())
    }

    fn commit(&mut self, client: ClientId, durability: Durability) -> Result<(), TargetError> {
        let writes = std::mem::take(self.writes(client)?);
        self.open = None;
        if writes.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> = writes.into_iter().collect();
        self.database.commit(&changes, durability)
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.writes(client)?;
        self.open = None;
        Ok(())
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        let prefix = place(table, b"");
        self.database.scan(&mut |place, value| {
            if let Some(key) = place.strip_prefix(prefix.as_slice()) {
                sink(key, value);
            }
        })
    }

    fn checkpoint(&mut self) -> Result<(), TargetError> {
        self.database.checkpoint()
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        self.database.verify()
    }

    fn close(mut self: Box<Self>) -> Result<(), TargetError> {
        self.database.close()
    }
}

/// The key under which a row is kept. No table's name holds a zero byte.
fn place(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), &[0], key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Rows {
        rows: BTreeMap<Vec<u8>, Vec<u8>>,
        commits: usize,
    }

    impl KeyValue for Rows {
        fn commit(&mut self, changes: &[Change], _: Durability) -> Result<(), TargetError> {
            self.commits += 1;
            for (key, value) in changes.iter().cloned() {
                match value {
                    Some(value) => drop(self.rows.insert(key, value)),
                    None => drop(self.rows.remove(&key)),
                }
            }
            Ok(())
        }

        fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, TargetError> {
            Ok(self.rows.get(key).cloned())
        }

        fn scan(&mut self, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
            self.rows.iter().for_each(|(key, value)| sink(key, value));
            Ok(())
        }
    }

    fn shown(session: &mut dyn Session, table: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        let mut sink = |key: &[u8], value: &[u8]| rows.push((key.to_vec(), value.to_vec()));
        session.scan(table, &mut sink).unwrap();
        rows
    }

    #[test]
    fn a_transaction_reads_its_own_writes_and_is_seen_by_others_once_it_is_committed() {
        let client = ClientId(3);
        let mut session = one_at_a_time(Rows::default());
        session.begin(client).unwrap();
        session.put(client, "t", b"k", b"1").unwrap();
        session.put(client, "t", b"k", b"2").unwrap();
        session.put(client, "u", b"k", b"3").unwrap();
        assert_eq!(session.get(client, "t", b"k"), Ok(Some(b"2".to_vec())));
        assert!(shown(&mut *session, "t").is_empty());
        let busy = session.begin(ClientId(4)).unwrap_err();
        assert_eq!(busy.kind, ErrorKind::Busy);
        session.commit(client, Durability::Sync).unwrap();
        assert_eq!(shown(&mut *session, "t"), [(b"k".to_vec(), b"2".to_vec())]);
        assert_eq!(shown(&mut *session, "u"), [(b"k".to_vec(), b"3".to_vec())]);
        session.begin(client).unwrap();
        session.delete(client, "t", b"k").unwrap();
        session.rollback(client).unwrap();
        assert_eq!(shown(&mut *session, "t").len(), 1);
        assert!(session.commit(client, Durability::Sync).is_err());
    }
}
