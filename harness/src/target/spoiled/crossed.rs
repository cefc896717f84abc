//! Transactions that see or lose what they should not of each other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::{ClientId, Durability, KeyRange, RowSink, Session, TargetError};
use super::bugged::Wrong;
use crate::scenario::Bug;

/// One read in so many is wrong, where the bug is one that would else show in all.
const ONE_IN: u64 = 3;
/// How often a commit that met a conflict is forced through.
const TRIES_MAX: u32 = 3;

/// Transactions that get into each other's way, or ought to.
#[derive(Clone)]
pub(super) struct Crossed {
    bug: Bug,
    fired: Arc<AtomicU64>,
    state: Arc<Mutex<State>>,
}

/// Table and key.
type Row = (String, Vec<u8>);
/// What a transaction wrote, in order.
type Writes = Vec<(Row, Option<Vec<u8>>)>;

/// What was written, as far as the bug has to know.
#[derive(Default)]
struct State {
    open: BTreeMap<ClientId, Writes>,
    newest: BTreeMap<Row, Vec<u8>>,
    /// What rows were before their newest values.
    before: BTreeMap<Row, Vec<u8>>,
    /// What transactions overwrote themselves before they were committed.
    intermediate: BTreeMap<Row, Vec<u8>>,
    reads: u64,
}

impl State {
    fn own(&self, client: ClientId) -> &[(Row, Option<Vec<u8>>)] {
        self.open.get(&client).map_or(&[], Vec::as_slice)
    }

    fn has_written(&self, client: ClientId, row: &Row) -> bool {
        self.own(client).iter().any(|(own, _)| own == row)
    }

    /// What others have put there and not committed.
    fn uncommitted(&self, client: ClientId, row: &Row) -> Option<Vec<u8>> {
        let others = self.open.iter().filter(|(other, _)| **other != client);
        let mut writes = others.flat_map(|(_, writes)| writes);
        writes.find_map(|(written, value)| value.clone().filter(|_| written == row))
    }

    fn committed(&mut self, client: ClientId) {
        let writes = self.open.remove(&client).unwrap_or_default();
        for (place, (row, value)) in writes.iter().enumerate() {
            let Some(value) = value.clone() else { continue };
            if writes[place + 1..].iter().any(|(later, _)| later == row) {
                self.intermediate.insert(row.clone(), value);
            } else if let Some(before) = self.newest.insert(row.clone(), value) {
                self.before.insert(row.clone(), before);
            }
        }
    }

    /// Whether a read is one of those that are wrong.
    fn is_turn(&mut self) -> bool {
        self.reads += 1;
        self.reads.is_multiple_of(ONE_IN)
    }
}

impl Crossed {
    pub(super) fn new(bug: Bug, fired: Arc<AtomicU64>) -> Self {
        Self {
            bug,
            fired,
            state: Arc::default(),
        }
    }

