//! Transactions and snapshots, as callers hold them.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::btree::{See, Tree, Value};
use crate::error::{CommitError, ReadError, StorageError, WriteError};
use crate::ids::Version;
use crate::image::Image;
use crate::options::{Durability, Isolation, Options};
use crate::page_store::{Glance, View};
use crate::sync::lock;
use crate::telemetry;

use super::commit_queue::Member;
use super::key_ranges::Bounds;
use super::read_set::{Reads, Watch};
use super::reader::{self, Range};
use super::report::CommitReport;
use super::session::Session;
use super::write_set::{Seen, WriteSet};

/// A read-only transaction: a consistent view of all tables as of one commit. It stays as it is for as long as it is held, and costs
/// writers nothing but the room of what they supersede. Where that takes more memory than
/// [`Limits::snapshot_bytes`](crate::Limits::snapshot_bytes) the oldest snapshot is given up: its reads return
/// [`ReadError::SnapshotTooOld`], never something else than before.
#[derive(Clone, Debug)]
pub struct Snapshot {
    view: View,
    session: Arc<Session>,
}

/// A transaction: reads from a snapshot and its own writes, commits all of these or none.
///
/// Many may be open at a time, on any threads; of two that wrote the same key the first to commit wins. A
/// serializable one also commits only if nobody changed what it read; see [`Isolation`].
/// Dropping one without committing leaves no trace of it.
#[derive(Debug)]
pub struct Transaction {
    session: Arc<Session>,
    pub(super) view: View,
    /// What it wrote. Apart, so that little is moved when the transaction is handed on.
    pub(super) writes: Box<WriteSet>,
    /// What it read, if it is serializable.
    pub(super) reads: Option<Reads>,
}

impl Snapshot {
    /// A snapshot of what is committed now.
    pub(crate) fn new(session: &Arc<Session>) -> Result<Self, ReadError> {
        let view = View::new(&session.engine.store)?;
        Ok(Self {
            view,
            session: Arc::clone(session),
        })
    }

    /// The value of `key`, borrowed from its page.
    pub fn get(&self, table: &str, key: &[u8]) -> Result<Option<Value>, ReadError> {
        reader::get(&self.session.engine, self.view.sight(), table, key)
    }

    /// The entries of `table` with keys in `bounds`, ascending and from both ends.
    pub fn range<K: AsRef<[u8]>>(
        &self,
        table: &str,
        bounds: impl RangeBounds<K>,
    ) -> Result<Range<'static>, ReadError> {
        let bounds = (as_bytes(bounds.start_bound()), as_bytes(bounds.end_bound()));
        reader::range(
            &self.session.engine,
            &self.view,
            Seen::stored(table),
            bounds,
            None,
        )
    }

    /// All entries of `table`.
    pub fn scan(&self, table: &str) -> Result<Range<'static>, ReadError> {
        let everything = (Bound::Unbounded, Bound::Unbounded);
        reader::range(
            &self.session.engine,
            &self.view,
            Seen::stored(table),
            everything,
            None,
        )
    }

    /// The entries of `table` whose keys start with `prefix`.
    pub fn prefix(&self, table: &str, prefix: &[u8]) -> Result<Range<'static>, ReadError> {
        let mut end = Vec::new();
        let bounds = reader::prefix_bounds(prefix, &mut end);
        reader::range(
            &self.session.engine,
            &self.view,
            Seen::stored(table),
            bounds,
            None,
        )
    }

    /// The names of all tables.
    pub fn tables(&self) -> Result<Vec<String>, ReadError> {
        let tables = crate::catalog::tables(&self.view)?;
        Ok(tables.into_iter().map(|(name, _)| name).collect())
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// The table called `name`, if it exists.
    pub(super) fn table(&self, name: &str) -> Result<Option<Tree>, StorageError> {
        self.session.engine.table(self.view.sight(), name)
    }

    /// The version of the newest commit that it sees.
    pub fn version(&self) -> Version {
        self.view.version()
    }
}

/// The value of `key` in `table` now, by a snapshot that lives for this one read.
pub(crate) fn get_now(
    session: &Session,
    table: &str,
    key: &[u8],
) -> Result<Option<Value>, ReadError> {
    let glance = Glance::new(&session.engine.store)?;
    reader::get(&session.engine, glance.sight(), table, key)
}

