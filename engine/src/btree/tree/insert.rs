//! Insertion: in place if there is room, after a compaction if that makes room, and only then by a split.

use super::descent::{Entry, Place};
use super::handle::Tree;
use super::path::Path;
use super::store::{decode, store};
use crate::btree::node::{
    Found, InlineKey, Inserted, Item, KEY_LEN_MAX, Payload, ValueRef, compact, damage, insert_cell,
    key_inline_max, overwrite_value, remove_cell, value_inline_max,
};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::WritePages;

impl Tree {
    /// Sets the value of `key`. `Limit` if the key is longer than 65,535 bytes; see the type for what
    /// other errors leave behind.
    pub fn insert(
        self,
        pages: &mut impl WritePages,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), StorageError> {
        check_key_len(key)?;
        let place = Place::find(pages, self.root(), key)?;
        let old = place.entry()?;
        let (leaf, found, page_size) = (place.leaf, place.found, place.image.len());
        // The image must be gone before its page is written, or the private page would be copied.
        drop(place);
        if let (
            Found::At(i),
            Some(Entry {
                value: ValueRef::Inline(range),
                ..
            }),
        ) = (found, &old)
            && range.len() == value.len()
            && overwrite_value(pages.page_mut(leaf)?, leaf, i, value)?
        {
            return Ok(());
        }
        let inline = key.get(..key_inline_max(page_size)).unwrap_or(key);
        let tail = match &old {
            Some(old) => old.tail.map(|tail| tail.first),
            None => store_end(pages, key.get(inline.len()..).unwrap_or_default())?,
        };
        let payload = store_value(pages, value, value_inline_max(page_size))?;
        if let Some(old) = &old {
            free_value(pages, &old.value)?;
            remove_cell(pages.page_mut(leaf)?, leaf, found.lower())?;
        }
        let item = Item {
            key: InlineKey {
                inline,
                len: key.len(),
                tail,
            },
            payload,
        };
        self.put(
            pages,
            &Target {
                leaf,
                i: found.lower(),
                key,
            },
            &item,
        )
    }

    fn put(
        self,
        pages: &mut impl WritePages,
        target: &Target<'_>,
        item: &Item<'_>,
    ) -> Result<(), StorageError> {
        let &Target { leaf, i, key } = target;
        let page = pages.page_mut(leaf)?;
        let mut inserted = insert_cell(page, leaf, i, item)?;
        if inserted == Inserted::AfterCompaction {
            compact(page, leaf)?;
            inserted = insert_cell(page, leaf, i, item)?;
        }
        if inserted == Inserted::Yes {
            return Ok(());
        }
        let path = Path::find(pages, self.root(), key)?;
        let depth = path.leaf_depth();
        if path.page(depth) != leaf {
            return Err(damage(
                leaf,
                "the leaf that a key leads to",
                path.page(depth),
            ));
        }
        let mut entries = decode(pages, leaf)?;
        entries.insert(i, item)?;
        store(pages, &path, depth, &entries, Some(i))
    }
}

/// Before which entry of which leaf a key goes.
struct Target<'a> {
    leaf: PageNo,
    i: usize,
    key: &'a [u8],
}

fn check_key_len(key: &[u8]) -> Result<(), StorageError> {
    if key.len() <= KEY_LEN_MAX {
        return Ok(());
    }
    let bytes = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
    Err(StorageError::Limit {
        name: "key_len_bytes_max",
        needed: bytes(key.len()),
        allowed: bytes(KEY_LEN_MAX),
    })
}

/// Stores what of a key is not inline, if anything.
fn store_end(pages: &mut impl WritePages, end: &[u8]) -> Result<Option<PageNo>, StorageError> {
    if end.is_empty() {
        Ok(None)
    } else {
        pages.allocate_extent(end).map(Some)
    }
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

/// Gives back the extent of a value that has one.
pub(super) fn free_value(
    pages: &mut impl WritePages,
    value: &ValueRef,
) -> Result<(), StorageError> {
    match value {
        ValueRef::Inline(_) => Ok(()),
        ValueRef::Extent { first, len } => pages.free_extent(*first, *len),
    }
}
