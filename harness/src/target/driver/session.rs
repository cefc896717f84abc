//! A database that a driver has open.
//!
//! 1. Without transactions of its own a driver has one at a time, kept here until it is committed in one request.
//! 2. After a breakdown nothing is asked any more.
//! 3. Clients of a driver that is `concurrent` have a session each, of one process.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::answer::{Answer, Row, hex};
use super::hello::{Capability, Hello};
use super::idle::{dismiss, keep};
use super::process::{Process, Wait};
use super::rows::Layout;
use super::wire::Wire;
use crate::fuse::Attached;
use crate::sim::SimDisk;
use crate::target::{
    Breakdown, ClientId, Durability, ErrorKind, Mode, Options, RowSink, Session, TargetError,
};

/// Every key that a driver was ever given, for those that cannot list them.
pub(super) type Keys = Arc<Mutex<BTreeSet<Vec<u8>>>>;

/// An open database.
pub(super) struct DriverSession {
    pub(super) command: String,
    pub(super) hello: Arc<Hello>,
    pub(super) disk: SimDisk,
    /// Shared with those of other clients, if the driver takes several requests at once.
    pub(super) wire: Arc<Wire>,
    /// Where the database is.
    pub(super) dir: PathBuf,
    /// Keeps the disk there, if it is a simulated one. After the process, which works on it.
    pub(super) attached: Option<Attached>,
    pub(super) keys: Keys,
    pub(super) transaction: Option<Buffered>,
    /// Whether it has said that it opened the database.
    pub(super) is_open: bool,
    /// Whether single rows can only be found by reading all.
    pub(super) cannot_get: bool,
}

