//! The anomalies of the Hermitage suite (github.com/ept/hermitage), as far as a key-value store can have them: for each
//! isolation level a test that says what it promises. Predicates are scans; what they select is decided by the caller.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

use lightning_db::Isolation::{Serializable, Snapshot};
use lightning_db::{CommitError, ConflictKind, Database, Isolation, Options, Transaction};

const TABLE: &str = "test";

type Rows = Vec<(u8, u8)>;

/// The suite's table: 1 => 10, 2 => 20.
fn suite() -> Database {
    let db = Database::in_memory(Options::new()).unwrap();
    let mut setup = db.begin().unwrap();
    set(&mut setup, 1, 10);
    set(&mut setup, 2, 20);
    setup.commit().unwrap();
    db
}

fn pair(db: &Database, level: Isolation) -> (Transaction, Transaction) {
    (db.begin_with(level).unwrap(), db.begin_with(level).unwrap())
}

fn set(txn: &mut Transaction, id: u8, value: u8) {
    txn.put(TABLE, &[id], &[value]).unwrap();
}

fn get(txn: &Transaction, id: u8) -> Option<u8> {
    txn.get(TABLE, &[id])
        .unwrap()
        .map(|value| value.first().copied().unwrap())
}

/// All rows that `predicate` selects, by a scan of the table.
fn select(txn: &Transaction, predicate: impl Fn(u8) -> bool) -> Rows {
    let rows = txn.scan(TABLE).unwrap().map(|entry| {
        let (id, value) = entry.unwrap();
        (
            id.first().copied().unwrap(),
            value.first().copied().unwrap(),
        )
    });
    rows.filter(|(_, value)| predicate(*value)).collect()
}

/// What is committed now.
fn committed(db: &Database) -> Rows {
    select(&db.begin_with(Snapshot).unwrap(), |_| true)
}

fn divisible_by_3(value: u8) -> bool {
    value.is_multiple_of(3)
}

#[track_caller]
fn refused(txn: Transaction) -> ConflictKind {
    match txn.commit() {
        Err(CommitError::Conflict(conflict)) => conflict.kind,
        other => panic!("expected a conflict, found {other:?}"),
    }
}

/// Dirty write: two transactions write the same two keys.
fn g0(level: Isolation) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    set(&mut t1, 1, 11);
    set(&mut t2, 1, 12);
    set(&mut t1, 2, 21);
    t1.commit().unwrap();
    assert_eq!(committed(&db), [(1, 11), (2, 21)]);
    set(&mut t2, 2, 22);
    assert_eq!(refused(t2), ConflictKind::WriteWrite);
    assert_eq!(committed(&db), [(1, 11), (2, 21)]);
}

#[test]
fn snapshot_prevents_dirty_writes_g0() {
    g0(Snapshot);
}

#[test]
fn serializable_prevents_dirty_writes_g0() {
    g0(Serializable);
}

/// Aborted read: nobody sees what was rolled back.
fn g1a(level: Isolation) {
    let db = suite();
    let (mut t1, t2) = pair(&db, level);
    set(&mut t1, 1, 101);
    assert_eq!(select(&t2, |_| true), [(1, 10), (2, 20)]);
    t1.rollback();
    assert_eq!(select(&t2, |_| true), [(1, 10), (2, 20)]);
    t2.commit().unwrap();
}

#[test]
fn snapshot_prevents_aborted_reads_g1a() {
    g1a(Snapshot);
}

#[test]
fn serializable_prevents_aborted_reads_g1a() {
    g1a(Serializable);
}

/// Intermediate read: nobody sees a value that its writer replaced before it committed.
fn g1b(level: Isolation) {
    let db = suite();
    let (mut t1, t2) = pair(&db, level);
    set(&mut t1, 1, 101);
    assert_eq!(select(&t2, |_| true), [(1, 10), (2, 20)]);
    set(&mut t1, 1, 11);
    t1.commit().unwrap();
    assert_eq!(select(&t2, |_| true), [(1, 10), (2, 20)]);
    t2.commit().unwrap();
}

#[test]
fn snapshot_prevents_intermediate_reads_g1b() {
    g1b(Snapshot);
}

#[test]
fn serializable_prevents_intermediate_reads_g1b() {
    g1b(Serializable);
}

/// Circular information flow: of two transactions at most one sees the other's writes. Returns the second.
fn g1c(level: Isolation) -> (Database, Transaction) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    set(&mut t1, 1, 11);
    set(&mut t2, 2, 22);
    assert_eq!(get(&t1, 2), Some(20));
    assert_eq!(get(&t2, 1), Some(10));
    t1.commit().unwrap();
    (db, t2)
}

#[test]
fn snapshot_prevents_circular_information_flow_g1c() {
    let (db, t2) = g1c(Snapshot);
    t2.commit().unwrap();
    assert_eq!(committed(&db), [(1, 11), (2, 22)], "neither saw the other");
}

