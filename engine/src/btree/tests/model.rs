//! The tree does what a `BTreeMap` does, and is sound after every step.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::inputs::{Numbers, key, value};
use super::memory_pages::MemoryPages;
use crate::btree::Tree;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, Vec<u8>),
    /// Deletes a key that may be absent.
    Delete(Vec<u8>),
    /// Deletes a run of keys that are present, from this share of the way on.
    DeleteRun(usize, usize),
    /// Puts and deletes many keys at a time.
    Apply(BTreeMap<Vec<u8>, Option<Vec<u8>>>),
    /// Deletes all keys of a share of the tree, from this one on, at a time.
    DeleteMany(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (key(), value()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => key().prop_map(Step::Delete),
        2 => (0_usize..100, 1_usize..12).prop_map(|(from, count)| Step::DeleteRun(from, count)),
        1 => btree_map(key(), option::of(value()), 1..60).prop_map(Step::Apply),
        1 => (0_usize..100, 1_usize..60).prop_map(|(from, share)| Step::DeleteMany(from, share)),
    ]
}

fn take(step: &Step, tree: Tree, pages: &mut MemoryPages, model: &mut Model) {
    match step {
        Step::Insert(key, value) => {
            tree.insert(pages, key, value).unwrap();
            model.insert(key.clone(), value.clone());
        }
        Step::Delete(key) => {
            assert_eq!(
                tree.delete(pages, key).unwrap(),
                model.remove(key).is_some()
            );
        }
        Step::DeleteRun(from, count) => {
            let skip = model.len() * from / 100;
            let keys: Vec<_> = model.keys().skip(skip).take(*count).cloned().collect();
            for key in keys {
                assert!(tree.delete(pages, &key).unwrap());
                model.remove(&key);
            }
        }
        Step::Apply(writes) => apply(writes, tree, pages, model),
        Step::DeleteMany(from, share) => {
            let (skip, count) = (model.len() * from / 100, model.len() * share / 100);
            let keys = model.keys().skip(skip).take(count).cloned();
            let writes = keys.map(|key| (key, None)).collect();
            apply(&writes, tree, pages, model);
        }
    }
}

