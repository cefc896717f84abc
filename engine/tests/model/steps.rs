//! What a case is made of.

use lightning_db::{Durability, Isolation};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::power::Survival;

pub const TABLES: [&str; 3] = ["", "a", "b"];

#[derive(Clone, Debug)]
pub enum Step {
    Transaction {
        isolation: Isolation,
        ops: Vec<Op>,
        end: End,
    },
    /// Two transactions over the same state; the first to commit wins.
    Race {
        isolation: Isolation,
        first: Vec<Put>,
        second: Vec<Put>,
    },
    Checkpoint,
    Compact,
    /// Backs up, what has changed since the last backup if there is one.
    BackUp {
        incremental: bool,
    },
    /// Makes another database of the backups, and looks at it.
    Restore,
    Snapshot,
    /// Gives up one of the snapshots.
    Forget(Index),
    Reopen(Ending),
    /// The process ends in the middle of something.
    Crash {
        during: During,
        operations: u64,
        ending: Ending,
    },
}

#[derive(Clone, Debug)]
pub enum End {
    Commit(Durability),
    Rollback,
}

/// How a database's session ends.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    Close,
    /// The process ends; what it wrote is in the page cache.
    Vanish,
    PowerCut(Survival),
}

#[derive(Clone, Debug)]
pub enum During {
    Commit(Vec<Put>, Durability),
    Checkpoint,
    Compact,
    Open,
}

pub type Put = (&'static str, Vec<u8>, Option<Vec<u8>>);
pub type Range = (Vec<u8>, Vec<u8>);

#[derive(Clone, Debug)]
pub enum Op {
    Put(Put),
    Create(&'static str),
    Drop(&'static str),
    Rename(&'static str, &'static str),
    DeleteRange(&'static str, Range),
    Take(&'static str, Vec<u8>),
    PutIfAbsent(&'static str, Vec<u8>, Vec<u8>),
    /// Whether the right value is expected, and the new one.
    Swap(&'static str, Vec<u8>, bool, Option<Vec<u8>>),
    Update(&'static str, Vec<u8>),
    Savepoint,
    RollbackTo(Index),
    Release(Index),
    Look(&'static str, Range),
}

fn table() -> impl Strategy<Value = &'static str> {
    select(&TABLES[..])
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => vec(0_u8..4, 0..3),
        1 => vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 200_usize..2000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..30),
        2 => (any::<u8>(), 100_usize..1000).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u8>(), 1000_usize..12_000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn put() -> impl Strategy<Value = Put> {
    let value = prop_oneof![3 => value().prop_map(Some), 1 => Just(None)];
    (table(), key(), value)
}

fn range() -> impl Strategy<Value = Range> {
    (vec(0_u8..4, 0..3), vec(0_u8..5, 0..3))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => put().prop_map(Op::Put),
        1 => table().prop_map(Op::Create),
        1 => table().prop_map(Op::Drop),
        1 => (table(), table()).prop_map(|(old, new)| Op::Rename(old, new)),
        1 => (table(), range()).prop_map(|(table, range)| Op::DeleteRange(table, range)),
        1 => (table(), key()).prop_map(|(table, key)| Op::Take(table, key)),
        1 => (table(), key(), value()).prop_map(|(t, k, v)| Op::PutIfAbsent(t, k, v)),
        1 => (table(), key(), any::<bool>(), prop::option::of(value()))
            .prop_map(|(t, k, right, v)| Op::Swap(t, k, right, v)),
        1 => (table(), key()).prop_map(|(table, key)| Op::Update(table, key)),
        2 => Just(Op::Savepoint),
        1 => any::<Index>().prop_map(Op::RollbackTo),
        1 => any::<Index>().prop_map(Op::Release),
        2 => (table(), range()).prop_map(|(table, range)| Op::Look(table, range)),
    ]
}

fn durability() -> impl Strategy<Value = Durability> {
    select(vec![
        Durability::None,
        Durability::Buffered,
        Durability::Sync,
    ])
}

fn isolation() -> impl Strategy<Value = Isolation> {
    select(vec![Isolation::Snapshot, Isolation::Serializable])
}

fn survival() -> impl Strategy<Value = Survival> {
    prop_oneof![
        1 => Just(Survival::Nothing),
        1 => Just(Survival::Everything),
        2 => any::<u64>().prop_map(Survival::Some),
    ]
}

fn transaction() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        6 => durability().prop_map(End::Commit),
        1 => Just(End::Rollback),
    ];
    (isolation(), vec(op(), 0..8), end).prop_map(|(isolation, ops, end)| Step::Transaction {
        isolation,
        ops,
        end,
    })
}

fn race() -> impl Strategy<Value = Step> {
    let puts = || vec(put(), 1..4);
    (isolation(), puts(), puts()).prop_map(|(isolation, first, second)| Step::Race {
        isolation,
        first,
        second,
    })
}

/// Steps of a session that ends in peace.
pub fn calm() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => transaction(),
        1 => race(),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Compact),
        1 => any::<bool>().prop_map(|incremental| Step::BackUp { incremental }),
        1 => Just(Step::Restore),
        2 => Just(Step::Snapshot),
        1 => any::<Index>().prop_map(Step::Forget),
        1 => Just(Step::Reopen(Ending::Close)),
        1 => Just(Step::Reopen(Ending::Vanish)),
    ]
}

/// Steps among which processes end and the power goes.
pub fn rough() -> impl Strategy<Value = Step> {
    let ending = || {
        prop_oneof![
            1 => Just(Ending::Vanish),
            3 => survival().prop_map(Ending::PowerCut),
        ]
    };
    let during = prop_oneof![
        4 => (vec(put(), 1..6), durability()).prop_map(|(puts, how)| During::Commit(puts, how)),
        2 => Just(During::Checkpoint),
        1 => Just(During::Compact),
        2 => Just(During::Open),
    ];
    let crash =
        (during, 0_u64..40, ending()).prop_map(|(during, operations, ending)| Step::Crash {
            during,
            operations,
            ending,
        });
    prop_oneof![
        8 => transaction(),
        1 => Just(Step::Checkpoint),
        1 => any::<bool>().prop_map(|incremental| Step::BackUp { incremental }),
        1 => Just(Step::Restore),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Reopen(Ending::Close)),
        2 => ending().prop_map(Step::Reopen),
        3 => crash,
    ]
}