#[test]
fn serializable_prevents_circular_information_flow_g1c() {
    let (db, t2) = g1c(Serializable);
    assert_eq!(refused(t2), ConflictKind::ReadWrite);
    assert_eq!(committed(&db), [(1, 11), (2, 20)]);
}

/// Observed transaction vanishes: what a third transaction saw does not go away.
fn otv(level: Isolation) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    set(&mut t1, 1, 11);
    set(&mut t1, 2, 19);
    set(&mut t2, 1, 12);
    t1.commit().unwrap();
    let t3 = db.begin_with(level).unwrap();
    assert_eq!(get(&t3, 1), Some(11));
    set(&mut t2, 2, 18);
    assert_eq!(get(&t3, 2), Some(19));
    assert_eq!(refused(t2), ConflictKind::WriteWrite);
    assert_eq!((get(&t3, 2), get(&t3, 1)), (Some(19), Some(11)));
    t3.commit().unwrap();
}

#[test]
fn snapshot_prevents_observed_transactions_from_vanishing_otv() {
    otv(Snapshot);
}

#[test]
fn serializable_prevents_observed_transactions_from_vanishing_otv() {
    otv(Serializable);
}

/// Predicate-many-preceders: a predicate sees a row that an earlier one of the same transaction should have seen.
fn pmp(level: Isolation) {
    let db = suite();
    let (t1, mut t2) = pair(&db, level);
    assert_eq!(select(&t1, |value| value == 30), []);
    set(&mut t2, 3, 30);
    t2.commit().unwrap();
    assert_eq!(select(&t1, divisible_by_3), []);
    t1.commit().unwrap();
}

#[test]
fn snapshot_prevents_predicate_many_preceders_pmp() {
    pmp(Snapshot);
}

#[test]
fn serializable_prevents_predicate_many_preceders_pmp() {
    pmp(Serializable);
}

/// The same with a predicate that selects what is written: rows of value 20 are deleted while all are raised by 10.
fn pmp_write(level: Isolation) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    for (id, value) in select(&t1, |_| true) {
        set(&mut t1, id, value + 10);
    }
    for (id, _) in select(&t2, |value| value == 20) {
        t2.delete(TABLE, &[id]).unwrap();
    }
    t1.commit().unwrap();
    assert_eq!(refused(t2), ConflictKind::WriteWrite);
    assert_eq!(committed(&db), [(1, 20), (2, 30)]);
}

#[test]
fn snapshot_prevents_predicate_many_preceders_among_writes_pmp() {
    pmp_write(Snapshot);
}

#[test]
fn serializable_prevents_predicate_many_preceders_among_writes_pmp() {
    pmp_write(Serializable);
}

/// The same with a range that is deleted unread, into which the other inserts.
fn pmp_range_delete(level: Isolation) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    set(&mut t1, 3, 30);
    t2.delete_range(TABLE, [2_u8]..=[3_u8]).unwrap();
    t1.commit().unwrap();
    assert_eq!(refused(t2), ConflictKind::WriteWrite);
    assert_eq!(committed(&db), [(1, 10), (2, 20), (3, 30)]);
}

#[test]
fn snapshot_prevents_predicate_many_preceders_among_range_deletes_pmp() {
    pmp_range_delete(Snapshot);
}

#[test]
fn serializable_prevents_predicate_many_preceders_among_range_deletes_pmp() {
    pmp_range_delete(Serializable);
}

/// Lost update: two read a row and both write what they made of it.
fn p4(level: Isolation) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    assert_eq!((get(&t1, 1), get(&t2, 1)), (Some(10), Some(10)));
    set(&mut t1, 1, 11);
    set(&mut t2, 1, 11);
    t1.commit().unwrap();
    assert_eq!(refused(t2), ConflictKind::WriteWrite);
}

#[test]
fn snapshot_prevents_lost_updates_p4() {
    p4(Snapshot);
}

#[test]
fn serializable_prevents_lost_updates_p4() {
    p4(Serializable);
}

/// Read skew: two reads of one transaction see different states.
fn g_single(level: Isolation) {
    let db = suite();
    let (t1, mut t2) = pair(&db, level);
    assert_eq!(get(&t1, 1), Some(10));
    assert_eq!((get(&t2, 1), get(&t2, 2)), (Some(10), Some(20)));
    set(&mut t2, 1, 12);
    set(&mut t2, 2, 18);
    t2.commit().unwrap();
    assert_eq!(get(&t1, 2), Some(20));
    t1.commit().unwrap();
}

#[test]
fn snapshot_prevents_read_skew_g_single() {
    g_single(Snapshot);
}

#[test]
fn serializable_prevents_read_skew_g_single() {
    g_single(Serializable);
}

