//! Ranges, from both ends, equal the model's.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;

use super::inputs::key;
use super::memory_pages::MemoryPages;
use crate::btree::Tree;

pub(super) fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        3 => key().prop_map(Bound::Included),
        3 => key().prop_map(Bound::Excluded),
        1 => Just(Bound::Unbounded),
    ]
}

pub(super) fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &key[..])
}

fn is_within(key: &[u8], from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    let is_above = match as_slice(from) {
        Bound::Included(low) => key >= low,
        Bound::Excluded(low) => key > low,
        Bound::Unbounded => true,
    };
    is_above
        && match as_slice(to) {
            Bound::Included(high) => key <= high,
            Bound::Excluded(high) => key < high,
            Bound::Unbounded => true,
        }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_range_yields_what_lies_within_from_either_end(
        entries in vec((key(), vec(any::<u8>(), 0..200)), 0..300),
        ranges in vec((bound(), bound(), vec(any::<bool>(), 0..60)), 1..8),
    ) {
        let mut pages = MemoryPages::new(4096);
        let tree = Tree::create(&mut pages).unwrap();
        let model: BTreeMap<_, _> = entries.into_iter().collect();
        for (key, value) in &model {
            tree.insert(&mut pages, key, value).unwrap();
        }
        for (from, to, turns) in ranges {
            let mut expected = model.iter().filter(|(key, _)| is_within(key, &from, &to));
            let mut range = tree.range(&pages, (as_slice(&from), as_slice(&to)));
            // Turns first, then the rest from the front, then both ends once more.
            let rest = vec![true; model.len() + 1];
            for is_front in turns.into_iter().chain(rest).chain([false, true]) {
                let (ours, theirs) = if is_front {
                    (range.next(), expected.next())
                } else {
                    (range.next_back(), expected.next_back())
                };
                let ours = ours.map(Result::unwrap);
                prop_assert_eq!(
                    ours.as_ref().map(|(key, value)| (&**key, &**value)),
                    theirs.map(|(key, value)| (&key[..], &value[..]))
                );
            }
        }
    }
}

#[test]
fn an_empty_tree_has_an_empty_range() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    assert!(tree.range(&pages, ..).next().is_none());
    assert!(tree.range(&pages, ..).next_back().is_none());
    assert!(tree.get(&pages, b"").unwrap().is_none());
    assert!(!tree.delete(&mut pages, b"").unwrap());
}
