//! Writes that are prepared beside the tree do what writes to the tree do.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::inputs::{Numbers, key, value};
use super::memory_pages::MemoryPages;
use crate::btree::{PREPARED_TOGETHER, Prepared, Tree, Write};

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Short keys all over the tree, and others that are hard on it.
fn any_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0_u16..4000).prop_map(|n| n.wrapping_mul(40_503).to_be_bytes().to_vec()),
        1 => key(),
    ]
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0_usize..120, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => value(),
    ]
}

/// Prepares all parts of `changes` from what is published, then makes them in windows of some parts each. Returns how many were
/// left over.
fn apply(pages: &mut MemoryPages, tree: Tree, changes: &Changes, parts: usize) -> usize {
    let published = pages.publish();
    let writes: Vec<Write<'_>> = changes.iter().map(|(k, v)| (&**k, v.as_deref())).collect();
    let (mut all, mut count) = (Vec::new(), 0);
    for window in writes.chunks(PREPARED_TOGETHER * parts) {
        let runs: Vec<_> = window.chunks(PREPARED_TOGETHER).collect();
        let prepared: Vec<Prepared> = runs
            .iter()
            .map(|run| tree.prepare(&published, run))
            .collect();
        let mut left_over = Vec::new();
        for (run, prepared) in runs.iter().zip(prepared) {
            prepared.adopt(pages, run, &mut left_over).unwrap();
        }
        assert!(left_over.is_sorted_by(|a, b| a.0 < b.0));
        count += left_over.len();
        tree.apply(pages, left_over.iter().copied()).unwrap();
        all.extend(left_over);
    }
    assert!(all.iter().all(|write| writes.contains(write)));
    count
}

fn note(model: &mut Model, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key, value),
            None => model.remove(&key),
        };
    }
}

fn entries(tree: Tree, pages: &MemoryPages) -> Model {
    let entries = tree.range(pages, ..).map(Result::unwrap);
    entries
        .map(|(key, value)| (key.into_vec(), value.to_vec()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 60 }))]

    #[test]
    fn prepared_writes_leave_what_a_map_holds(
        first in btree_map(any_key(), any_value(), 0..600),
        rounds in vec(btree_map(any_key(), option::weighted(0.7, any_value()), 1..400), 1..5),
        parts in 1_usize..4,
    ) {
        let mut pages = MemoryPages::new(4096);
        let tree = Tree::create(&mut pages).unwrap();
        let mut model = first;
        tree.apply(&mut pages, model.iter().map(|(k, v)| (&**k, Some(&**v)))).unwrap();
        for changes in rounds {
            apply(&mut pages, tree, &changes, parts);
            note(&mut model, changes);
            pages.assert_sound(&[tree]);
            prop_assert_eq!(&entries(tree, &pages), &model);
        }
    }
}

#[test]
fn of_writes_all_over_a_large_tree_few_are_left_over() {
    let mut numbers = Numbers(5);
    let mut some = |count: usize, value: Option<Vec<u8>>| -> Changes {
        (0..count)
            .map(|_| (numbers.next().to_be_bytes().to_vec(), value.clone()))
            .collect()
    };
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    let full = some(20_000, Some(vec![1; 100]));
    tree.apply(&mut pages, full.iter().map(|(k, v)| (&**k, v.as_deref())))
        .unwrap();
    let changed = |value: Option<Vec<u8>>| -> Changes {
        let keys = full.keys().step_by(50);
        keys.map(|key| (key.clone(), value.clone())).collect()
    };
    // Some nodes are not in memory here.
    let left_over = apply(&mut pages, tree, &changed(Some(vec![2; 100])), 1);
    assert!(left_over < 80, "{left_over} of 400");
    let left_over = apply(&mut pages, tree, &changed(None), 1);
    assert!(left_over < 80, "{left_over} of 400");
    pages.assert_sound(&[tree]);
    assert_eq!(entries(tree, &pages).len(), 20_000 - 400);
}
