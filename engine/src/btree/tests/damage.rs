//! Damaged pages bring errors, never a panic, a hang, or a page changed under a reader.

use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;

use super::inputs::Numbers;
use super::memory_pages::MemoryPages;
use crate::btree::{Tree, Value, first_difference};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{ExtentImage, NothingHeld, PageImage, ReadPages};

/// Far more than any method needs over a tree of a few hundred pages.
const READS_MAX: u64 = 1_000_000;

/// A tree of three levels with short and long keys, inline and outer values.
pub(super) fn grown() -> (MemoryPages, Tree) {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    let mut numbers = Numbers(3);
    for n in 0..1500_u64 {
        tree.insert(&mut pages, &sample(n), &vec![1; numbers.below(200)])
            .unwrap();
    }
    for n in 0..30 {
        tree.insert(&mut pages, &sample(n), &[2; 5000]).unwrap();
    }
    (pages, tree)
}

pub(super) fn sample(n: u64) -> Vec<u8> {
    let mut key = vec![
        b'd';
        if n.is_multiple_of(9) {
            700
        } else {
            (n % 4) as usize * 30
        }
    ];
    key.extend_from_slice(&(n * 7).to_be_bytes());
    key
}

/// Runs every method over a damaged tree. Results are as they may be; coming back is what counts.
fn exercise(pages: &mut MemoryPages, tree: Tree, at: u64) {
    let results = |pages: &MemoryPages| {
        for n in [0, 1, at, at / 2, 1499] {
            drop(tree.get(pages, &sample(n)));
        }
        let is_ok = |entry: &Result<_, _>| entry.is_ok();
        let up = tree.range(pages, ..).take_while(is_ok).count();
        let down = tree.range(pages, ..).rev().take_while(is_ok).count();
        drop(tree.check(pages, |_| ()));
        let keys: Vec<_> = (0..1500).step_by(7).map(sample).collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        drop(tree.get_many(pages, &keys));
        drop(tree.range(pages, ..).entries_left());
        let everything = (Bound::Unbounded, Bound::Unbounded);
        drop(first_difference(
            (pages, Some(tree)),
            (pages, None),
            everything,
        ));
        up.max(down)
    };
    pages.set_budget(READS_MAX);
    results(pages);
    for n in [at, at + 9, at / 3] {
        drop(tree.insert(pages, &sample(n), &[3; 300]));
        drop(tree.delete(pages, &sample(n + 1)));
    }
    for n in at..at + 60 {
        drop(tree.delete(pages, &sample(n)));
    }
    let mut keys: Vec<_> = (at..at + 300).map(sample).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut writes = (0_u16..).zip(&keys);
    let writes = writes
        .by_ref()
        .map(|(n, key)| (&**key, (n % 3 > 0).then_some(&[4; 99][..])));
    drop(tree.apply(pages, writes));
    results(pages);
    let (low, high) = (sample(at / 2), sample(at + 200));
    let range = (Bound::Included(&*low), Bound::Excluded(&*high));
    drop(tree.delete_range(pages, range));
    drop(tree.destroy(pages, u64::MAX));
    assert!(
        !pages.is_exhausted(),
        "a walk over damaged pages did not end"
    );
}

/// One change of a page's bytes: which page, where, to what.
type Wound = (prop::sample::Index, prop::sample::Index, u8);

