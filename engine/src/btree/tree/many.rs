//! Looking up many keys at a time: they go down the tree together, so that each page on their ways is read once.
//!
//! B3 bounds the work over damaged pages: the keys of one page are shared out among its children, each of which
//! is one level below.

use std::ops::Range;

use super::descent::resolve;
use crate::btree::node::{Found, Node};
use crate::btree::value::Value;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{PageImage, ReadPages};

/// The keys sought, in ascending order, with their places in the answer.
struct Sought<'k> {
    keys: Vec<(&'k [u8], usize)>,
}

/// A page to look into, and which of the keys sought it is responsible for.
struct Due {
    no: PageNo,
    level: Option<u8>,
    keys: Range<usize>,
}

/// The values of `keys` in the tree under `root`, in the order of `keys`, which may repeat.
pub(super) fn get_many(
    pages: &impl ReadPages,
    root: PageNo,
    keys: &[&[u8]],
) -> Result<Vec<Option<Value>>, StorageError> {
    let sought = Sought::new(keys);
    let mut values = vec![None; keys.len()];
    let mut due = vec![Due {
        no: root,
        level: None,
        keys: 0..keys.len(),
    }];
    while let Some(next) = due.pop() {
        let image = pages.page(next.no)?;
        let node = Node::open_at(next.no, &image, next.level)?;
        if node.is_leaf() {
            sought.find_in_leaf(pages, next, &image, &mut values)?;
        } else {
            sought.share_out(pages, &node, next.keys, &mut due)?;
        }
    }
    Ok(values)
}

impl<'k> Sought<'k> {
    fn new(keys: &[&'k [u8]]) -> Self {
        let mut keys: Vec<_> = keys.iter().copied().zip(0..).collect();
        keys.sort_unstable();
        Self { keys }
    }

    fn within(&self, range: Range<usize>) -> &[(&'k [u8], usize)] {
        self.keys.get(range).unwrap_or_default()
    }

    /// Neighbours that go to one child go there together.
    fn share_out(
        &self,
        pages: &impl ReadPages,
        node: &Node<'_>,
        range: Range<usize>,
        due: &mut Vec<Due>,
    ) -> Result<(), StorageError> {
        let level = node.level().checked_sub(1);
        let mut group: Option<(usize, Range<usize>)> = None;
        let mut send = |(child, keys): (usize, Range<usize>)| -> Result<(), StorageError> {
            let no = node.child(child)?;
            due.push(Due { no, level, keys });
            Ok(())
        };
        for (place, (key, _)) in (range.start..).zip(self.within(range)) {
            let child = node.child_index(pages, key)?;
            let place_after = place.saturating_add(1);
            match &mut group {
                Some((current, keys)) if *current == child => keys.end = place_after,
                _ => {
                    if let Some(done) = group.replace((child, place..place_after)) {
                        send(done)?;
                    }
                }
            }
        }
        group.map_or(Ok(()), send)
    }

    fn find_in_leaf(
        &self,
        pages: &impl ReadPages,
        leaf: Due,
        image: &PageImage,
        values: &mut [Option<Value>],
    ) -> Result<(), StorageError> {
        let node = Node::open_at(leaf.no, image, Some(0))?;
        for (key, answer) in self.within(leaf.keys) {
            let Found::At(i) = node.search(pages, key)? else {
                continue;
            };
            let value = resolve(pages, leaf.no, image.clone(), node.value(i)?)?;
            if let Some(place) = values.get_mut(*answer) {
                *place = Some(value);
            }
        }
        Ok(())
    }
}