    // Held for moments, and never while the target is called: a thread that is stopped there holds up nobody.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shows<T>(&self, shown: T) -> T {
        self.fired.fetch_add(1, Relaxed);
        shown
    }

    /// Another transaction of the same client, of which nobody knows.
    fn twin(client: ClientId) -> ClientId {
        ClientId(u16::MAX - client.0)
    }

    fn has_twin(&self) -> bool {
        matches!(
            self.bug,
            Bug::ReadsAreNotValidated | Bug::RangesAreNotValidated
        )
    }

    fn end_twin<S: Session + ?Sized>(&self, sound: &mut S, client: ClientId) {
        if self.has_twin() {
            // It only read.
            let _ = sound.rollback(Self::twin(client));
        }
    }

    /// What a wrong read shows, without asking the target.
    fn remembered(&self, client: ClientId, row: &Row) -> Option<Vec<u8>> {
        let mut state = self.state();
        match self.bug {
            Bug::StaleReads if state.is_turn() => state.before.get(row).cloned(),
            Bug::UncommittedIsRead => state.uncommitted(client, row),
            Bug::IntermediateIsRead if state.is_turn() => state.intermediate.get(row).cloned(),
            _ => None,
        }
    }

    fn redo<S: Session + ?Sized>(
        sound: &mut S,
        client: ClientId,
        writes: &[(Row, Option<Vec<u8>>)],
        durability: Durability,
    ) -> Result<(), TargetError> {
        sound.begin(client)?;
        for ((table, key), value) in writes {
            match value {
                Some(value) => sound.put(client, table, key, value)?,
                None => sound.delete(client, table, key)?,
            }
        }
        sound.commit(client, durability)
    }

    fn commit_wrongly<S: Session + ?Sized>(
        &self,
        sound: &mut S,
        client: ClientId,
        durability: Durability,
    ) -> Result<(), TargetError> {
        let writes = self.state().own(client).to_vec();
        if self.bug == Bug::CommitInTwoParts && writes.len() > 1 {
            self.fired.fetch_add(1, Relaxed);
            let (first, second) = writes.split_at(writes.len() / 2);
            sound.rollback(client)?;
            Self::redo(sound, client, first, durability)?;
            return Self::redo(sound, client, second, durability);
        }
        let mut committed = sound.commit(client, durability);
        for _ in 0..TRIES_MAX {
            let conflict = committed.as_ref().is_err_and(TargetError::may_retry);
            if self.bug != Bug::ConflictsAreOverruled || !conflict {
                break;
            }
            self.fired.fetch_add(1, Relaxed);
            committed = Self::redo(sound, client, &writes, durability);
        }
        committed
    }
}

impl Wrong for Crossed {
    fn begin<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
    ) -> Result<(), TargetError> {
        self.state().open.insert(client, Writes::new());
        sound.begin(client)?;
        if self.has_twin() {
            sound.begin(Self::twin(client))?;
        }
        Ok(())
    }

    fn get<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        let row = (table.to_owned(), key.to_vec());
        if self.state().has_written(client, &row) {
            return sound.get(client, table, key);
        }
        if let Some(shown) = self.remembered(client, &row) {
            return Ok(Some(self.shows(shown)));
        }
        match self.bug {
            Bug::SnapshotMoves => {
                let twin = Self::twin(client);
                sound.begin(twin)?;
                let newest = sound.get(twin, table, key);
                sound.rollback(twin)?;
                let (newest, right) = (newest?, sound.get(client, table, key)?);
                self.fired.fetch_add(u64::from(newest != right), Relaxed);
                Ok(newest)
            }
            Bug::ReadsAreNotValidated => {
                let seen = sound.get(Self::twin(client), table, key)?;
                Ok(self.shows(seen))
            }
            _ => sound.get(client, table, key),
        }
    }

    fn range<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        table: &str,
        keys: KeyRange<'_>,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        let has_written = !self.state().own(client).is_empty();
        if self.bug == Bug::RangesAreNotValidated && !has_written {
            let seen = sound.range(Self::twin(client), table, keys, sink);
            return self.shows(seen);
        }
        sound.range(client, table, keys, sink)
    }

    fn wrote(&mut self, client: ClientId, table: &str, key: &[u8], value: Option<&[u8]>) {
        let write = ((table.to_owned(), key.to_vec()), value.map(<[u8]>::to_vec));
        self.state().open.entry(client).or_default().push(write);
    }

    fn commit<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        durability: Durability,
    ) -> Result<(), TargetError> {
        let committed = self.commit_wrongly(sound, client, durability);
        self.end_twin(sound, client);
        match &committed {
            Ok(()) => self.state().committed(client),
            Err(_) => {
                self.state().open.remove(&client);
            }
        }
        committed
    }

    fn rollback<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
    ) -> Result<(), TargetError> {
        self.end_twin(sound, client);
        self.state().open.remove(&client);
        sound.rollback(client)
    }
}
