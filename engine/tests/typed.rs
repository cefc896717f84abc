//! Typed tables: encodings keep the order of values and come back; bytes that are no encoding are an error that
//! names table and key.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at what it did not expect"
)]

use std::cmp::Ordering;
use std::fmt::Debug;

use lightning_db::typed::{KeyCodec, Part, Position, Table, TypedError, ValueCodec};
use lightning_db::{Database, Options};
use proptest::collection::vec;
use proptest::prelude::*;

fn key_bytes<K: KeyCodec>(key: &K::Owned, position: Position) -> Vec<u8> {
    let mut bytes = Vec::new();
    K::encode_key(K::lend_key(key), position, &mut bytes);
    bytes
}

fn value_bytes<V: ValueCodec>(value: &V::Owned, position: Position) -> Vec<u8> {
    let mut bytes = Vec::new();
    V::encode_value(V::lend_value(value), position, &mut bytes);
    bytes
}

/// The invariants of a key codec, for one pair of keys.
fn assert_keeps_order<K: KeyCodec>(
    a: &K::Owned,
    b: &K::Owned,
    order: impl Fn(&K::Owned, &K::Owned) -> Ordering,
) where
    K::Owned: Debug,
{
    for position in [Position::Inner, Position::Last] {
        let (bytes_a, bytes_b) = (key_bytes::<K>(a, position), key_bytes::<K>(b, position));
        assert_eq!(
            bytes_a.cmp(&bytes_b),
            order(a, b),
            "{a:?} {b:?} {position:?}"
        );
        if position == Position::Inner && order(a, b) != Ordering::Equal {
            assert!(!bytes_a.starts_with(&bytes_b) && !bytes_b.starts_with(&bytes_a));
        }
        let mut rest = &bytes_a[..];
        let back = K::decode_key(&mut rest, position).unwrap();
        assert_eq!(order(&back, a), Ordering::Equal, "{a:?}");
        assert_eq!(rest, b"");
        let followed = [&bytes_a[..], b"\x00\xffrest"].concat();
        let mut rest = &followed[..];
        if position == Position::Inner {
            assert_eq!(
                order(&K::decode_key(&mut rest, position).unwrap(), a),
                Ordering::Equal
            );
            assert_eq!(rest, b"\x00\xffrest", "only its own bytes are taken");
        }
    }
}

fn assert_value_comes_back<V: ValueCodec>(value: &V::Owned)
where
    V::Owned: Debug + PartialEq,
{
    let whole = value_bytes::<V>(value, Position::Last);
    let mut rest = &whole[..];
    assert_eq!(
        &V::own(V::decode_value(&mut rest, Position::Last).unwrap()),
        value
    );
    assert_eq!(rest, b"");
    let followed = [&value_bytes::<V>(value, Position::Inner)[..], b"rest"].concat();
    let mut rest = &followed[..];
    assert_eq!(
        &V::own(V::decode_value(&mut rest, Position::Inner).unwrap()),
        value
    );
    assert_eq!(rest, b"rest");
}

/// Strings of few letters, zero and the largest byte among them, so that prefixes and escapes meet.
fn text() -> impl Strategy<Value = String> {
    vec(
        prop::sample::select(vec!['\0', '\u{1}', 'a', 'ÿ', '\u{10ffff}']),
        0..5,
    )
    .prop_map(|letters| letters.into_iter().collect())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(vec![0, 1, 0x7f, 0xfe, 0xff]), 0..5)
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN
        ]),
    ]
}

macro_rules! integers_keep_their_order {
    ($($name:ident $type:ty),+) => {$(
        #[test]
        fn $name() {
            let edges = [<$type>::MIN, <$type>::MIN + 1, <$type>::MAX / 2, <$type>::MAX - 1, <$type>::MAX];
            let small = (0..=3).flat_map(|n: $type| [n, (0 as $type).wrapping_sub(n)]);
            let all: Vec<$type> = edges.into_iter().chain(small).collect();
            for a in &all {
                for b in &all {
                    assert_keeps_order::<$type>(a, b, Ord::cmp);
                }
                assert_value_comes_back::<$type>(a);
            }
        }
    )+};
}

integers_keep_their_order! {
    u8_keeps_its_order u8, u16_keeps_its_order u16, u32_keeps_its_order u32, u64_keeps_its_order u64,
    u128_keeps_its_order u128, i8_keeps_its_order i8, i16_keeps_its_order i16, i32_keeps_its_order i32,
    i64_keeps_its_order i64, i128_keeps_its_order i128
}

