//! Concurrent transactions against maps: each that commits must have done what it would have done alone, right after those
//! that committed before it.
//!
//! A transaction's steps are remembered with what it was told. When it commits, they are done again on the model of what
//! was committed before. Everything that it wrote must meet there what it met in its snapshot; and if it is
//! serializable, everything that it read too. What comes out is what the database must show.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;

use crate::database::Database;
use crate::error::{CommitError, TableError};
use crate::options::{Isolation, Limits};
use crate::transaction::{Savepoint, Snapshot, Transaction};

use super::support::{Index, Rig, options};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Tables = BTreeMap<String, Rows>;
type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

const TABLES: [&str; 3] = ["a", "b", "c"];

/// What one transaction does.
#[derive(Clone, Debug)]
enum Call {
    Get(usize, Vec<u8>),
    /// So many from the front, then so many from the back.
    Range(usize, Bounds, usize, usize),
    Tables,
    Put(usize, Vec<u8>, u8),
    Delete(usize, Vec<u8>),
    DeleteRange(usize, Bounds),
    Create(usize),
    Drop(usize),
    Rename(usize, usize),
    Savepoint,
    /// To the savepoint with this number, of those that there are.
    RollbackTo(usize),
    Release(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Begin(usize, Isolation),
    Call(usize, Call),
    /// All of these, in one group.
    Commit(Vec<usize>),
    Abort(usize),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..3, 0..3)
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let bound = || {
        prop_oneof![
            1 => Just(Bound::Unbounded),
            2 => key().prop_map(Bound::Included),
            2 => key().prop_map(Bound::Excluded),
        ]
    };
    (bound(), bound())
}

fn call() -> impl Strategy<Value = Call> {
    let table = || 0..TABLES.len();
    prop_oneof![
        4 => (table(), key()).prop_map(|(table, key)| Call::Get(table, key)),
        4 => (table(), bounds(), 0_usize..4, 0_usize..4)
            .prop_map(|(table, bounds, front, back)| Call::Range(table, bounds, front, back)),
        1 => Just(Call::Tables),
        8 => (table(), key(), any::<u8>()).prop_map(|(table, key, value)| Call::Put(table, key, value)),
        3 => (table(), key()).prop_map(|(table, key)| Call::Delete(table, key)),
        2 => (table(), bounds()).prop_map(|(table, bounds)| Call::DeleteRange(table, bounds)),
        1 => table().prop_map(Call::Create),
        1 => table().prop_map(Call::Drop),
        2 => (table(), table()).prop_map(|(from, to)| Call::Rename(from, to)),
        2 => Just(Call::Savepoint),
        2 => (0_usize..3).prop_map(Call::RollbackTo),
        1 => (0_usize..3).prop_map(Call::Release),
    ]
}

const SLOTS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let isolation = prop::sample::select(vec![Isolation::Snapshot, Isolation::Serializable]);
    prop_oneof![
        3 => (0..SLOTS, isolation).prop_map(|(slot, isolation)| Step::Begin(slot, isolation)),
        16 => (0..SLOTS, call()).prop_map(|(slot, call)| Step::Call(slot, call)),
        3 => prop::collection::vec(0..SLOTS, 1..=SLOTS).prop_map(Step::Commit),
        1 => (0..SLOTS).prop_map(Step::Abort),
    ]
}

/// What a call tells its caller, and what it finds where it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Value(Option<Vec<u8>>),
    Rows(Vec<(Vec<u8>, Vec<u8>)>),
    Names(Vec<String>),
    Done(bool),
}

/// A transaction of the model.
#[derive(Clone, Debug, Default)]
struct ModelTransaction {
    tables: Tables,
    savepoints: Vec<(Tables, usize)>,
}

/// A call that was made, and what came of it.
#[derive(Clone, Debug)]
struct Made {
    call: Call,
    told: Told,
    /// What it overwrote; none if that was undone.
    met: Option<Told>,
}

