//! The database against a `BTreeMap`: random transactions, checkpoints, reopenings, snapshots.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use lightning_db::disk::{Disk, MemoryDisk};
use lightning_db::{CheckpointMode, Database, Durability, Options, Snapshot};
use proptest::prelude::*;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Model = BTreeMap<String, Rows>;

#[derive(Clone, Debug)]
enum Step {
    Commit {
        writes: Vec<Write>,
        durability: Durability,
    },
    Rollback(Vec<Write>),
    Checkpoint,
    Snapshot,
    CloseAndOpen,
    VanishAndOpen,
}

#[derive(Clone, Debug)]
struct Write {
    table: &'static str,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

fn write() -> impl Strategy<Value = Write> {
    let table = prop::sample::select(vec!["", "a", "b"]);
    let key = prop_oneof![
        8 => prop::collection::vec(0_u8..4, 0..4),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 1000_usize..4096).prop_map(|(b, len)| vec![b; len]),
    ];
    let value = prop_oneof![
        2 => Just(None),
        6 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Some),
        1 => (any::<u8>(), 1000_usize..30_000).prop_map(|(b, len)| Some(vec![b; len])),
    ];
    (table, key, value).prop_map(|(table, key, value)| Write { table, key, value })
}

fn step() -> impl Strategy<Value = Step> {
    let durability = prop::sample::select(vec![
        Durability::None,
        Durability::Buffered,
        Durability::Sync,
    ]);
    let writes = || prop::collection::vec(write(), 0..12);
    prop_oneof![
        10 => (writes(), durability)
            .prop_map(|(writes, durability)| Step::Commit { writes, durability }),
        1 => writes().prop_map(Step::Rollback),
        2 => Just(Step::Checkpoint),
        2 => Just(Step::Snapshot),
        1 => Just(Step::CloseAndOpen),
        1 => Just(Step::VanishAndOpen),
    ]
}

fn apply(model: &mut Model, writes: &[Write]) {
    for write in writes {
        match &write.value {
            Some(value) => {
                let rows = model.entry(write.table.to_owned()).or_default();
                rows.insert(write.key.clone(), value.clone());
            }
            None => {
                if let Some(rows) = model.get_mut(write.table) {
                    rows.remove(&write.key);
                }
            }
        }
    }
}

fn owned(
    entry: Result<(lightning_db::Key, lightning_db::Value), lightning_db::ReadError>,
) -> (Vec<u8>, Vec<u8>) {
    let (key, value) = entry.unwrap();
    (key.to_vec(), value.to_vec())
}

fn assert_equal(snapshot: &Snapshot, model: &Model) {
    for table in ["", "a", "b"] {
        let expected: Vec<_> = model
            .get(table)
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let forward: Vec<_> = snapshot.scan(table).unwrap().map(owned).collect();
        let mut backward: Vec<_> = snapshot.scan(table).unwrap().rev().map(owned).collect();
        backward.reverse();
        assert_eq!(forward, expected);
        assert_eq!(backward, expected);
        for (key, value) in &expected {
            assert_eq!(snapshot.get(table, key).unwrap().as_deref(), Some(&**value));
        }
    }
}

fn options() -> Options {
    Options::new()
        .log_segment(16 << 10)
        .checkpoint_after(48 << 10)
        .checkpoint_mode(CheckpointMode::Inline)
        .salt(7)
}

/// A transaction reads its own writes over its snapshot, in order, from both ends.
fn assert_reads_own_writes(db: &Database, model: &Model, writes: &[Write]) {
    let mut txn = db.begin().unwrap();
    let mut own = model.clone();
    apply(&mut own, writes);
    for write in writes {
        match &write.value {
            Some(value) => txn.put(write.table, &write.key, value).unwrap(),
            None => txn.delete(write.table, &write.key).unwrap(),
        }
    }
    let low = Bound::Included(vec![1_u8]);
    let high = Bound::Excluded(vec![3_u8]);
    for table in ["", "a", "b"] {
        let rows = own.get(table).cloned().unwrap_or_default();
        let expected: Vec<_> = rows.clone().into_iter().collect();
        assert_eq!(
            txn.scan(table).unwrap().map(owned).collect::<Vec<_>>(),
            expected
        );
        let bounds = (low.clone(), high.clone());
        let within: Vec<_> = rows
            .range::<Vec<u8>, _>(bounds.clone())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        assert_eq!(
            txn.range(table, bounds.clone())
                .unwrap()
                .map(owned)
                .collect::<Vec<_>>(),
            within
        );
        let mut both = Vec::new();
        let mut range = txn.range(table, bounds).unwrap();
        let mut back = Vec::new();
        while let Some(entry) = range.next() {
            both.push(owned(entry));
            back.extend(range.next_back().map(owned));
        }
        both.extend(back.into_iter().rev());
        assert_eq!(both, within);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_database_does_what_a_map_does(steps in prop::collection::vec(step(), 1..40)) {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let mut db = Database::create_on(Arc::clone(&disk), options()).unwrap();
        let mut model = Model::new();
        let mut snapshots: Vec<(Snapshot, Model)> = Vec::new();
        for step in steps {
            match step {
                Step::Commit { writes, durability } => {
                    assert_reads_own_writes(&db, &model, &writes);
                    let mut txn = db.begin().unwrap();
                    for write in &writes {
                        match &write.value {
                            Some(value) => txn.put(write.table, &write.key, value).unwrap(),
                            None => txn.delete(write.table, &write.key).unwrap(),
                        }
                    }
                    txn.commit_with(durability).unwrap();
                    apply(&mut model, &writes);
                }
                Step::Rollback(writes) => assert_reads_own_writes(&db, &model, &writes),
                Step::Checkpoint => db.checkpoint().unwrap(),
                Step::Snapshot => snapshots.push((db.snapshot().unwrap(), model.clone())),
                Step::CloseAndOpen | Step::VanishAndOpen => {
                    for (snapshot, then) in snapshots.drain(..) {
                        assert_equal(&snapshot, &then);
                    }
                    if matches!(step, Step::CloseAndOpen) {
                        db.close().unwrap();
                    } else {
                        // What is not durable by its own promise is made so: this is no crash test.
                        let mut last = db.begin().unwrap();
                        last.put("a", b"last", b"").unwrap();
                        last.commit().unwrap();
                        model.entry("a".to_owned()).or_default().insert(b"last".to_vec(), vec![]);
                        drop(db);
                    }
                    db = Database::open_on(Arc::clone(&disk), options()).unwrap();
                }
            }
            assert_equal(&db.snapshot().unwrap(), &model);
            prop_assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
        }
        for (snapshot, then) in &snapshots {
            assert_equal(snapshot, then);
        }
    }
}