/// Parts of one width, between parts of their own lengths.
type Mixed = (&'static str, [u8; 3], &'static [u8], Option<char>, bool);
type Nested = ((String, Option<i16>), Vec<u8>, u8);
type NestedCodec = ((&'static str, Option<i16>), &'static [u8], u8);

fn nested() -> impl Strategy<Value = Nested> {
    let parts = (text(), prop::option::of(-2_i16..2));
    (parts, bytes(), prop::sample::select(vec![0, 1, 0xff]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn numbers_keep_their_order(a: i64, b: i64, c: u128, d: u128) {
        assert_keeps_order::<i64>(&a, &b, Ord::cmp);
        assert_keeps_order::<u128>(&c, &d, Ord::cmp);
        assert_keeps_order::<i32>(&((a >> 40) as i32), &((b >> 40) as i32), Ord::cmp);
    }

    #[test]
    fn floats_are_in_their_total_order(a in float(), b in float()) {
        assert_keeps_order::<f64>(&a, &b, f64::total_cmp);
        let half = |n: f64| f32::from_bits((n.to_bits() >> 32) as u32);
        assert_keeps_order::<f32>(&half(a), &half(b), f32::total_cmp);
        let bits = value_bytes::<f64>(&a, Position::Last);
        let back = f64::decode_value(&mut &bits[..], Position::Last).unwrap();
        prop_assert_eq!(back.to_bits(), a.to_bits());
    }

    #[test]
    fn strings_and_byte_strings_keep_their_order(a in text(), b in text(), c in bytes(), d in bytes()) {
        assert_keeps_order::<&str>(&a, &b, Ord::cmp);
        assert_keeps_order::<Vec<u8>>(&c, &d, Ord::cmp);
        assert_value_comes_back::<String>(&a);
        assert_value_comes_back::<&[u8]>(&c);
    }

    #[test]
    fn options_booleans_letters_and_arrays_keep_their_order(
        a in prop::option::of(text()), b in prop::option::of(text()),
        c: (bool, bool), d: (char, char), e: ([u8; 3], [u8; 3]),
    ) {
        assert_keeps_order::<Option<&str>>(&a, &b, Ord::cmp);
        assert_keeps_order::<bool>(&c.0, &c.1, Ord::cmp);
        assert_keeps_order::<char>(&d.0, &d.1, Ord::cmp);
        assert_keeps_order::<[u8; 3]>(&e.0, &e.1, Ord::cmp);
        assert_value_comes_back::<Option<String>>(&a);
    }

    #[test]
    fn tuples_keep_their_order(a in nested(), b in nested()) {
        assert_keeps_order::<NestedCodec>(&a, &b, Ord::cmp);
        assert_value_comes_back::<NestedCodec>(&a);
        let (a, b) = ((a.1, a.0.0), (b.1, b.0.0));
        assert_keeps_order::<(Vec<u8>, String)>(&a, &b, Ord::cmp);
    }

    #[test]
    fn any_bytes_decode_or_are_refused_and_never_panic(noise in vec(any::<u8>(), 0..40), zeroes: bool) {
        let mut noise = noise;
        if zeroes {
            noise.iter_mut().step_by(2).for_each(|byte| *byte = 0);
        }
        for position in [Position::Inner, Position::Last] {
            let mut rest = &noise[..];
            if let Some(key) = NestedCodec::decode_key(&mut rest, position) {
                let taken = noise.len() - rest.len();
                prop_assert_eq!(&key_bytes::<NestedCodec>(&key, position), &noise[..taken]);
            }
            if let Some(value) = Mixed::decode_value(&mut &noise[..], position) {
                let again = value_bytes::<Mixed>(&Mixed::own(value), position);
                prop_assert_eq!(Mixed::decode_value(&mut &again[..], position), Some(value));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_prefix_of_a_tuple_finds_exactly_the_keys_that_start_with_it(
        rows in prop::collection::btree_map((text(), -2_i8..2, bytes()), any::<u16>(), 0..30),
        first in text(),
        second in -2_i8..2,
    ) {
        const ROWS: Table<(&str, i8, &[u8]), u16> = Table::new("rows");
        let db = Database::in_memory(Options::new()).unwrap();
        let mut txn = db.begin().unwrap();
        for ((a, b, c), value) in &rows {
            ROWS.put(&mut txn, (a, *b, c), *value).unwrap();
        }
        let one: Vec<_> = ROWS.prefix(&txn, (first.as_str(),)).unwrap().map(Result::unwrap).collect();
        let two = ROWS.prefix(&txn, (first.as_str(), second)).unwrap().rev();
        let two: Vec<_> = two.map(Result::unwrap).collect();
        let pairs = rows.iter().map(|(key, value)| (key.clone(), *value));
        let expected: Vec<_> = pairs.clone().filter(|((a, ..), _)| *a == first).collect();
        prop_assert_eq!(one, expected);
        let expected = pairs.rev().filter(|((a, b, _), _)| *a == first && *b == second);
        prop_assert_eq!(two, expected.collect::<Vec<_>>());
        let all: Vec<_> = ROWS.range(&txn, ..).unwrap().map(|row| row.unwrap().0).collect();
        prop_assert_eq!(all, rows.keys().cloned().collect::<Vec<_>>());
    }
}

const AGES: Table<&str, u32> = Table::new("ages");

fn database() -> Database {
    Database::in_memory(Options::new()).unwrap()
}

#[test]
fn a_table_is_read_through_a_snapshot_a_transaction_and_the_database() {
    let db = database();
    let mut txn = db.begin().unwrap();
    AGES.put(&mut txn, "ada", 36).unwrap();
    assert_eq!(AGES.get(&txn, "ada").unwrap(), Some(36));
    assert_eq!(AGES.get(&db, "ada").unwrap(), None);
    txn.commit().unwrap();
    assert_eq!(AGES.get(&db, "ada").unwrap(), Some(36));
    let snapshot = db.snapshot().unwrap();
    assert_eq!(
        AGES.get_many(&snapshot, ["alan", "ada"]).unwrap(),
        [None, Some(36)]
    );
    assert!(AGES.contains(&snapshot, "ada").unwrap());
    assert_eq!(AGES.count(&snapshot, "a".."b").unwrap(), 1);
    assert_eq!(AGES.first(&db).unwrap(), Some(("ada".to_owned(), 36)));
    assert_eq!(AGES.last(&db).unwrap(), Some(("ada".to_owned(), 36)));
    assert_eq!(AGES.prefix(&db, "al").unwrap().count(), 0);
}

#[test]
fn updates_see_the_transaction_s_own_writes() {
    let db = database();
    let mut txn = db.begin().unwrap();
    let birthday = |age: Option<u32>| Some(age.map_or(0, |age| age + 1));
    for _ in 0..3 {
        AGES.update(&mut txn, "ada", birthday).unwrap();
    }
    assert_eq!(AGES.put_if_absent(&mut txn, "ada", 9).unwrap(), Some(2));
    assert_eq!(
        AGES.compare_and_swap(&mut txn, "ada", Some(1), Some(5))
            .unwrap(),
        Err(Some(2))
    );
    assert_eq!(
        AGES.compare_and_swap(&mut txn, "ada", Some(2), Some(5))
            .unwrap(),
        Ok(())
    );
    assert_eq!(AGES.take(&mut txn, "ada").unwrap(), Some(5));
    assert_eq!(AGES.take(&mut txn, "ada").unwrap(), None);
    AGES.update(&mut txn, "alan", |_| None).unwrap();
    assert_eq!(AGES.range(&txn, ..).unwrap().count(), 0);
}

#[test]
fn an_entry_of_other_types_is_an_error_that_names_table_and_key() {
    let db = database();
    db.put("ages", b"ada", b"thirty-six").unwrap();
    db.put("ages", b"alan", &41_u32.to_be_bytes()).unwrap();
    db.put("ages", b"\xff", &1_u32.to_be_bytes()).unwrap();
    let error = AGES.get(&db, "ada").unwrap_err();
    let text = error.to_string();
    assert_eq!(
        text,
        "the value of the entry \"ada\" in table \"ages\" is not a u32"
    );
    assert!(AGES.get_ref(&db, "ada").unwrap().unwrap().get().is_err());
    let rows: Vec<_> = AGES.range(&db, ..).unwrap().collect();
    assert_eq!(rows.len(), 3, "a row that cannot be read hides no other");
    assert_eq!(rows[1].as_ref().unwrap(), &("alan".to_owned(), 41));
    let Err(TypedError::Decode(error)) = &rows[2] else {
        panic!("{:?}", rows[2]);
    };
    assert_eq!(
        (error.part, &error.key[..], &*error.table),
        (Part::Key, &b"\xff"[..], "ages")
    );
    let mut txn = db.begin().unwrap();
    assert!(AGES.take(&mut txn, "ada").is_err());
    assert!(
        txn.contains("ages", b"ada").unwrap(),
        "what cannot be read is not removed"
    );
}

#[test]
fn a_string_is_read_where_it_lies() {
    const NAMES: Table<u8, (u16, &str)> = Table::new("names");
    let db = database();
    let mut txn = db.begin().unwrap();
    NAMES.put(&mut txn, 1, (1815, "ada")).unwrap();
    txn.commit().unwrap();
    let stored = NAMES.get_ref(&db, 1).unwrap().unwrap();
    let (year, name) = stored.get().unwrap();
    assert_eq!((year, name), (1815, "ada"));
    assert!(stored.as_bytes().as_ptr_range().contains(&name.as_ptr()));
}

#[test]
fn a_table_s_name_may_be_known_late() {
    let db = database();
    for n in 0..3 {
        let table: Table<u8, u8> = Table::named(format!("shard {n}"));
        let mut txn = db.begin().unwrap();
        table.put(&mut txn, n, n).unwrap();
        txn.commit().unwrap();
    }
    assert_eq!(
        db.snapshot().unwrap().tables().unwrap(),
        ["shard 0", "shard 1", "shard 2"]
    );
}