/// Read skew between two predicates.
fn g_single_predicates(level: Isolation) {
    let db = suite();
    let (t1, mut t2) = pair(&db, level);
    assert_eq!(
        select(&t1, |value| value.is_multiple_of(5)),
        [(1, 10), (2, 20)]
    );
    for (id, _) in select(&t2, |value| value == 10) {
        set(&mut t2, id, 12);
    }
    t2.commit().unwrap();
    assert_eq!(select(&t1, divisible_by_3), []);
    t1.commit().unwrap();
}

#[test]
fn snapshot_prevents_read_skew_between_predicates_g_single() {
    g_single_predicates(Snapshot);
}

#[test]
fn serializable_prevents_read_skew_between_predicates_g_single() {
    g_single_predicates(Serializable);
}

/// Read skew between a read and a predicate that selects what is written.
fn g_single_write(level: Isolation) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    assert_eq!(get(&t1, 1), Some(10));
    assert_eq!(select(&t2, |_| true), [(1, 10), (2, 20)]);
    set(&mut t2, 1, 12);
    set(&mut t2, 2, 18);
    t2.commit().unwrap();
    for (id, _) in select(&t1, |value| value == 20) {
        t1.delete(TABLE, &[id]).unwrap();
    }
    assert_eq!(refused(t1), ConflictKind::WriteWrite);
    assert_eq!(committed(&db), [(1, 12), (2, 18)]);
}

#[test]
fn snapshot_prevents_read_skew_into_writes_g_single() {
    g_single_write(Snapshot);
}

#[test]
fn serializable_prevents_read_skew_into_writes_g_single() {
    g_single_write(Serializable);
}

/// Write skew: each writes a row of the two that both read. Returns the second.
fn g2_item(level: Isolation) -> (Database, Transaction) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    for txn in [&t1, &t2] {
        assert_eq!((get(txn, 1), get(txn, 2)), (Some(10), Some(20)));
    }
    set(&mut t1, 1, 11);
    set(&mut t2, 2, 21);
    t1.commit().unwrap();
    (db, t2)
}

#[test]
fn snapshot_allows_write_skew_g2_item() {
    let (db, t2) = g2_item(Snapshot);
    t2.commit().unwrap();
    assert_eq!(committed(&db), [(1, 11), (2, 21)]);
}

#[test]
fn serializable_prevents_write_skew_g2_item() {
    let (db, t2) = g2_item(Serializable);
    assert_eq!(refused(t2), ConflictKind::ReadWrite);
    assert_eq!(committed(&db), [(1, 11), (2, 20)]);
}

/// Anti-dependency cycle: each inserts a row that the other one's predicate would have selected. Returns the second.
fn g2(level: Isolation) -> (Database, Transaction) {
    let db = suite();
    let (mut t1, mut t2) = pair(&db, level);
    assert_eq!(select(&t1, divisible_by_3), []);
    assert_eq!(select(&t2, divisible_by_3), []);
    set(&mut t1, 3, 30);
    set(&mut t2, 4, 42);
    t1.commit().unwrap();
    (db, t2)
}

#[test]
fn snapshot_allows_anti_dependency_cycles_g2() {
    let (db, t2) = g2(Snapshot);
    t2.commit().unwrap();
    assert_eq!(committed(&db), [(1, 10), (2, 20), (3, 30), (4, 42)]);
}

#[test]
fn serializable_prevents_anti_dependency_cycles_g2() {
    let (db, t2) = g2(Serializable);
    assert_eq!(refused(t2), ConflictKind::ReadWrite);
    assert_eq!(committed(&db), [(1, 10), (2, 20), (3, 30)]);
}

/// Fekete and others' example: a read-only transaction sees a state that no order explains, if the first one commits.
/// Returns the first.
fn g2_two_edges(level: Isolation) -> (Database, Transaction) {
    let db = suite();
    let mut t1 = db.begin_with(level).unwrap();
    assert_eq!(select(&t1, |_| true), [(1, 10), (2, 20)]);
    let mut t2 = db.begin_with(level).unwrap();
    let value = get(&t2, 2).unwrap();
    set(&mut t2, 2, value + 5);
    t2.commit().unwrap();
    let t3 = db.begin_with(level).unwrap();
    assert_eq!(select(&t3, |_| true), [(1, 10), (2, 25)]);
    t3.commit().unwrap();
    set(&mut t1, 1, 0);
    (db, t1)
}

#[test]
fn snapshot_allows_anti_dependency_cycles_of_two_edges_g2() {
    let (db, t1) = g2_two_edges(Snapshot);
    t1.commit().unwrap();
    assert_eq!(committed(&db), [(1, 0), (2, 25)]);
}

#[test]
fn serializable_prevents_anti_dependency_cycles_of_two_edges_g2() {
    let (db, t1) = g2_two_edges(Serializable);
    assert_eq!(refused(t1), ConflictKind::ReadWrite);
    assert_eq!(committed(&db), [(1, 10), (2, 25)]);
}