fn within(rows: &Rows, bounds: &Bounds) -> Vec<(Vec<u8>, Vec<u8>)> {
    use std::ops::RangeBounds;
    let rows = rows.iter().filter(|(key, _)| bounds.contains(*key));
    rows.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl ModelTransaction {
    fn on(tables: &Tables) -> Self {
        Self {
            tables: tables.clone(),
            savepoints: Vec::new(),
        }
    }

    fn rows(&self, table: usize) -> Option<&Rows> {
        self.tables.get(TABLES[table])
    }

    /// What the call tells, and what it meets where it writes.
    fn make(&mut self, call: &Call, made: usize) -> (Told, Told) {
        match call {
            Call::Get(table, key) => {
                let value = self.rows(*table).and_then(|rows| rows.get(key)).cloned();
                (Told::Value(value), Told::Nothing)
            }
            Call::Range(table, bounds, front, back) => {
                let rows = self.rows(*table).map(|rows| within(rows, bounds));
                (
                    Told::Rows(ends(&rows.unwrap_or_default(), *front, *back)),
                    Told::Nothing,
                )
            }
            Call::Tables => (
                Told::Names(self.tables.keys().cloned().collect()),
                Told::Nothing,
            ),
            Call::Put(table, key, value) => {
                let rows = self.tables.entry(TABLES[*table].to_owned()).or_default();
                let met = rows.insert(key.clone(), vec![*value; usize::from(*value)]);
                (Told::Nothing, Told::Value(met))
            }
            Call::Delete(table, key) => {
                let rows = self.tables.get_mut(TABLES[*table]);
                let met = rows.and_then(|rows| rows.remove(key));
                (Told::Nothing, Told::Value(met))
            }
            Call::DeleteRange(table, bounds) => {
                let rows = self.tables.get_mut(TABLES[*table]);
                let met = rows
                    .as_ref()
                    .map(|rows| within(rows, bounds))
                    .unwrap_or_default();
                if let Some(rows) = rows {
                    for (key, _) in &met {
                        rows.remove(key);
                    }
                }
                (Told::Nothing, Told::Rows(met))
            }
            Call::Create(_) | Call::Drop(_) | Call::Rename(..) => self.change_tables(call),
            Call::Savepoint => {
                self.savepoints.push((self.tables.clone(), made));
                (Told::Nothing, Told::Nothing)
            }
            Call::RollbackTo(at) => {
                let found = self.savepoints.get(*at).cloned();
                if let Some((tables, _)) = &found {
                    self.tables = tables.clone();
                    self.savepoints.truncate(at + 1);
                }
                (Told::Done(found.is_some()), Told::Nothing)
            }
            Call::Release(at) => {
                let is_there = *at < self.savepoints.len();
                self.savepoints.truncate(*at);
                (Told::Done(is_there), Told::Nothing)
            }
        }
    }

    fn change_tables(&mut self, call: &Call) -> (Told, Told) {
        let name = |table: usize| TABLES[table].to_owned();
        let (can, met) = match call {
            Call::Create(table) => {
                let can = self.rows(*table).is_none();
                if can {
                    self.tables.insert(name(*table), Rows::new());
                }
                (can, Vec::new())
            }
            Call::Drop(table) => {
                let dropped = self.tables.remove(TABLES[*table]);
                (dropped.is_some(), dropped.into_iter().flatten().collect())
            }
            Call::Rename(from, to) => {
                let can = self.rows(*from).is_some() && self.rows(*to).is_none();
                if can {
                    let moved = self.tables.remove(TABLES[*from]);
                    self.tables.insert(name(*to), moved.unwrap_or_default());
                }
                (can, Vec::new())
            }
            other => panic!("{other:?} changes no table"),
        };
        // A change that succeeded is a write: its success is what it meets.
        if can {
            (Told::Done(true), Told::Rows(met))
        } else {
            (Told::Done(false), Told::Nothing)
        }
    }
}

/// What is left of rows read from both ends.
fn ends(rows: &[(Vec<u8>, Vec<u8>)], front: usize, back: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let front = front.min(rows.len());
    let back = back.min(rows.len() - front);
    let mut read: Vec<_> = rows[..front].to_vec();
    read.extend(rows.iter().rev().take(back).cloned());
    read
}

/// A transaction under way, in the database and in the model.
struct Open {
    txn: Transaction,
    isolation: Isolation,
    model: ModelTransaction,
    made: Vec<Made>,
    savepoints: Vec<Savepoint>,
    /// How many commits it does not see.
    since: usize,
}

fn table_told(result: Result<(), TableError>) -> Told {
    match result {
        Ok(()) => Told::Done(true),
        Err(TableError::Missing(_) | TableError::Exists(_)) => Told::Done(false),
        Err(other) => panic!("{other}"),
    }
}

impl Open {
    fn call(&mut self, call: &Call) {
        let told = self.tell(call);
        let (expected, met) = self.model.make(call, self.made.len());
        assert_eq!(told, expected, "{call:?}");
        if let (Call::RollbackTo(_), Told::Done(true)) = (call, &told)
            && let Some((_, from)) = self.model.savepoints.last()
        {
            for undone in &mut self.made[*from..] {
                undone.met = None;
            }
        }
        self.made.push(Made {
            call: call.clone(),
            told,
            met: Some(met),
        });
    }

    fn tell(&mut self, call: &Call) -> Told {
        let txn = &mut self.txn;
        match call {
            Call::Get(table, key) => {
                let value = txn.get(TABLES[*table], key).unwrap();
                Told::Value(value.map(|value| value.to_vec()))
            }
            Call::Range(table, bounds, front, back) => {
                let mut range = txn.range(TABLES[*table], bounds.clone()).unwrap();
                let mut read: Vec<_> = range.by_ref().take(*front).collect();
                read.extend(range.rev().take(*back));
                let rows = read.into_iter().map(Result::unwrap);
                Told::Rows(
                    rows.map(|(key, value)| (key.to_vec(), value.to_vec()))
                        .collect(),
                )
            }
            Call::Tables => Told::Names(txn.tables().unwrap()),
            Call::Put(table, key, value) => {
                let value = vec![*value; usize::from(*value)];
                txn.put(TABLES[*table], key, &value).unwrap();
                Told::Nothing
            }
            Call::Delete(table, key) => {
                txn.delete(TABLES[*table], key).unwrap();
                Told::Nothing
            }
            Call::DeleteRange(table, bounds) => {
                txn.delete_range(TABLES[*table], bounds.clone()).unwrap();
                Told::Nothing
            }
            Call::Create(table) => table_told(txn.create_table(TABLES[*table])),
            Call::Drop(table) => table_told(txn.drop_table(TABLES[*table])),
            Call::Rename(from, to) => table_told(txn.rename_table(TABLES[*from], TABLES[*to])),
            Call::Savepoint => {
                self.savepoints.push(txn.savepoint());
                Told::Nothing
            }
            Call::RollbackTo(at) => {
                let Some(savepoint) = self.savepoints.get(*at).copied() else {
                    return Told::Done(false);
                };
                let later: Vec<_> = self.savepoints.drain(at + 1..).collect();
                txn.rollback_to(savepoint).unwrap();
                assert!(
                    later
                        .into_iter()
                        .all(|later| txn.rollback_to(later).is_err())
                );
                Told::Done(true)
            }
            Call::Release(at) => {
                let Some(savepoint) = self.savepoints.get(*at).copied() else {
                    return Told::Done(false);
                };
                self.savepoints.truncate(*at);
                txn.release(savepoint).unwrap();
                assert!(txn.rollback_to(savepoint).is_err());
                Told::Done(true)
            }
        }
    }
}

/// What is left of a transaction when it commits.
struct Ended {
    isolation: Isolation,
    made: Vec<Made>,
    since: usize,
}

/// Does all again on what is committed; the tables after that, or what was met or told that is not so any more.
fn again(ended: &Ended, committed: &Tables) -> Result<Tables, String> {
    let mut model = ModelTransaction::on(committed);
    for (number, made) in ended.made.iter().enumerate() {
        let is_refusal = made.told == Told::Done(false);
        if is_refusal && ended.isolation == Isolation::Snapshot {
            // It wrote nothing, and that it was refused was a read.
            continue;
        }
        let (told, met) = model.make(&made.call, number);
        if ended.isolation == Isolation::Serializable && told != made.told {
            return Err(format!(
                "{:?} was told {:?}, now {told:?}",
                made.call, made.told
            ));
        }
        if made.met.as_ref().is_some_and(|before| *before != met) {
            return Err(format!("{:?} met {:?}, now {met:?}", made.call, made.met));
        }
    }
    Ok(model.tables)
}

fn stored(rig: &Rig) -> Tables {
    let snapshot = Snapshot::new(&rig.session).unwrap();
    rows_of(&snapshot)
}

fn rows_of(snapshot: &Snapshot) -> Tables {
    let names = snapshot.tables().unwrap().into_iter();
    let rows = |name: &str| {
        let entries = snapshot.scan(name).unwrap().map(Result::unwrap);
        entries
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect()
    };
    names.map(|name| (name.clone(), rows(&name))).collect()
}

/// The database and the model of it.
struct World {
    rig: Rig,
    committed: Tables,
    commits: usize,
    slots: [Option<Open>; SLOTS],
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Begin(slot, isolation) => {
                let txn = self.rig.begin(isolation);
                self.slots[slot] = Some(Open {
                    txn,
                    isolation,
                    model: ModelTransaction::on(&self.committed),
                    made: Vec::new(),
                    savepoints: Vec::new(),
                    since: self.commits,
                });
            }
            Step::Call(slot, call) => {
                if let Some(open) = &mut self.slots[slot] {
                    open.call(&call);
                }
            }
            Step::Commit(slots) => self.commit(&slots),
            Step::Abort(slot) => {
                if let Some(open) = self.slots[slot].take() {
                    open.txn.rollback();
                }
            }
        }
    }

    fn commit(&mut self, slots: &[usize]) {
        let mut txns = Vec::new();
        let mut members = Vec::new();
        for slot in slots {
            let Some(open) = self.slots[*slot].take() else {
                continue;
            };
            // One that wrote nothing is over without a group.
            if !open.txn.writes.is_empty() {
                txns.push(open.txn);
                members.push(Ended {
                    isolation: open.isolation,
                    made: open.made,
                    since: open.since,
                });
            }
        }
        for (result, ended) in self.rig.commit(txns).into_iter().zip(members) {
            match result {
                Ok(_) => {
                    self.committed = again(&ended, &self.committed).unwrap();
                    self.commits += 1;
                }
                Err(CommitError::Conflict(conflict)) => {
                    assert!(ended.since < self.commits, "{conflict} with nobody");
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(stored(&self.rig), self.committed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn what_commits_has_done_what_it_would_have_done_alone(
        index in prop::sample::select(vec![Index::Complete, Index::Short, Index::Blind]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World {
            rig: Rig::new(index, Limits::default()),
            committed: Tables::new(),
            commits: 0,
            slots: [const { None }; SLOTS],
        };
        for step in steps {
            world.step(step);
        }
        let World { rig, committed, slots, .. } = world;
        drop(slots);
        let disk = Arc::clone(&rig.disk);
        drop(rig);
        let db = Database::open_on(disk, options()).unwrap();
        prop_assert_eq!(rows_of(&db.snapshot().unwrap()), committed);
        prop_assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
    }
}
