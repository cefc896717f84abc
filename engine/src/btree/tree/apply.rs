//! Writing many keys at a time, in ascending order: each leaf is visited once.
//!
//! A leaf that its writes fit in is changed in place: first the removals, then the insertions, from the last entry to the first,
//! so that the places found before stay right. Else its entries and the writes are merged, and built into as many leaves as they
//! need; so an empty tree is built from its leaves upwards.

use smallvec::SmallVec;

use super::cut::Fill;
use super::delete::fill_up;
use super::finger::Finger;
use super::foreseen::Foreseen;
use super::handle::Tree;
use super::store::{decode, store};
use super::upcoming::Upcoming;
use crate::btree::node::{
    Found, Header, InlineKey, Inserted, Item, KEY_LEN_MAX, LeafEntry, Node, Payload, Tail,
    ValueRef, compact, damage, insert_cell, key_inline_max, leaf_entry_bytes, overwrite_value,
    remove_cell, value_inline_max,
};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{PageImage, WritePages};

/// A key with its new value; none to delete it.
pub type Write<'a> = (&'a [u8], Option<&'a [u8]>);

/// Writes that a leaf takes at a time: bounds the memory that building many leaves at once takes.
const EDITS_MAX: usize = 4096;

/// What a write does to its leaf.
struct Edit<'a> {
    /// Before which entry it goes, or which one it replaces or removes.
    at: usize,
    old: Old,
    new: Option<Item<'a>>,
}

/// What is there before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Old {
    Nothing,
    /// An inline value as long as the new one.
    SameLength,
    /// A cell that goes.
    Cell,
}

/// The writes for one leaf, and what they come to.
pub(super) struct Edits<'a> {
    list: SmallVec<[Edit<'a>; 2]>,
    /// Extents that nothing refers to any more. Until the last place is found, their keys are still compared with.
    released: Vec<(PageNo, u64)>,
    /// Bytes of cells that go, and of those that come, with their places in the arrays.
    freed: usize,
    needed: usize,
    /// Keys that go and do not come back.
    deleted: usize,
    /// The last leaf had room for no more of a run that goes on.
    is_continued: bool,
    fill: Fill,
}

impl Tree {
    /// Makes `writes`, whose keys ascend strictly; returns how many keys were deleted. `Limit` if a key to be put is longer than
    /// 65,535 bytes; see the type for what other errors leave behind.
    pub fn apply<'a>(
        self,
        pages: &mut impl WritePages,
        writes: impl IntoIterator<Item = Write<'a>>,
    ) -> Result<u64, StorageError> {
        let mut writes = Upcoming::new(writes.into_iter());
        let mut finger = Finger::new(self.root());
        let mut edits = Edits::new();
        let mut deleted: u64 = 0;
        while let Some(first) = writes.next() {
            let is_last = writes.peek().is_none();
            writes.look_ahead(pages, self.root(), (first.0, finger.high()));
            finger.asks = !writes.has_asked();
            let image = finger.seek(pages, first.0, is_last)?;
            let leaf = finger.path().page(finger.path().leaf_depth());
            writes.arrive(leaf, image.len());
            let node = Node::open_at(leaf, &image, Some(0))?;
            edits.clear();
            edits.add(pages, &node, first)?;
            let high = finger.high();
            let is_here = |(key, _): &Write<'_>| high.is_none_or(|high| *key < high);
            while edits.list.len() < EDITS_MAX
                && let Some(next) = writes.next_if(is_here)
            {
                edits.add(pages, &node, next)?;
            }
            let (entries, header) = (node.n(), node.header());
            for (first, len) in edits.released.drain(..) {
                pages.free_extent(first, len)?;
            }
            edits.choose_fill(entries);
            let is_continued = writes.peek().as_ref().is_some_and(is_here);
            self.make(pages, &mut finger, (leaf, image, header), &edits)?;
            edits.is_continued = is_continued;
            deleted = deleted.saturating_add(u64::try_from(edits.deleted).unwrap_or(u64::MAX));
        }
        Ok(deleted)
    }

    /// As `apply`, of one write; returns whether a key was deleted. `foreseen` is the way to its leaf, if that is known: it was found in
    /// these pages, and none of them was changed since.
    pub fn apply_one(
        self,
        pages: &mut impl WritePages,
        write: Write<'_>,
        foreseen: Option<&Foreseen>,
    ) -> Result<bool, StorageError> {
        let mut finger = match foreseen {
            Some(way) => Finger::at(way.path()),
            None => Finger::new(self.root()),
        };
        let leaf = |finger: &Finger| finger.path().page(finger.path().leaf_depth());
        let image = match foreseen {
            Some(_) => pages.page(leaf(&finger))?,
            None => finger.seek(pages, write.0, true)?,
        };
        let leaf = leaf(&finger);
        let node = Node::open_at(leaf, &image, Some(0))?;
        let mut edits = Edits::new();
        edits.add(pages, &node, write)?;
        let (entries, header) = (node.n(), node.header());
        for (first, len) in edits.released.drain(..) {
            pages.free_extent(first, len)?;
        }
        edits.choose_fill(entries);
        self.make(pages, &mut finger, (leaf, image, header), &edits)?;
        Ok(edits.deleted > 0)
    }

    /// Makes the edits of one leaf.
    fn make(
        self,
        pages: &mut impl WritePages,
        finger: &mut Finger,
        (leaf, image, header): (PageNo, PageImage, Header),
        edits: &Edits<'_>,
    ) -> Result<(), StorageError> {
        if edits.list.is_empty() {
            return Ok(());
        }
        let depth = finger.path().leaf_depth();
        if !edits.make_in_place(pages.page_mut_of(leaf, image)?, leaf, header)? {
            edits.merge(pages, finger, leaf)?;
            finger.lift();
            return Ok(());
        }
        let is_thinner = edits.deleted > 0 && leaf != self.root();
        if is_thinner && Node::open(leaf, pages.page_mut(leaf)?)?.is_underfull() {
            fill_up(pages, finger.path(), depth)?;
            finger.lift();
        }
        Ok(())
    }

    /// Sets the value of `key`. `Limit` if the key is longer than 65,535 bytes; see the type for what
    /// other errors leave behind.
    pub fn insert(
        self,
        pages: &mut impl WritePages,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), StorageError> {
        self.apply_one(pages, (key, Some(value)), None).map(drop)
    }

    /// Removes `key`, and says whether it was there. See the type for what an error leaves behind.
    pub fn delete(self, pages: &mut impl WritePages, key: &[u8]) -> Result<bool, StorageError> {
        self.apply_one(pages, (key, None), None)
    }
}

