//! A page of any bytes, looked into by the quick ways and by the plain ones: they must agree.
//!
//! The quick ways count heads, know no errors and decide what they can; the plain ways look at one entry after the other, and
//! say what is wrong. It is for tests and the fuzzer, and part of no build but theirs.

use std::cmp::Ordering;

use super::item::head_of;
use super::layout::{HEAD_BYTES, HEADER_BYTES, Header, PREFIX_BYTES_MAX};
use super::probe::{Probe, probe};
use super::search::{Found, lower_bound};
use super::view::{Node, ValueRef};
use crate::ids::PageNo;

const PAGE_BYTES: usize = 4096;
const PAGE: PageNo = PageNo(7);

/// What the fuzzer gives, taken apart.
struct Shape<'b> {
    sorts_heads: bool,
    header: Header,
    key: &'b [u8],
    body: &'b [u8],
}

impl<'b> Shape<'b> {
    fn of(bytes: &'b [u8]) -> Option<Self> {
        let ([mode, n, prefix_len, level, heap_lo, key_len], rest) = bytes.split_first_chunk()?;
        let (key, body) = rest.split_at_checked(usize::from(*key_len))?;
        // Small nodes of short prefixes are the common ones; the others come too.
        let wide = |byte: u8, is_wide: bool| usize::from(byte) * if is_wide { 3 } else { 1 };
        let header = Header {
            n: wide(*n, mode & 2 > 0),
            prefix_len: wide(*prefix_len % 32, mode & 4 > 0).min(PREFIX_BYTES_MAX),
            level: *level % 3,
            heap_lo: HEADER_BYTES + 16 * usize::from(*heap_lo),
            garbage: 0,
        };
        Some(Self {
            sorts_heads: mode & 1 > 0,
            header,
            key,
            body,
        })
    }

    /// The page: the body, again and again, below a header.
    fn page(&self) -> Option<Vec<u8>> {
        let filling = self.body.iter().copied().chain([self.header.level]);
        let filling: Vec<u8> = filling.collect();
        let mut page: Vec<u8> = filling.iter().copied().cycle().take(PAGE_BYTES).collect();
        self.header.write(&mut page)?;
        if self.sorts_heads {
            let heads = HEADER_BYTES..HEADER_BYTES + HEAD_BYTES * self.header.n;
            let heads = page.get_mut(heads)?.as_chunks_mut::<HEAD_BYTES>().0;
            heads.sort_unstable_by_key(|head| u32::from_le_bytes(*head));
        }
        Some(page)
    }
}

/// Looks for a key in a node, both made of `bytes`, by each way there is.
///
/// # Panics
/// If two ways do not agree.
pub fn look_into_any_node(bytes: &[u8]) {
    let Some(shape) = Shape::of(bytes) else {
        return;
    };
    let Some(page) = shape.page() else {
        return;
    };
    let plain = Node::open_plain(PAGE, &page, None);
    let Ok(node) = Node::open(PAGE, &page) else {
        assert!(plain.is_none(), "a header of no sense was not seen");
        return;
    };
    assert!(plain.is_some(), "a sound header was refused");
    entries_agree(&node);
    searches_agree(&node, shape.key, shape.sorts_heads);
    probe_agrees(&node, &page, shape.key);
}

fn entries_agree(node: &Node<'_>) {
    for i in 0..node.n() + 2 {
        if let Some(quick) = node.whole_entry(i).filter(|_| node.is_leaf()) {
            let close = node.leaf_entry(i);
            assert!(close.is_ok(), "damage in entry {i} was not seen");
            let Ok(close) = close else { return };
            assert_eq!(quick.rest(), close.key.rest);
            assert_eq!(quick.suffix_len, close.key.suffix_len);
            assert_eq!(u32::from_be_bytes(quick.head), close.key.head);
            assert!(matches!(close.value, ValueRef::Inline(range) if range == quick.value));
        }
        assert_eq!(node.plain_child(i), node.child(i).ok());
    }
}

fn searches_agree(node: &Node<'_>, key: &[u8], is_sorted: bool) {
    let suffix = key.get(node.prefix().len()..);
    let Some(sought) = node.look_for(key) else {
        assert!(suffix.is_none(), "a key longer than the prefix was refused");
        return;
    };
    let head = head_of(suffix.unwrap_or_default());
    let heads = node.heads();
    let one_by_one = heads
        .iter()
        .filter(|stored| u32::from_le_bytes(**stored) < head);
    let counted = lower_bound(heads, head);
    assert_eq!(counted, sought.candidate);
    assert!(counted <= heads.len());
    if is_sorted {
        assert_eq!(counted, one_by_one.count());
    }
    let searched = node.search_inline(key).ok().flatten();
    if let Some(found) = node.find_plain(&sought) {
        assert_eq!(Some(found), searched);
    }
    if is_sorted && let Some(found) = searched {
        found_is_right(node, suffix.unwrap_or_default(), head, found);
    }
}

/// Entries of other heads are where they belong; of those with the head sought, the ones next to the place are.
fn found_is_right(node: &Node<'_>, suffix: &[u8], head: u32, found: Found) {
    let order = |i: usize| {
        let key = node.key(i).ok()?;
        match key.head.cmp(&head) {
            Ordering::Equal => key.cmp_inline(suffix),
            unequal => Some(unequal),
        }
    };
    match found {
        Found::At(i) => assert_eq!(order(i), Some(Ordering::Equal)),
        Found::Before(i) => {
            let below = i.checked_sub(1).and_then(order);
            assert!(below.is_none_or(Ordering::is_lt), "{below:?} before {i}");
            let above = (i < node.n()).then(|| order(i)).flatten();
            assert!(above.is_none_or(Ordering::is_gt), "{above:?} at {i}");
        }
    }
}

fn probe_agrees(node: &Node<'_>, page: &[u8], key: &[u8]) {
    let searched = || node.search_inline(key).ok().flatten();
    match probe(PAGE, page, None, key) {
        None => {}
        Some(Probe::Absent) => assert!(matches!(searched(), Some(Found::Before(_)))),
        Some(Probe::Child(no, level)) => {
            let index = searched().map(Found::upper);
            assert_eq!(index.and_then(|i| node.child(i).ok()), Some(no));
            assert_eq!(level + 1, node.level());
        }
        Some(Probe::Value(range)) => {
            let value = match searched() {
                Some(Found::At(i)) => node.value(i).ok(),
                _ => None,
            };
            assert!(matches!(value, Some(ValueRef::Inline(here)) if here == range));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn quick_ways_agree_with_plain_ones_in_any_bytes(bytes in vec(any::<u8>(), 0..300)) {
            look_into_any_node(&bytes);
        }

        #[test]
        fn quick_ways_agree_with_plain_ones_among_few_heads(
            header in any::<[u8; 4]>(),
            n in 0_u8..70,
            body in vec(0_u8..3, 0..200),
        ) {
            let [mode, prefix_len, level, heap_lo] = header;
            let start = [mode, n, prefix_len % 4, level % 3, heap_lo % 64, 9];
            look_into_any_node(&[&start[..], &body].concat());
        }
    }

    #[test]
    fn a_node_that_is_sound_is_looked_into() {
        // One leaf of three entries, of which the cells are the body's.
        let body = [0_u8, 6, 0, 1, 0];
        let bytes = [&[1, 3, 0, 0, 10, 6, 0, 6, 0, 1, 0, 0][..], &body].concat();
        let page = Shape::of(&bytes).unwrap().page().unwrap();
        assert!(Node::open(PAGE, &page).is_ok());
        look_into_any_node(&bytes);
    }
}
