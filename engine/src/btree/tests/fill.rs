//! How full pages are.

use super::inputs::Numbers;
use super::memory_pages::MemoryPages;
use crate::btree::Tree;

/// Bytes of keys and values for each byte of pages, in percent, after inserting `keys` with 100-byte values.
fn fill_percent(page_size: usize, keys: impl Iterator<Item = u64>) -> usize {
    let mut pages = MemoryPages::new(page_size);
    let tree = Tree::create(&mut pages).unwrap();
    let mut stored = 0;
    for key in keys {
        tree.insert(&mut pages, &key.to_be_bytes(), &[7; 100])
            .unwrap();
        stored += 8 + 100;
    }
    pages.assert_sound(&[tree]);
    stored * 100 / (pages.live().0 * page_size)
}

#[test]
fn a_load_in_ascending_order_fills_pages_to_nine_tenths() {
    for page_size in [4096, 16_384, 65_536] {
        // So many that the root and the last leaf do not count.
        let percent = fill_percent(page_size, 0..5 * page_size as u64);
        assert!(percent > 90, "{percent} % of {page_size}");
    }
}

#[test]
fn a_load_in_descending_order_fills_pages_to_nine_tenths() {
    let percent = fill_percent(4096, (0..20_000).rev());
    assert!(percent > 90, "{percent} %");
}

#[test]
fn a_load_in_random_order_fills_pages_to_six_tenths() {
    let mut numbers = Numbers(1);
    let percent = fill_percent(
        4096,
        std::iter::repeat_with(move || numbers.next()).take(20_000),
    );
    assert!(percent > 60, "{percent} %");
}

/// As `fill_percent`, of sorted keys in batches of `part`.
fn fill_percent_of_batches(keys: &[u64], part: usize) -> usize {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    let keys: Vec<[u8; 8]> = keys.iter().map(|key| key.to_be_bytes()).collect();
    for part in keys.chunks(part) {
        let mut part: Vec<_> = part
            .iter()
            .map(|key| (&key[..], Some(&[7; 100][..])))
            .collect();
        part.sort_unstable();
        tree.apply(&mut pages, part).unwrap();
    }
    pages.assert_sound(&[tree]);
    keys.len() * 108 * 100 / (pages.live().0 * 4096)
}

#[test]
fn a_tree_built_at_once_is_left_with_a_little_room_everywhere() {
    let mut numbers = Numbers(1);
    let keys: Vec<u64> = (0..20_000).map(|_| numbers.next()).collect();
    let percent = fill_percent_of_batches(&keys, 20_000);
    assert!((75..90).contains(&percent), "{percent} %");
}

#[test]
fn batches_that_come_in_order_fill_pages_to_nine_tenths() {
    let ascending: Vec<u64> = (0..20_000).collect();
    let descending: Vec<u64> = (0..20_000).rev().collect();
    for keys in [ascending, descending] {
        let percent = fill_percent_of_batches(&keys, 100);
        assert!(percent > 85, "{percent} %");
    }
}

#[test]
fn overwriting_in_place_takes_no_more_pages() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    for key in 0..5000_u64 {
        tree.insert(&mut pages, &key.to_be_bytes(), &[1; 50])
            .unwrap();
    }
    let before = pages.live();
    for round in 0..4_u8 {
        for key in 0..5000_u64 {
            tree.insert(&mut pages, &key.to_be_bytes(), &[round; 50])
                .unwrap();
        }
        for key in 0..5000_u64 {
            tree.insert(&mut pages, &key.to_be_bytes(), &[round; 20])
                .unwrap();
        }
    }
    assert_eq!(pages.live(), before);
    pages.assert_sound(&[tree]);
}

/// Four-byte keys live in the heads, so a longer prefix costs bytes and saves none. 254 entries of 16 bytes
/// fill a page to the last byte: with the longest prefix its fences allow, such a leaf would not fit.
#[test]
fn a_leaf_filled_to_the_last_byte_is_left_full_by_a_split() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    for key in 0..254 * 8_u32 {
        tree.insert(&mut pages, &key.to_be_bytes(), &[9; 5])
            .unwrap();
    }
    pages.assert_sound(&[tree]);
    assert_eq!(pages.live(), (8 + 1, 0), "eight leaves and the root");
}

/// Bytes in use in a leaf, from its header.
fn used(page: &[u8]) -> usize {
    let field = |at: usize| usize::from(u16::from_le_bytes([page[at], page[at + 1]]));
    let (n, heap_lo, garbage) = (field(8), field(14), field(16));
    page.len() - heap_lo + 6 * n - garbage
}

#[test]
fn deleting_most_entries_leaves_every_leaf_a_quarter_full() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    let mut numbers = Numbers(5);
    let mut keys: Vec<u64> = (0..10_000).map(|_| numbers.next()).collect();
    for key in &keys {
        tree.insert(&mut pages, &key.to_be_bytes(), &[7; 40])
            .unwrap();
    }
    while keys.len() > 500 {
        let key = keys.swap_remove(numbers.below(keys.len()));
        assert!(tree.delete(&mut pages, &key.to_be_bytes()).unwrap());
    }
    pages.assert_sound(&[tree]);
    let leaves: Vec<_> = pages.pages.values().filter(|page| page[13] == 1).collect();
    assert!(leaves.len() > 5);
    for leaf in leaves {
        assert!(used(leaf) >= (4096 - 32) / 4, "{} bytes", used(leaf));
    }
}