/// Shows the first entries of `table` within `bounds` now, as `get_now`.
pub(crate) fn visit_now(
    session: &Session,
    table: &str,
    bounds: Bounds<'_>,
    (count, see): (usize, &mut See<'_>),
) -> Result<usize, ReadError> {
    let glance = Glance::new(&session.engine.store)?;
    let tree = session.engine.table(glance.sight(), table)?;
    reader::visit(tree, glance.sight(), bounds, (count, see))
}

impl Transaction {
    /// A transaction over what is committed now.
    pub(crate) fn new(session: &Arc<Session>, isolation: Isolation) -> Result<Self, ReadError> {
        let view = View::new(&session.engine.store)?;
        Ok(Self {
            session: Arc::clone(session),
            view,
            writes: Box::default(),
            reads: (isolation == Isolation::Serializable).then(Reads::default),
        })
    }

    /// How it is kept apart from others.
    pub fn isolation(&self) -> Isolation {
        match self.reads {
            Some(_) => Isolation::Serializable,
            None => Isolation::Snapshot,
        }
    }

    /// The version of the newest commit that it sees.
    pub fn version(&self) -> Version {
        self.view.version()
    }

    /// The table called `name`, if it exists beside this transaction's own changes.
    pub(super) fn stored_table(&self, name: &str) -> Result<Option<Tree>, StorageError> {
        self.session.engine.table(self.view.sight(), name)
    }

    pub(super) fn options(&self) -> &Options {
        &self.session.engine.options
    }

    /// The value of `key`: this transaction's own, or the snapshot's, borrowed from its page.
    pub fn get(&self, table: &str, key: &[u8]) -> Result<Option<Value>, ReadError> {
        let seen = self.writes.seen(table);
        if let Some(own) = seen.own(key) {
            return Ok(own.map(|value| Value::whole(Image::from(value))));
        }
        let Some(base) = seen.base else {
            return Ok(None);
        };
        if let Some(reads) = &self.reads {
            lock(reads).key(base, key);
        }
        reader::get(&self.session.engine, self.view.sight(), base, key)
    }

    /// Sets `key` to `value`. The table is created if it does not exist.
    pub fn put(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<(), WriteError> {
        let limits = &self.session.engine.options.limits;
        at_most("value_bytes", value.len() as u64, limits.value_bytes)?;
        self.write(table, key, Some(value))
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, table: &str, key: &[u8]) -> Result<(), WriteError> {
        self.write(table, key, None)
    }

    fn write(&mut self, table: &str, key: &[u8], value: Option<&[u8]>) -> Result<(), WriteError> {
        self.may_write(table)?;
        let limits = &self.session.engine.options.limits;
        at_most("key_bytes", key.len() as u64, limits.key_bytes as u64)?;
        let share = limits.commit_share();
        let allowed = limits.transaction_bytes.min(share);
        let bytes = self.writes.bytes_with(table, key, value, allowed);
        at_most("transaction_bytes", bytes, limits.transaction_bytes)?;
        at_most("memory", bytes, share)?;
        self.writes.insert(table, key, value);
        Ok(())
    }

    pub(super) fn may_write(&self, table: &str) -> Result<(), WriteError> {
        let options = self.options();
        if options.read_only {
            return Err(WriteError::ReadOnly);
        }
        at_most(
            "table_name_bytes",
            table.len() as u64,
            options.limits.table_name_bytes as u64,
        )
    }

    /// The entries of `table` with keys in `bounds`, own writes included, ascending and from both ends.
    pub fn range<K: AsRef<[u8]>>(
        &self,
        table: &str,
        bounds: impl RangeBounds<K>,
    ) -> Result<Range<'_>, ReadError> {
        let bounds = (as_bytes(bounds.start_bound()), as_bytes(bounds.end_bound()));
        self.read(table, bounds)
    }

    /// All entries of `table`, own writes included.
    pub fn scan(&self, table: &str) -> Result<Range<'_>, ReadError> {
        self.read(table, (Bound::Unbounded, Bound::Unbounded))
    }

    /// The entries of `table` whose keys start with `prefix`, own writes included.
    pub fn prefix(&self, table: &str, prefix: &[u8]) -> Result<Range<'_>, ReadError> {
        let mut end = Vec::new();
        let bounds = reader::prefix_bounds(prefix, &mut end);
        self.read(table, bounds)
    }

    fn read(&self, table: &str, bounds: Bounds<'_>) -> Result<Range<'_>, ReadError> {
        let seen = self.writes.seen(table);
        let watch = match (&self.reads, seen.base) {
            (Some(reads), Some(base)) => Some(Watch::new(reads, base, bounds)),
            _ => None,
        };
        reader::range(&self.session.engine, &self.view, seen, bounds, watch)
    }

    /// Commits with the database's default durability. Returns the version that shows the writes.
    pub fn commit(self) -> Result<Version, CommitError> {
        let durability = self.session.engine.options.durability;
        self.commit_with(durability)
    }

    /// Commits, and returns when `durability` is reached. A transaction that wrote nothing has nothing to commit, and
    /// makes no earlier commit durable.
    pub fn commit_with(self, durability: Durability) -> Result<Version, CommitError> {
        let (session, member) = self.into_member(durability);
        let member = if telemetry::listens() {
            member.timed()
        } else {
            member
        };
        Ok(session.commit(member)?.version)
    }

    /// As [`commit_with`](Self::commit_with), and says where the time went.
    pub fn commit_reporting(self, durability: Durability) -> Result<CommitReport, CommitError> {
        let (session, member) = self.into_member(durability);
        session.commit(member.timed())
    }

    fn into_member(self, durability: Durability) -> (Arc<Session>, Member) {
        let reads = self.reads.map(|reads| Box::new(lock(&reads).take()));
        let member = Member::new(self.view, self.writes, reads, durability);
        (self.session, member)
    }

    /// Ends the transaction without a trace, as dropping it does.
    pub fn rollback(self) {}
}

pub(super) fn as_bytes<K: AsRef<[u8]>>(bound: Bound<&K>) -> Bound<&[u8]> {
    bound.map(K::as_ref)
}

pub(super) fn at_most(name: &'static str, needed: u64, allowed: u64) -> Result<(), WriteError> {
    if needed <= allowed {
        Ok(())
    } else {
        Err(WriteError::Limit {
            name,
            needed,
            allowed,
        })
    }
}
