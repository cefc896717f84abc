//! Entries that are shown are those that a cursor passes, up to the same error.

use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;

use super::bounds::{as_slice, bound};
use super::damage::{grown, sample};
use super::inputs::{Numbers, key, value};
use super::memory_pages::MemoryPages;
use crate::btree::Tree;
use crate::ids::PageNo;

type Bounds<'b> = (Bound<&'b [u8]>, Bound<&'b [u8]>);
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// What was seen, and how it ended: with how many entries, or with what error.
type Outcome = (Entries, Result<usize, String>);

fn shown(pages: &MemoryPages, tree: Tree, bounds: Bounds<'_>, count: usize) -> Outcome {
    let mut seen = Vec::new();
    let ended = tree.show(pages, bounds, count, &mut |key, value| {
        seen.push((key.to_vec(), value.to_vec()));
    });
    (seen, ended.map_err(|error| error.to_string()))
}

fn passed(pages: &MemoryPages, tree: Tree, bounds: Bounds<'_>, count: usize) -> Outcome {
    let mut seen = Vec::new();
    for entry in tree.range(pages, bounds).take(count) {
        match entry {
            Ok((key, value)) => seen.push((key.to_vec(), value.to_vec())),
            Err(error) => return (seen, Err(error.to_string())),
        }
    }
    let count = seen.len();
    (seen, Ok(count))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_is_the_beginning_of_the_range(
        entries in vec((key(), value()), 0..300),
        ranges in vec((bound(), bound(), 0_usize..80), 1..12),
    ) {
        let mut pages = MemoryPages::new(4096);
        let tree = Tree::create(&mut pages).unwrap();
        for (key, value) in &entries {
            tree.insert(&mut pages, key, value).unwrap();
        }
        for (from, to, count) in &ranges {
            let bounds = (as_slice(from), as_slice(to));
            for count in [*count, usize::MAX] {
                let (ours, theirs) = (
                    shown(&pages, tree, bounds, count),
                    passed(&pages, tree, bounds, count),
                );
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}

#[test]
fn what_is_shown_of_a_damaged_tree_ends_where_a_cursor_ends_and_says_the_same() {
    let (mut pages, tree) = grown();
    let numbers: Vec<PageNo> = pages.pages.keys().copied().collect();
    let mut random = Numbers(5);
    let (mut errors, mut later) = (0, 0);
    for _ in 0..600 {
        let no = numbers[random.below(numbers.len())];
        // Headers, heads and slots are where a look is led.
        let end = [24, 300, 4096][random.below(3)];
        let (at, bit) = (8 + random.below(end - 8), random.below(8));
        let flip = |pages: &mut MemoryPages| {
            pages.pages.get_mut(&no).unwrap().make_mut()[at] ^= 1 << bit;
        };
        flip(&mut pages);
        let (low, high) = (
            sample(random.below(1600) as u64),
            sample(random.below(1600) as u64),
        );
        let bounds = match random.below(3) {
            0 => (Bound::Unbounded, Bound::Unbounded),
            1 => (Bound::Included(&*low), Bound::Unbounded),
            _ => (Bound::Excluded(&*low), Bound::Included(&*high)),
        };
        for count in [1, 10, random.below(400), usize::MAX] {
            let (ours, theirs) = (
                shown(&pages, tree, bounds, count),
                passed(&pages, tree, bounds, count),
            );
            errors += u32::from(theirs.1.is_err());
            later += u32::from(theirs.1.is_err() && theirs.0.len() > 20);
            assert_eq!(ours, theirs, "bit {bit} of byte {at} of page {no}");
        }
        flip(&mut pages);
    }
    assert!(errors > 50 && later > 50, "{errors} {later}");
}
