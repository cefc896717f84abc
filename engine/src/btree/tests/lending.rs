//! Entries lent by a cursor are those that it hands out.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::inputs::{key, value};
use super::memory_pages::MemoryPages;
use crate::btree::node::{Node, ValueRef, cmp_keys};
use crate::btree::{Direction, Key, Tree};
use crate::ids::PageNo;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn lending_and_handing_out_in_turns_follow_the_model_from_either_end(
        entries in vec((key(), value()), 0..120),
        turns in vec((any::<bool>(), any::<bool>()), 0..200),
    ) {
        let mut pages = MemoryPages::new(4096);
        let tree = Tree::create(&mut pages).unwrap();
        let model: BTreeMap<_, _> = entries.into_iter().collect();
        for (key, value) in &model {
            tree.insert(&mut pages, key, value).unwrap();
        }
        let mut expected = model.iter();
        let mut cursor = tree.range(&pages, ..);
        let mut kept = Vec::new();
        let rest = vec![(true, true); model.len() + 1];
        for (is_front, is_lent) in turns.into_iter().chain(rest) {
            let (direction, theirs) = if is_front {
                (Direction::Up, expected.next())
            } else {
                (Direction::Down, expected.next_back())
            };
            prop_assert_eq!(cursor.advance(direction).unwrap(), theirs.is_some());
            let theirs = theirs.map(|(key, value)| (&key[..], &value[..]));
            if is_lent {
                prop_assert_eq!(cursor.current(), theirs);
                if let Some((key, _)) = theirs {
                    prop_assert_eq!(cursor.key(), key);
                }
            } else {
                kept.extend(cursor.owned().map(|(key, value)| (key, value, theirs)));
            }
        }
        for (key, value, theirs) in &kept {
            prop_assert_eq!(Some((&**key, &**value)), *theirs);
        }
    }

    #[test]
    fn an_entry_taken_apart_quickly_is_the_entry_in_any_bytes(
        noise in vec(any::<u8>(), 4096),
        n in 0_u8..40,
        prefix_len in 0_u8..20,
        slots in vec(500_u16..4096, 40),
        lens in vec((0_u16..700, 0_u16..1200, 0_u8..3), 40),
    ) {
        let mut page = noise;
        page[8..18].copy_from_slice(&[n, 0, prefix_len, 0, 0, 1, 0x90, 1, 0, 0]);
        for ((i, slot), (suffix_len, value_len, flags)) in (0..n).zip(&slots).zip(&lens) {
            let at = 32 + 4 * usize::from(n) + 2 * usize::from(i);
            page[at..at + 2].copy_from_slice(&slot.to_le_bytes());
            let cell = usize::from(*slot);
            let fields = [suffix_len.to_le_bytes(), value_len.to_le_bytes(), [*flags, 0]].concat();
            let room = page.len().min(cell + 5) - cell;
            page[cell..cell + room].copy_from_slice(&fields[..room]);
        }
        let pages = MemoryPages::new(4096);
        let node = Node::open(PageNo(7), &page).unwrap();
        for i in 0..node.n() + 2 {
            let quickly = node.whole_entry(i);
            let Ok(closely) = node.leaf_entry(i) else {
                prop_assert!(quickly.is_none(), "damage passed for an entry");
                continue;
            };
            let Some(whole) = quickly else {
                let is_apart = closely.key.tail.is_some() || page[usize::from(slots[i]) + 4] != 0;
                prop_assert!(is_apart, "an entry that lies whole in the page was not taken");
                continue;
            };
            let mut key = Key::from(node.prefix());
            key.push(&whole.head[..whole.suffix_len.min(4)]);
            key.push(whole.rest());
            prop_assert_eq!(&*key, &*node.assemble(&pages, &closely.key).unwrap());
            let value = node.value(i).unwrap();
            prop_assert!(matches!(value, ValueRef::Inline(range) if range == whole.value));
        }
    }
}