impl<'a> Edits<'a> {
    pub(super) fn new() -> Self {
        Self {
            list: SmallVec::new(),
            released: Vec::new(),
            freed: 0,
            needed: 0,
            deleted: 0,
            is_continued: false,
            fill: Fill::Loose,
        }
    }

    /// Whether the leaf stays as it is.
    pub(super) fn are_none(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether extents are given up.
    pub(super) fn releases(&self) -> bool {
        !self.released.is_empty()
    }

    /// Whether keys go and do not come back.
    pub(super) const fn deletes(&self) -> bool {
        self.deleted > 0
    }

    /// Whether `leaf` has no room for this.
    pub(super) fn needs_more_than(&self, leaf: &Node<'_>) -> bool {
        self.needed > leaf.room() + self.freed
    }

    pub(super) fn clear(&mut self) {
        self.released.clear();
        self.list.clear();
        (self.freed, self.needed, self.deleted) = (0, 0, 0);
    }

    /// Adds a write to the leaf. What of a new one is elsewhere is stored at once.
    pub(super) fn add(
        &mut self,
        pages: &mut impl WritePages,
        node: &Node<'_>,
        (key, value): Write<'a>,
    ) -> Result<(), StorageError> {
        let found = node.search(pages, key)?;
        let there = match found {
            Found::At(i) => Some(node.leaf_entry(i)?),
            Found::Before(_) => None,
        };
        if there.is_none() && value.is_none() {
            return Ok(());
        }
        let mut old = Old::Nothing;
        if let Some(entry) = &there {
            old = if is_same_length(entry, value) {
                Old::SameLength
            } else {
                self.freed += entry.cell_len() + leaf_entry_bytes();
                if let ValueRef::Extent { first, len } = entry.value {
                    self.released.push((first, len));
                }
                Old::Cell
            };
        }
        let tail = there.and_then(|entry| entry.key.tail);
        let new = if let Some(value) = value {
            Some(new_item(pages, (key, value), tail, node.page_size())?)
        } else {
            self.deleted += 1;
            let tail = tail.map(|tail| (tail.first, tail.len));
            self.released.extend(tail);
            None
        };
        if let Some(item) = new.filter(|_| old != Old::SameLength) {
            self.needed += item.cell_len(node.prefix().len()) + leaf_entry_bytes();
        }
        let at = found.lower();
        self.list.push(Edit { at, old, new });
        Ok(())
    }

    /// How the leaf's `entries` entries and the new ones are shared out, should they not fit one leaf.
    fn choose_fill(&mut self, entries: usize) {
        if self.is_continued {
            return;
        }
        let is_new = |edit: &Edit<'_>| edit.old == Old::Nothing;
        let all_at = |at: usize| self.list.iter().all(|edit| is_new(edit) && edit.at == at);
        self.fill = if entries == 0 {
            Fill::Loose
        } else if all_at(entries) {
            Fill::Ascending
        } else if all_at(0) {
            Fill::Descending(self.list.len())
        } else {
            Fill::Loose
        };
    }

    /// Changes the leaf in place if there is room. `header` is what was found sound in it.
    pub(super) fn make_in_place(
        &self,
        page: &mut [u8],
        leaf: PageNo,
        header: Header,
    ) -> Result<bool, StorageError> {
        let node = Node::reopen(leaf, page, header);
        if self.needs_more_than(&node) {
            return Ok(false);
        }
        let mut removed = 0;
        for edit in self.list.iter().rev() {
            match (edit.old, &edit.new) {
                (Old::Nothing, _) => {}
                (Old::SameLength, new) => overwrite(page, leaf, edit.at, new.as_ref())?,
                (Old::Cell, _) => {
                    remove_cell(page, leaf, edit.at)?;
                    removed += 1;
                }
            }
        }
        if self.needed == 0 {
            return Ok(true);
        }
        if Node::open_at(leaf, page, Some(0))?.gap() < self.needed {
            compact(page, leaf)?;
        }
        for edit in self.list.iter().rev() {
            removed -= usize::from(edit.old == Old::Cell);
            let new = edit.new.filter(|_| edit.old != Old::SameLength);
            if let Some(item) = new
                // In a damaged leaf places need not ascend with keys.
                && insert_cell(page, leaf, edit.at.saturating_sub(removed), &item)?
                    != Inserted::Yes
            {
                return Err(damage(leaf, "room for a cell", "none"));
            }
        }
        Ok(true)
    }

    /// Builds the leaf anew, or several.
    fn merge(
        &self,
        pages: &mut impl WritePages,
        finger: &Finger,
        leaf: PageNo,
    ) -> Result<(), StorageError> {
        let entries = decode(pages, leaf)?;
        let old = entries.items();
        let mut items = Vec::with_capacity(old.len() + self.list.len());
        let mut next = 0;
        for edit in &self.list {
            let before = old.get(next..edit.at);
            items.extend_from_slice(before.ok_or_else(|| entries.missing(edit.at))?);
            next = edit.at + usize::from(edit.old != Old::Nothing);
            items.extend(edit.new);
        }
        items.extend_from_slice(old.get(next..).unwrap_or_default());
        let depth = finger.path().leaf_depth();
        store(pages, finger.path(), depth, &entries.row(&items), self.fill)
    }
}

fn overwrite(
    page: &mut [u8],
    leaf: PageNo,
    i: usize,
    new: Option<&Item<'_>>,
) -> Result<(), StorageError> {
    match new.map(|item| item.payload) {
        Some(Payload::Value(value)) if overwrite_value(page, leaf, i, value)? => Ok(()),
        _ => Err(damage(leaf, "a value as long as the new one", "another")),
    }
}

fn is_same_length(entry: &LeafEntry<'_>, value: Option<&[u8]>) -> bool {
    matches!((&entry.value, value), (ValueRef::Inline(range), Some(value)) if range.len() == value.len())
}

/// An entry whose long parts are stored; `tail` is where the key's end is, if it was there before.
fn new_item<'a>(
    pages: &mut impl WritePages,
    (key, value): (&'a [u8], &'a [u8]),
    tail: Option<Tail>,
    page_size: usize,
) -> Result<Item<'a>, StorageError> {
    check_key_len(key)?;
    let inline = key.get(..key_inline_max(page_size)).unwrap_or(key);
    let end = key.get(inline.len()..).unwrap_or_default();
    let tail = match tail {
        Some(tail) => Some(tail.first),
        None if end.is_empty() => None,
        None => Some(pages.allocate_extent(end)?),
    };
    Ok(Item {
        key: InlineKey {
            inline,
            len: key.len(),
            tail,
        },
        payload: store_value(pages, value, value_inline_max(page_size))?,
    })
}

fn check_key_len(key: &[u8]) -> Result<(), StorageError> {
    if key.len() <= KEY_LEN_MAX {
        return Ok(());
    }
    let bytes = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
    Err(StorageError::limit(
        "key_len_bytes_max",
        bytes(key.len()),
        bytes(KEY_LEN_MAX),
    ))
}

fn store_value<'a>(
    pages: &mut impl WritePages,
    value: &'a [u8],
    inline_max: usize,
) -> Result<Payload<'a>, StorageError> {
    if value.len() <= inline_max {
        return Ok(Payload::Value(value));
    }
    let first = pages.allocate_extent(value)?;
    Ok(Payload::Extent {
        first,
        len: u64::try_from(value.len()).unwrap_or(u64::MAX),
    })
}