fn apply(
    writes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    tree: Tree,
    pages: &mut MemoryPages,
    model: &mut Model,
) {
    let deleted = writes
        .iter()
        .filter(|(key, value)| value.is_none() && model.contains_key(*key))
        .count();
    let borrowed = writes.iter().map(|(k, v)| (&**k, v.as_deref()));
    assert_eq!(tree.apply(pages, borrowed).unwrap(), deleted as u64);
    for (key, value) in writes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn assert_equal(tree: Tree, pages: &MemoryPages, model: &Model) {
    let mut entries = tree.range(pages, ..);
    for (key, value) in model {
        let (found_key, found_value) = entries.next().expect("an entry is missing").unwrap();
        assert_eq!((&*found_key, &*found_value), (&key[..], &value[..]));
    }
    assert!(entries.next().is_none(), "an entry too many");
    assert_many_are_found(tree, pages, model);
    assert_counts_add_up(tree, pages, model);
}

/// All keys, in an order that is not theirs, with some that are absent and some twice.
fn assert_many_are_found(tree: Tree, pages: &MemoryPages, model: &Model) {
    let absent: Vec<Vec<u8>> = model
        .keys()
        .step_by(3)
        .map(|key| [key, &[0][..]].concat())
        .collect();
    let mut keys: Vec<&[u8]> = model.keys().rev().map(Vec::as_slice).collect();
    keys.extend(model.keys().step_by(5).map(Vec::as_slice));
    keys.extend(absent.iter().map(Vec::as_slice));
    let half = keys.len() / 2;
    keys.rotate_left(half);
    let found = tree.get_many(pages, &keys).unwrap();
    assert_eq!(found.len(), keys.len());
    for (key, value) in keys.iter().zip(found) {
        assert_eq!(value.as_deref(), model.get(*key).map(|value| &value[..]));
        assert_eq!(tree.contains(pages, key).unwrap(), model.contains_key(*key));
    }
}

fn assert_counts_add_up(tree: Tree, pages: &MemoryPages, model: &Model) {
    let all = tree.range(pages, ..).entries_left().unwrap();
    assert_eq!(all, model.len() as u64);
    for key in model.keys().step_by(model.len() / 8 + 1) {
        let (none, key) = (Bound::Unbounded, key.as_slice());
        let count = |bounds: (Bound<&[u8]>, Bound<&[u8]>)| {
            tree.range(pages, bounds).entries_left().unwrap()
        };
        let below = count((none, Bound::Excluded(key)));
        assert_eq!(
            below,
            model.range::<[u8], _>((none, Bound::Excluded(key))).count() as u64
        );
        assert_eq!(below + count((Bound::Included(key), none)), all);
        assert_eq!(below + 1 + count((Bound::Excluded(key), none)), all);
        assert_eq!(count((Bound::Included(key), Bound::Included(key))), 1);
    }
}

fn follows_the_model(page_size: usize, steps: &[Step]) {
    let mut pages = MemoryPages::new(page_size);
    let tree = Tree::create(&mut pages).unwrap();
    let mut model = Model::new();
    for step in steps {
        take(step, tree, &mut pages, &mut model);
        pages.assert_sound(&[tree]);
        if let Step::Insert(key, _) | Step::Delete(key) = step {
            let found = tree.get(&pages, key).unwrap();
            assert_eq!(found.as_deref(), model.get(key).map(|value| &value[..]));
        }
    }
    assert_equal(tree, &pages, &model);
    // A range from the middle, key by key from the front, and the rest at once.
    let keys: Vec<&Vec<u8>> = model.keys().collect();
    let bound = |part: usize| keys.get(keys.len() * part / 4).map(|key| key.as_slice());
    if let (Some(low), Some(high)) = (bound(1), bound(2)) {
        let bounds = (Bound::Excluded(low), Bound::Included(high));
        tree.delete_range(&mut pages, bounds).unwrap();
        let gone = |key: &[u8]| low < key && key <= high;
        for key in &keys {
            assert_eq!(tree.contains(&pages, key).unwrap(), !gone(key));
        }
        for key in keys.iter().filter(|key| key.as_slice() <= low) {
            assert!(tree.delete(&mut pages, key).unwrap());
        }
    }
    let everything = (Bound::Unbounded, Bound::Unbounded);
    tree.delete_range(&mut pages, everything).unwrap();
    assert_eq!(
        pages.live(),
        (1, 0),
        "only the root is left of an empty tree"
    );
    pages.assert_sound(&[tree]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_of_small_pages_follows_the_model(steps in vec(step(), 1..250)) {
        follows_the_model(4096, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_of_16_kib_pages_follows_the_model(steps in vec(step(), 1..250)) {
        follows_the_model(16_384, &steps);
    }

    #[test]
    fn a_tree_of_64_kib_pages_follows_the_model(steps in vec(step(), 1..250)) {
        follows_the_model(65_536, &steps);
    }

    #[test]
    fn destroying_a_tree_frees_it_and_nothing_else(
        ours in vec((key(), value()), 0..80),
        others in vec((key(), value()), 0..20),
    ) {
        let mut pages = MemoryPages::new(4096);
        let (tree, other) = (Tree::create(&mut pages).unwrap(), Tree::create(&mut pages).unwrap());
        let fill = |pages: &mut MemoryPages, tree: Tree, entries: &[(Vec<u8>, Vec<u8>)]| {
            for (key, value) in entries {
                tree.insert(pages, key, value).unwrap();
            }
        };
        fill(&mut pages, tree, &ours);
        fill(&mut pages, other, &others);
        tree.destroy(&mut pages, u64::MAX).unwrap();
        pages.assert_sound(&[other]);
        other.destroy(&mut pages, u64::MAX).unwrap();
        prop_assert_eq!(pages.live(), (0, 0));
    }
}

/// Applies `writes` in parts of `part` keys, then deletes every other key at once, and then all.
fn survives_batches(family: Family, part: usize) {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    let mut model = Model::new();
    let mut numbers = Numbers(11);
    let mut order: Vec<u64> = (0..9000).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, numbers.below(i + 1));
    }
    for part in order.chunks(part) {
        let value = |n: u64| Some(vec![7; usize::try_from(n % 90).unwrap()]);
        let writes = part.iter().map(|n| (family(*n), value(*n))).collect();
        apply(&writes, tree, &mut pages, &mut model);
        pages.assert_sound(&[tree]);
    }
    assert_equal(tree, &pages, &model);
    for step in [2, 1] {
        let keys = model.keys().step_by(step).cloned();
        let writes = keys.map(|key| (key, None)).collect();
        apply(&writes, tree, &mut pages, &mut model);
        pages.assert_sound(&[tree]);
        assert_equal(tree, &pages, &model);
    }
    assert_eq!(pages.live(), (1, 0));
}

#[test]
fn every_family_of_keys_survives_batches_of_every_size() {
    for (name, family) in FAMILIES {
        println!("family {name}");
        for part in [1000, 4500, 9000] {
            survives_batches(family, part);
        }
    }
}

/// Keys of a family, by number.
type Family = fn(u64) -> Vec<u8>;

const FAMILIES: [(&str, Family); 5] = [
    ("fixed", |n| n.to_be_bytes().to_vec()),
    ("text", |n| format!("table/{n:012}/row").into_bytes()),
    ("growing", |n| vec![b'x'; (n % 3000) as usize]),
    ("shared", |n| {
        let mut key = vec![b'p'; 600 + (n % 3) as usize * 700];
        key.extend_from_slice(&n.to_be_bytes());
        key
    }),
    ("mixed", |n| {
        let mut key = vec![b'm'; (n % 5) as usize * 150];
        key.extend_from_slice(&(n * 7919).to_le_bytes());
        key
    }),
];

/// Inserts in one order, deletes in another, and looks at everything from time to time.
fn survives(family: Family, insert: &[u64], delete: &[u64]) {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    let mut model = Model::new();
    for (i, n) in insert.iter().enumerate() {
        take(
            &Step::Insert(family(*n), n.to_le_bytes().to_vec()),
            tree,
            &mut pages,
            &mut model,
        );
        if i % 101 == 0 {
            pages.assert_sound(&[tree]);
        }
    }
    pages.assert_sound(&[tree]);
    assert_equal(tree, &pages, &model);
    for (i, n) in delete.iter().enumerate() {
        take(&Step::Delete(family(*n)), tree, &mut pages, &mut model);
        if i % 101 == 0 {
            pages.assert_sound(&[tree]);
            assert_equal(tree, &pages, &model);
        }
    }
    assert_eq!(pages.live(), (1, 0));
}

#[test]
fn every_family_of_keys_survives_every_order_of_growing_and_shrinking() {
    let ascending: Vec<u64> = (0..2500).collect();
    let descending: Vec<u64> = ascending.iter().rev().copied().collect();
    let mut numbers = Numbers(7);
    let mut shuffled = ascending.clone();
    for i in (1..shuffled.len()).rev() {
        shuffled.swap(i, numbers.below(i + 1));
    }
    for (name, family) in FAMILIES {
        println!("family {name}");
        for insert in [&ascending, &descending, &shuffled] {
            for delete in [&ascending, &descending, &shuffled] {
                survives(family, insert, delete);
            }
        }
    }
}