fn wound(pages: &mut MemoryPages, wounds: &[Wound], offset_max: usize) {
    let numbers: Vec<PageNo> = pages.pages.keys().copied().collect();
    for (page, offset, byte) in wounds {
        let image = pages.pages.get_mut(page.get(&numbers)).unwrap();
        // The tree's part of the page; foreign bytes are checked when a page is freed.
        let offset = match offset.index(offset_max - 22) {
            offset @ 0..10 => offset + 8,
            offset => offset + 22,
        };
        image.make_mut()[offset] = *byte;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn bytes_changed_anywhere_bring_no_panic_and_no_hang(
        wounds in vec(any::<Wound>(), 1..40), at in 0_u64..1500,
    ) {
        let (mut pages, tree) = grown();
        wound(&mut pages, &wounds, 4096);
        exercise(&mut pages, tree, at);
    }

    #[test]
    fn bytes_changed_in_headers_and_arrays_bring_no_panic_and_no_hang(
        wounds in vec(any::<Wound>(), 1..40), at in 0_u64..1500,
    ) {
        let (mut pages, tree) = grown();
        wound(&mut pages, &wounds, 80);
        exercise(&mut pages, tree, at);
    }

    #[test]
    fn a_page_in_the_place_of_another_brings_no_panic_and_no_hang(
        swaps in vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..20), at in 0_u64..1500,
    ) {
        let (mut pages, tree) = grown();
        let numbers: Vec<PageNo> = pages.pages.keys().copied().collect();
        for (from, to) in &swaps {
            let image = pages.pages[from.get(&numbers)].clone();
            pages.pages.insert(*to.get(&numbers), image);
        }
        exercise(&mut pages, tree, at);
    }

    #[test]
    fn a_page_of_noise_brings_no_panic(noise in vec(any::<u8>(), 4096), is_leaf: bool) {
        let mut pages = MemoryPages::new(4096);
        let tree = Tree::create(&mut pages).unwrap();
        let image = pages.pages.get_mut(&tree.root()).unwrap().make_mut();
        image[32..].copy_from_slice(&noise[32..]);
        image[8..18].copy_from_slice(&noise[8..18]);
        // A header that passes, so that the cells are looked at.
        image[12..14].copy_from_slice(if is_leaf { &[0, 1] } else { &[1, 2] });
        image[9] = 0;
        image[10..12].copy_from_slice(&[noise[0] & 3, 0]);
        image[14..16].copy_from_slice(&3000_u16.to_le_bytes());
        exercise(&mut pages, tree, 5);
    }
}

#[test]
fn a_cursor_goes_on_returning_the_damage_it_met() {
    let (mut pages, tree) = grown();
    let leaf = *pages.pages.keys().next_back().unwrap();
    pages.pages.get_mut(&leaf).unwrap().make_mut()[13] = 77;
    let mut range = tree.range(&pages, ..);
    let error = range
        .find_map(Result::err)
        .expect("the damaged page was passed over");
    assert!(
        error.to_string().contains("another kind of page"),
        "{error}"
    );
    assert!(range.next().unwrap().is_err());
    assert!(range.next_back().unwrap().is_err());
}

#[test]
fn a_child_that_points_back_up_is_damage() {
    let (mut pages, tree) = grown();
    let root = tree.root();
    let page = pages.pages.get_mut(&root).unwrap().make_mut();
    let n = usize::from(u16::from_le_bytes([page[8], page[9]]));
    for child in page[32 + 4 * n..32 + 8 * n + 4].chunks_mut(4) {
        child.copy_from_slice(&root.get().to_le_bytes());
    }
    assert!(tree.get(&pages, &sample(1)).is_err());
    assert!(tree.insert(&mut pages, &sample(1), b"").is_err());
    assert!(tree.range(&pages, ..).next().unwrap().is_err());
    assert!(!tree.check(&pages, |_| ()).is_empty());
    assert!(tree.destroy(&mut pages, u64::MAX).is_err());
}

/// Makes every child of the root the same one: the `pick`th of `n`.
fn repeat_child(pages: &mut MemoryPages, root: PageNo, pick: usize) {
    let page = pages.pages.get_mut(&root).unwrap().make_mut();
    let n = usize::from(u16::from_le_bytes([page[8], page[9]]));
    let start = 32 + 4 * n;
    let child: [u8; 4] = page[start + 4 * pick..][..4].try_into().unwrap();
    for other in page[start..start + 4 * (n + 1)].chunks_mut(4) {
        other.copy_from_slice(&child);
    }
}

