//! The longest keys, large values, and what is borrowed.

use super::memory_pages::MemoryPages;
use crate::btree::Tree;
use crate::error::StorageError;

#[test]
fn keys_up_to_the_limit_are_kept_and_longer_ones_refused() {
    for page_size in [4096, 65_536] {
        let mut pages = MemoryPages::new(page_size);
        let tree = Tree::create(&mut pages).unwrap();
        for last in 0..40_u8 {
            let mut key = vec![0xFF; 65_535];
            *key.last_mut().unwrap() = last;
            tree.insert(&mut pages, &key, &[last]).unwrap();
            assert_eq!(&*tree.get(&pages, &key).unwrap().unwrap(), &[last]);
        }
        assert_eq!(tree.range(&pages, ..).count(), 40);
        pages.assert_sound(&[tree]);
        let refused = tree.insert(&mut pages, &vec![0; 65_536], b"");
        assert!(matches!(
            refused,
            Err(StorageError::Limit(limit)) if limit.needed == 65_536
        ));
        tree.destroy(&mut pages, u64::MAX).unwrap();
        assert_eq!(pages.live(), (0, 0));
    }
}

#[test]
fn a_value_larger_than_any_page_is_borrowed_whole() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    let large = vec![0xAB; 3 << 20];
    tree.insert(&mut pages, b"large", &large).unwrap();
    let first = tree.get(&pages, b"large").unwrap().unwrap();
    let second = tree.get(&pages, b"large").unwrap().unwrap();
    assert_eq!(&*first, &large[..]);
    assert_eq!(
        first.as_ptr(),
        second.as_ptr(),
        "both borrow the same bytes"
    );
}

#[test]
fn a_value_read_earlier_keeps_its_bytes_when_its_page_changes() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    tree.insert(&mut pages, b"key", b"old").unwrap();
    let old = tree.get(&pages, b"key").unwrap().unwrap();
    tree.insert(&mut pages, b"key", b"new").unwrap();
    assert_eq!(&*old, b"old");
    assert_eq!(&*tree.get(&pages, b"key").unwrap().unwrap(), b"new");
    tree.delete(&mut pages, b"key").unwrap();
    assert_eq!(&*old, b"old");
}

#[test]
fn the_root_keeps_its_page_through_growth_and_shrinkage() {
    let mut pages = MemoryPages::new(4096);
    let tree = Tree::create(&mut pages).unwrap();
    let root = tree.root();
    for n in 0..20_000_u32 {
        tree.insert(&mut pages, &n.to_be_bytes(), &[0; 30]).unwrap();
    }
    assert!(pages.live().0 > 100);
    assert_eq!(
        &*Tree::open(root)
            .get(&pages, &7_u32.to_be_bytes())
            .unwrap()
            .unwrap(),
        &[0; 30]
    );
    for n in 0..20_000_u32 {
        assert!(
            Tree::open(root)
                .delete(&mut pages, &n.to_be_bytes())
                .unwrap()
        );
    }
    assert_eq!(pages.live(), (1, 0));
}
