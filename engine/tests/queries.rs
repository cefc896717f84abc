//! Reads put together from others (first, last, seek, count, contains, many at a time) do what a `BTreeMap`
//! does, over a snapshot, a transaction with writes of its own, and the database.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::collections::BTreeMap;
use std::ops::Bound;

use lightning_db::{Database, Entry, Options, Seek, Source};
use proptest::collection::vec;
use proptest::prelude::*;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Row = (Vec<u8>, Vec<u8>);

/// Few enough that they meet, and at the edges of prefixes.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(vec![0, 1, 2, 0xfe, 0xff]), 0..4)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..20),
        1 => (any::<u8>(), 1500_usize..9000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
        Just(Bound::Unbounded),
    ]
}

fn owned(entry: Option<Entry>) -> Option<Row> {
    entry.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

fn row((key, value): (&Vec<u8>, &Vec<u8>)) -> Row {
    (key.clone(), value.clone())
}

fn within(rows: &Rows, low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>) -> Vec<Row> {
    let is_inside = |key: &Vec<u8>| {
        let above = match low {
            Bound::Included(low) => key >= low,
            Bound::Excluded(low) => key > low,
            Bound::Unbounded => true,
        };
        let below = match high {
            Bound::Included(high) => key <= high,
            Bound::Excluded(high) => key < high,
            Bound::Unbounded => true,
        };
        above && below
    };
    rows.iter()
        .filter(|(key, _)| is_inside(key))
        .map(row)
        .collect()
}

/// The same names on three types: a macro, where a trait would test the trait only.
macro_rules! assert_queries {
    ($source:expr, $rows:expr, $probes:expr, $low:expr, $high:expr) => {{
        let (source, rows) = (&$source, &$rows);
        assert_eq!(
            owned(source.first("t").unwrap()),
            rows.iter().next().map(row)
        );
        assert_eq!(
            owned(source.last("t").unwrap()),
            rows.iter().next_back().map(row)
        );
        for probe in &$probes {
            let (at, no) = (Bound::Included(probe), Bound::Unbounded::<&Vec<u8>>);
            let past = Bound::Excluded(probe);
            let before = rows.range::<Vec<u8>, _>((no, past)).next_back().map(row);
            let at_or_before = rows.range::<Vec<u8>, _>((no, at)).next_back().map(row);
            let at_or_after = rows.range::<Vec<u8>, _>((at, no)).next().map(row);
            let after = rows.range::<Vec<u8>, _>((past, no)).next().map(row);
            let seek = |place| owned(source.seek("t", place).unwrap());
            assert_eq!(seek(Seek::Before(probe)), before);
            assert_eq!(seek(Seek::AtOrBefore(probe)), at_or_before);
            assert_eq!(seek(Seek::AtOrAfter(probe)), at_or_after);
            assert_eq!(seek(Seek::After(probe)), after);
            assert_eq!(
                source.contains("t", probe).unwrap(),
                rows.contains_key(probe)
            );
        }
        let many = source.get_many("t", &$probes).unwrap();
        let many: Vec<_> = many.iter().map(|value| value.as_deref()).collect();
        let expected: Vec<_> = $probes
            .iter()
            .map(|key| rows.get(key).map(|v| &v[..]))
            .collect();
        assert_eq!(many, expected);
        let expected = within(rows, &$low, &$high);
        let bounds = ($low.clone(), $high.clone());
        assert_eq!(
            source.count("t", bounds.clone()).unwrap(),
            expected.len() as u64
        );
        assert_eq!(source.count::<&[u8]>("t", ..).unwrap(), rows.len() as u64);
        assert_eq!(source.count::<&[u8]>("no such table", ..).unwrap(), 0);
        assert!(source.first("no such table").unwrap().is_none());
        assert_eq!(source.get_many("no such table", [b"k"]).unwrap().len(), 1);
        let as_slices = (
            $low.as_ref().map(Vec::as_slice),
            $high.as_ref().map(Vec::as_slice),
        );
        let entries = source.entries("t", as_slices).unwrap();
        let entries: Vec<_> = entries.map(|entry| owned(entry.ok()).unwrap()).collect();
        assert_eq!(entries, expected);
        let backward = source.entries("t", as_slices).unwrap().rev();
        let mut backward: Vec<_> = backward.map(|entry| owned(entry.ok()).unwrap()).collect();
        backward.reverse();
        assert_eq!(backward, expected);
    }};
}

fn assert_prefixes(db: &Database, rows: &Rows, probes: &[Vec<u8>]) {
    let snapshot = db.snapshot().unwrap();
    for probe in probes {
        let with_prefix = rows.iter().filter(|(key, _)| key.starts_with(probe));
        let expected: Vec<_> = with_prefix.map(row).collect();
        let prefix = || snapshot.prefix("t", probe).unwrap();
        let up: Vec<_> = prefix().map(|entry| owned(entry.ok()).unwrap()).collect();
        let down = prefix().rev();
        let mut down: Vec<_> = down.map(|entry| owned(entry.ok()).unwrap()).collect();
        down.reverse();
        assert_eq!((&up, &down), (&expected, &expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn queries_do_what_a_map_does(
        stored in vec((key(), value()), 0..60),
        own in vec((key(), prop::option::of(value())), 0..12),
        probes in vec(key(), 1..10),
        low in bound(),
        high in bound(),
    ) {
        let db = Database::in_memory(Options::new()).unwrap();
        let mut rows = Rows::new();
        let mut txn = db.begin().unwrap();
        for (key, value) in stored {
            txn.put("t", &key, &value).unwrap();
            rows.insert(key, value);
        }
        txn.commit().unwrap();
        assert_queries!(db.snapshot().unwrap(), rows, probes, low, high);
        assert_queries!(db, rows, probes, low, high);
        assert_prefixes(&db, &rows, &probes);
        let mut txn = db.begin().unwrap();
        for (key, value) in own {
            if let Some(value) = value {
                txn.put("t", &key, &value).unwrap();
                rows.insert(key, value);
            } else {
                txn.delete("t", &key).unwrap();
                rows.remove(&key);
            }
        }
        assert_queries!(txn, rows, probes, low, high);
    }
}

#[test]
fn bounds_that_cross_hold_nothing_and_never_panic() {
    let db = Database::in_memory(Options::new()).unwrap();
    db.put("t", b"b", b"").unwrap();
    let mut txn = db.begin().unwrap();
    txn.put("t", b"c", b"").unwrap();
    for (low, high) in [("c", "a"), ("b", "b"), ("zz", "a")] {
        assert_eq!(txn.range("t", low..high).unwrap().count(), 0);
        assert_eq!(txn.count("t", low..high).unwrap(), 0);
        assert_eq!(db.count("t", low..high).unwrap(), 0);
        let excluded = (Bound::Excluded(low), Bound::Excluded(high));
        assert_eq!(txn.range::<&str>("t", excluded).unwrap().rev().count(), 0);
        assert_eq!(db.count::<&str>("t", excluded).unwrap(), 0);
    }
}

#[test]
fn many_keys_over_many_pages_are_found_in_the_order_asked() {
    let db = Database::in_memory(Options::new()).unwrap();
    let mut txn = db.begin().unwrap();
    for n in 0..20_000_u32 {
        txn.put("t", &n.to_be_bytes(), &n.to_le_bytes()).unwrap();
    }
    txn.commit().unwrap();
    let keys: Vec<_> = (0..30_000_u32)
        .map(|n| (n * 7919 % 40_000).to_be_bytes())
        .collect();
    let found = db.get_many("t", &keys).unwrap();
    for (key, value) in keys.iter().zip(found) {
        let n = u32::from_be_bytes(*key);
        let expected = (n < 20_000).then(|| n.to_le_bytes());
        assert_eq!(value.as_deref(), expected.as_ref().map(|bytes| &bytes[..]));
    }
    assert_eq!(
        db.count("t", 500_u32.to_be_bytes()..=1500_u32.to_be_bytes())
            .unwrap(),
        1001
    );
}