#[test]
fn a_leaf_referred_to_again_and_again_is_entered_once() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    for n in 0..5000_u32 {
        tree.insert(&mut pages, &n.to_be_bytes(), &[1; 30]).unwrap();
    }
    repeat_child(&mut pages, tree.root(), 1);
    let is_ok = |entry: &Result<_, _>| entry.is_ok();
    let (up, down) = (tree.range(&pages, ..), tree.range(&pages, ..).rev());
    assert!((1..200).contains(&up.take_while(is_ok).count()));
    assert!((1..200).contains(&down.take_while(is_ok).count()));
    let mut reached = 0;
    assert!(!tree.check(&pages, |_| reached += 1).is_empty());
    assert_eq!(reached, 2, "the root and the one leaf");
    let before = pages.live();
    assert!(tree.destroy(&mut pages, u64::MAX).is_err());
    assert_eq!(pages.live(), before, "nothing of a damaged tree is freed");
}

type Hurt = fn(&mut [u8]);

#[test]
fn check_sees_each_kind_of_damage_to_a_leaf() {
    let wounds: [(&str, Hurt); 6] = [
        ("order", |page| page[32..40].rotate_left(4)),
        ("head", |page| page[32] ^= 1),
        ("level", |page| page[12] = 1),
        ("garbage", |page| page[16] ^= 1),
        ("count", |page| page[8] -= 1),
        ("prefix", |page| *page.last_mut().unwrap() ^= 0x80),
    ];
    for (name, hurt) in wounds {
        let mut pages = MemoryPages::new(4096);
        let tree = Tree::create(&mut pages).unwrap();
        for n in 0..400_u32 {
            tree.insert(&mut pages, format!("key/{n:06}").as_bytes(), &[1; 30])
                .unwrap();
        }
        assert!(tree.check(&pages, |_| ()).is_empty());
        // The third leaf from the left lies between two fences, so that it has a prefix.
        let leaf = pages
            .pages
            .iter()
            .filter(|(_, image)| image[13] == 1 && image[10] > 0)
            .nth(1);
        let leaf = *leaf.expect("a leaf with a prefix").0;
        hurt(pages.pages.get_mut(&leaf).unwrap().make_mut());
        assert!(!tree.check(&pages, |_| ()).is_empty(), "{name}");
    }
}

/// The same pages, of which none is in memory: each is opened and searched with all its words.
struct Asked<'p>(&'p MemoryPages);

impl ReadPages for Asked<'_> {
    type Held<'h>
        = NothingHeld
    where
        Self: 'h;

    fn hold(&self) -> NothingHeld {
        NothingHeld
    }

    fn page(&self, no: PageNo) -> Result<PageImage, StorageError> {
        self.0.page(no)
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<ExtentImage, StorageError> {
        self.0.extent(first, len)
    }
}

#[test]
fn a_short_look_at_a_damaged_page_says_what_a_long_one_says() {
    let (mut pages, tree) = grown();
    let numbers: Vec<PageNo> = pages.pages.keys().copied().collect();
    let mut random = Numbers(11);
    let (mut errors, mut values) = (0, 0);
    for _ in 0..1200 {
        let no = match random.below(3) {
            0 => tree.root(),
            _ => numbers[random.below(numbers.len())],
        };
        // Headers, heads and slots are where a look is led.
        let end = [24, 300, 4096][random.below(3)];
        let (at, bit) = (8 + random.below(end - 8), random.below(8));
        let flip = |pages: &mut MemoryPages| {
            pages.pages.get_mut(&no).unwrap().make_mut()[at] ^= 1 << bit;
        };
        flip(&mut pages);
        for _ in 0..20 {
            let key = sample(random.below(1600) as u64);
            let (short, long) = (tree.get(&pages, &key), tree.get(&Asked(&pages), &key));
            errors += u32::from(long.is_err());
            values += u32::from(matches!(long, Ok(Some(_))));
            let plain = |found: Result<Option<Value>, StorageError>| match found {
                Ok(value) => Ok(value.map(|value| value.to_vec())),
                Err(error) => Err(error.to_string()),
            };
            assert_eq!(
                plain(short),
                plain(long),
                "bit {bit} of byte {at} of page {no}"
            );
            assert_eq!(
                tree.contains(&pages, &key).ok(),
                tree.contains(&Asked(&pages), &key).ok()
            );
        }
        flip(&mut pages);
    }
    assert!(errors > 300 && values > 1000, "{errors} {values}");
}