/// A transaction that the driver has not heard of.
pub(super) struct Buffered {
    client: ClientId,
    /// The last write of each key counts.
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl DriverSession {
    /// Opens the database in the directory of the disk.
    pub(super) fn open(&mut self, options: &Options, mode: Mode) -> Result<(), TargetError> {
        let dir = self.dir.clone();
        let mode = match mode {
            Mode::CreateOrOpen => "create-or-open",
            Mode::Existing => "existing",
        };
        let members = json!({"dir": dir, "mode": mode, "options": options});
        self.done("open", members)?;
        self.is_open = true;
        Ok(())
    }

    pub(super) fn can(&self, capability: Capability) -> bool {
        self.hello.can(capability)
    }

    fn layout(&self) -> Layout {
        Layout {
            deletes: self.can(Capability::Delete),
        }
    }

    /// A database in a directory, to be opened by a process that has none; or by one that broke down over its greeting.
    pub(super) fn new(
        command: &str,
        greeted: Result<(Process, Arc<Hello>), Breakdown>,
        dir: PathBuf,
        disk: SimDisk,
    ) -> Self {
        let (process, hello) = match greeted {
            Ok((process, hello)) => (Ok(process), hello),
            Err(breakdown) => (Err(breakdown), Arc::new(Hello::silent())),
        };
        Self {
            command: command.to_owned(),
            hello,
            disk,
            wire: Arc::new(Wire::to(process)),
            dir,
            attached: None,
            keys: Keys::default(),
            transaction: None,
            is_open: false,
            cannot_get: false,
        }
    }

    /// Asks, and gets an answer of either kind.
    pub(super) fn ask(&mut self, op: &str, members: Value) -> Result<Answer, TargetError> {
        let members = match members {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let (disk, is_attached) = (&self.disk, self.attached.is_some());
        let looks = Cell::new(0);
        let calls = || {
            if is_attached {
                return disk.calls();
            }
            // What is asked of a real disk is not known, and it may take as long as it likes.
            looks.set(looks.get() + 1);
            looks.get()
        };
        let wait = Wait {
            calls: &calls,
            at_most: None,
        };
        let asked = self.wire.ask(op, members, wait);
        asked.map_err(TargetError::broken_down)
    }

    /// Asks for something that succeeds or fails.
    fn request(&mut self, op: &str, members: Value) -> Result<Answer, TargetError> {
        let answer = self.ask(op, members)?;
        let failure = self.understand(answer.failure(op == "commit"))?;
        failure.map_or(Ok(answer), Err)
    }

    pub(super) fn done(&mut self, op: &str, members: Value) -> Result<(), TargetError> {
        self.request(op, members).map(drop)
    }

    /// What was read of an answer, or the end of talking.
    fn understand<T>(&mut self, read: Result<T, String>) -> Result<T, TargetError> {
        read.map_err(|text| TargetError::broken_down(self.wire.babbled(&text)))
    }

    /// The members of a request that a client makes.
    fn of(&self, client: ClientId, mut members: Value) -> Value {
        let has_clients = self.can(Capability::Clients) || self.has_transactions();
        if let (true, Value::Object(members)) = (has_clients, &mut members) {
            members.insert("client".to_owned(), client.0.into());
        }
        members
    }

    fn has_transactions(&self) -> bool {
        self.can(Capability::Transactions)
    }

    /// Whether tables are the driver's own. A commit in one request is one of one table, so without transactions they are prefixes of keys here.
    fn has_tables(&self) -> bool {
        self.can(Capability::Tables) && self.has_transactions() && self.can(Capability::Scan)
    }

    /// The key under which the driver has a row.
    fn key(&self, table: &str, key: &[u8]) -> Vec<u8> {
        if self.has_tables() {
            key.to_vec()
        } else {
            Layout::key(table, key)
        }
    }

    /// The members of a request about a table.
    fn about(&self, table: &str, mut members: Value) -> Value {
        if let (true, Value::Object(members)) = (self.has_tables(), &mut members) {
            members.insert("table".to_owned(), table.into());
        }
        members
    }

    /// A request inside a client's transaction. One that is refused for another's sake has ended it, for the driver as well.
    fn inside(
        &mut self,
        client: ClientId,
        op: &str,
        members: Value,
    ) -> Result<Answer, TargetError> {
        let asked = self.request(op, self.of(client, members));
        if asked.as_ref().is_err_and(TargetError::may_retry) {
            // It may know already that it is over.
            let _ = self.ask("rollback", self.of(client, json!({})));
        }
        asked
    }

    fn buffered(&mut self, client: ClientId) -> Result<&mut Buffered, TargetError> {
        match &mut self.transaction {
            Some(open) if open.client == client => Ok(open),
            _ => Err(TargetError::refused(
                ErrorKind::Other,
                "the client has no transaction open",
            )),
        }
    }

    fn write(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), TargetError> {
        let (key, stored) = (self.key(table, key), self.layout().stored(value));
        if !self.can(Capability::Scan) {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.insert(key.clone());
        }
        if !self.has_transactions() {
            self.buffered(client)?.writes.insert(key, stored);
            return Ok(());
        }
        let (op, members) = match stored {
            Some(value) => ("put", json!({"key": hex(&key), "value": hex(&value)})),
            None => ("del", json!({"key": hex(&key)})),
        };
        let members = self.about(table, members);
        self.inside(client, op, members).map(drop)
    }

    /// What is stored under a key: as a client sees it, or as it is committed.
    fn stored(
        &mut self,
        client: Option<ClientId>,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        if !self.cannot_get {
            let members = self.about(table, json!({"key": hex(key)}));
            let members = client.map_or(members.clone(), |client| self.of(client, members));
            let answer = self.ask("get", members)?;
            if !answer.is_unsupported() {
                let failure = self.understand(answer.failure(false))?;
                return match failure {
                    Some(failure) => Err(failure),
                    None => self.understand(answer.value()),
                };
            }
            self.cannot_get = true;
        }
        if !self.can(Capability::Scan) {
            let text = "the driver answers neither `get` nor `scan`: nothing can be read";
            return self.understand(Err(text.to_owned()));
        }
        let mut rows = self.rows(client, table)?.into_iter();
        Ok(rows.find_map(|(stored, value)| (stored == key).then_some(value)))
    }

    /// All rows as they are stored, in order; those of a table, if the driver has tables.
    fn rows(&mut self, client: Option<ClientId>, table: &str) -> Result<Vec<Row>, TargetError> {
        let mut all: Vec<Row> = Vec::new();
        let mut members = self.about(table, json!({}));
        loop {
            let of = client.map_or(members.clone(), |client| self.of(client, members));
            let answer = self.request("scan", of)?;
            let (rows, more) = self.understand(answer.rows())?;
            let Some((last, _)) = rows.last().filter(|_| more) else {
                all.extend(rows);
                return in_order(all);
            };
            // The first key after the last one.
            members = self.about(table, json!({"from": hex(&[last, &[0][..]].concat())}));
            all.extend(rows);
        }
    }

    /// Looks every key up that there may be.
    fn rows_one_by_one(&mut self) -> Result<Vec<Row>, TargetError> {
        let keys: Vec<_> = {
            let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.iter().cloned().collect()
        };
        let mut rows = Vec::new();
        for key in keys {
            if let Some(value) = self.stored(None, "", &key)? {
                rows.push((key, value));
            }
        }
        Ok(rows)
    }
}

impl Session for DriverSession {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        if self.has_transactions() {
            let members = json!({"isolation": "serializable"});
            return self.done("begin", self.of(client, members));
        }
        if self.transaction.is_some() {
            let text = "another transaction is open";
            return Err(TargetError::refused(ErrorKind::Busy, text));
        }
        let writes = BTreeMap::new();
        self.transaction = Some(Buffered { client, writes });
        Ok(())
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        let (key, layout) = (self.key(table, key), self.layout());
        let own = if self.has_transactions() {
            None
        } else {
            self.buffered(client)?.writes.get(&key).cloned()
        };
        let stored = match own {
            Some(own) => own,
            None => self.stored(Some(client), table, &key)?,
        };
        let value = stored.and_then(|stored| layout.value(&stored).map(<[u8]>::to_vec));
        Ok(value)
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        self.write(client, table, key, Some(value))
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        self.write(client, table, key, None)
    }

    fn commit(&mut self, client: ClientId, durability: Durability) -> Result<(), TargetError> {
        let level = durability.name();
        if self.has_transactions() {
            let members = json!({"durability": level});
            return self.inside(client, "commit", members).map(drop);
        }
        let open = self.buffered(client)?;
        let writes = std::mem::take(&mut open.writes);
        self.transaction = None;
        if writes.is_empty() {
            return Ok(());
        }
        let op = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| match value {
            Some(value) => json!(["put", hex(key), hex(value)]),
            None => json!(["del", hex(key)]),
        };
        let ops: Vec<_> = writes.iter().map(op).collect();
        let members = json!({"ops": ops, "durability": level});
        self.done("commit", self.of(client, members))
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        if self.has_transactions() {
            return self.done("rollback", self.of(client, json!({})));
        }
        self.buffered(client)?;
        self.transaction = None;
        Ok(())
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        let layout = self.layout();
        let rows = if self.can(Capability::Scan) {
            self.rows(None, table)?
        } else {
            self.rows_one_by_one()?
        };
        let has_tables = self.has_tables();
        for (stored, value) in &rows {
            let own = if has_tables {
                Some(stored.as_slice())
            } else {
                Layout::own(table, stored)
            };
            if let (Some(key), Some(value)) = (own, layout.value(value)) {
                sink(key, value);
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), TargetError> {
        let op = if self.can(Capability::Checkpoint) {
            "checkpoint"
        } else {
            "sync"
        };
        self.done(op, json!({}))
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        let answer = self.request("verify", json!({}))?;
        self.understand(answer.problems())
    }

    fn breakdown(&self) -> Option<&Breakdown> {
        self.wire.breakdown()
    }

    /// For drivers that take the requests of several clients at once. From here on syncs take time, or hardly anything would happen beside them.
    fn share(&self) -> Option<Box<dyn Session + Send>> {
        if !self.can(Capability::Concurrent) || self.wire.share().is_err() {
            return None;
        }
        if let Some(attached) = &self.attached {
            attached.let_syncs_take_time();
        }
        Some(Box::new(Self {
            command: self.command.clone(),
            hello: Arc::clone(&self.hello),
            disk: self.disk.clone(),
            wire: Arc::clone(&self.wire),
            dir: self.dir.clone(),
            attached: None,
            keys: Arc::clone(&self.keys),
            transaction: None,
            is_open: self.is_open,
            cannot_get: self.cannot_get,
        }))
    }

    fn close(mut self: Box<Self>) -> Result<(), TargetError> {
        self.done("close", json!({}))?;
        if let Some(process) = self.wire.take() {
            keep(&self.command, process);
        }
        Ok(())
    }
}

/// The end of the process, as far as it can be one: nothing that it does from now on reaches its disk. A driver that closes what it has
/// open, on a disk that takes it all, is good for another database.
impl Drop for DriverSession {
    fn drop(&mut self) {
        // That of a client beside others leaves the process to theirs.
        let Some(attached) = &self.attached else {
            return;
        };
        let Some(process) = self.wire.take() else {
            return;
        };
        attached.replace(&self.disk.spare());
        dismiss(&self.command, process, self.is_open);
    }
}

/// Rows out of order are no answer; but they may be what an engine makes of damaged files, and no fault of its driver.
fn in_order(rows: Vec<Row>) -> Result<Vec<Row>, TargetError> {
    match rows.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        None => Ok(rows),
        Some(pair) => {
            let (first, second) = (hex(&pair[0].0), hex(&pair[1].0));
            let text = format!("rows are not in ascending order of keys: {first}, {second}");
            Err(TargetError::refused(ErrorKind::Other, text))
        }
    }
}