/// A leaf whose one entry is `key`, of which `prefix_len` bytes stand at its end.
fn leaf_of(key: &[u8], prefix_len: usize) -> Vec<u8> {
    let (prefix, suffix) = key.split_at(prefix_len);
    let (head, rest) = suffix.split_at(suffix.len().min(4));
    let mut page = vec![0xEE; 4096];
    let put = |page: &mut [u8], at: usize, bytes: &[u8]| {
        page[at..at + bytes.len()].copy_from_slice(bytes);
    };
    let cell = 3000_u16;
    put(&mut page, 8, &[1, 0]);
    put(
        &mut page,
        10,
        &u16::try_from(prefix_len).unwrap().to_le_bytes(),
    );
    put(&mut page, 12, &[0, 1]);
    put(&mut page, 14, &cell.to_le_bytes());
    put(&mut page, 16, &[0; 16]);
    let mut padded = [0; 4];
    padded[..head.len()].copy_from_slice(head);
    padded.reverse();
    put(&mut page, 32, &padded);
    put(&mut page, 36, &cell.to_le_bytes());
    let suffix_len = u16::try_from(suffix.len()).unwrap();
    let fields = [&suffix_len.to_le_bytes()[..], &[0; 3], rest].concat();
    put(&mut page, 3000, &fields);
    put(&mut page, 4096 - prefix_len, prefix);
    page
}

#[test]
fn leaves_in_order_at_a_glance_are_in_order_whatever_their_prefixes() {
    let pages = MemoryPages::new(4096);
    let stems: [&[u8]; 4] = [b"", b"\0\0\0\0\0\0\0\0\0", b"abcdefgh", b"abcdefghijklm"];
    let ends: [&[u8]; 6] = [
        b"",
        b"\0",
        b"a\0\0",
        b"b",
        b"bcdefgh",
        b"\xff\xff\xff\xff\xff\xff",
    ];
    let keys: Vec<Vec<u8>> = stems
        .iter()
        .flat_map(|stem| (0..=stem.len()).map(|len| &stem[..len]))
        .flat_map(|stem| ends.map(|end| [stem, end].concat()))
        .collect();
    let (mut decided, mut all) = (0, 0);
    for (x, y) in keys.iter().flat_map(|x| keys.iter().map(move |y| (x, y))) {
        for (p, q) in [(0, 0), (x.len() / 2, y.len()), (x.len(), y.len() / 3)] {
            let (low, high) = (leaf_of(x, p), leaf_of(y, q));
            let low = Node::open(PageNo(1), &low).unwrap();
            let high = Node::open(PageNo(2), &high).unwrap();
            let order = cmp_keys(&pages, (&low, 0), (&high, 0)).unwrap();
            assert_eq!(order, x.cmp(y), "{x:?} {y:?}");
            if low.is_plainly_below(&high) {
                assert!(order.is_lt(), "{x:?} with {p}, {y:?} with {q}");
                decided += 1;
            }
            all += usize::from(order.is_lt());
        }
    }
    assert!(decided * 2 > all, "{decided} of {all}");
}

#[test]
fn nothing_is_lent_before_the_first_entry_behind_the_last_and_after_damage() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    for n in 0..1000_u32 {
        tree.insert(&mut pages, &n.to_be_bytes(), &[1; 50]).unwrap();
    }
    let mut cursor = tree.range(&pages, ..);
    assert!(cursor.current().is_none());
    while cursor.advance(Direction::Up).unwrap() {
        assert!(cursor.current().is_some());
    }
    assert!(cursor.current().is_none() && !cursor.advance(Direction::Down).unwrap());
    let leaf = *pages.pages.keys().next_back().unwrap();
    pages.pages.get_mut(&leaf).unwrap().make_mut()[13] = 77;
    let mut cursor = tree.range(&pages, ..);
    let mut lent = 0_u32;
    while let Ok(true) = cursor.advance(Direction::Up) {
        assert_eq!(
            cursor.current(),
            Some((&lent.to_be_bytes()[..], &[1; 50][..]))
        );
        lent += 1;
    }
    assert!(lent > 0 && cursor.current().is_none() && cursor.owned().is_none());
    assert!(cursor.advance(Direction::Up).is_err() && cursor.advance(Direction::Down).is_err());
}

#[test]
fn a_cell_of_no_sense_is_damage_wherever_the_cursor_meets_it() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    for n in 0..20_u32 {
        tree.insert(&mut pages, &n.to_be_bytes(), &[1; 50]).unwrap();
    }
    let image = pages.pages.get_mut(&tree.root()).unwrap().make_mut();
    // The slot of entry 10 lies below all cells.
    image[32 + 4 * 20 + 2 * 10..][..2].copy_from_slice(&40_u16.to_le_bytes());
    let is_ok = |entry: &Result<_, _>| entry.is_ok();
    assert_eq!(tree.range(&pages, ..).take_while(is_ok).count(), 10);
    assert_eq!(tree.range(&pages, ..).rev().take_while(is_ok).count(), 9);
    let mut cursor = tree.range(&pages, ..);
    while cursor.advance(Direction::Up).is_ok() {}
    assert!(
        cursor.advance(Direction::Down).is_err(),
        "it goes on being returned"
    );
}
