//! The ascending order of a table's writes, in blocks that an insertion moves little of.

use super::writes::{Buffer, EntryId};

/// Names of writes by ascending keys. No block is empty.
#[derive(Debug, Default)]
pub struct Order {
    blocks: Vec<Vec<EntryId>>,
    /// The size of all other writes in the buffer.
    hidden: u64,
}

/// A place in the order: which block, and where in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    block: usize,
    index: usize,
}

const BLOCK_LEN_MAX: usize = 512;
/// Half of it, so that what comes later has room.
const BLOCK_LEN: usize = BLOCK_LEN_MAX / 2;

impl Order {
    /// The last write of each key. Keys that are not `is_shuffled` ascend as they come.
    pub fn of(buffer: &Buffer, is_shuffled: bool) -> Self {
        let ids: Vec<EntryId> = if is_shuffled {
            sorted(buffer)
        } else {
            (0..buffer.len()).collect()
        };
        let blocks = ids.chunks(BLOCK_LEN).map(<[EntryId]>::to_vec).collect();
        let seen = |ids: &[EntryId]| ids.iter().map(|id| buffer.size(*id)).sum::<u64>();
        let hidden = if ids.len() < buffer.len() {
            buffer.bytes().saturating_sub(seen(&ids))
        } else {
            0
        };
        Self { blocks, hidden }
    }

    /// The size of the writes that were replaced or taken out.
    pub fn hidden(&self) -> u64 {
        self.hidden
    }

    /// The blocks, each ascending, and one after the other.
    pub fn blocks(&self) -> &[Vec<EntryId>] {
        &self.blocks
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Where `key` is, or else would be.
    fn find(&self, buffer: &Buffer, key: &[u8]) -> Result<Place, Place> {
        let first_above = self.blocks.partition_point(|block| {
            let first = block.first().copied().unwrap_or_default();
            buffer.key(first) <= key
        });
        let block = first_above.saturating_sub(1);
        let ids = self.blocks.get(block).map_or(&[][..], Vec::as_slice);
        match ids.binary_search_by(|id| buffer.key(*id).cmp(key)) {
            Ok(index) => Ok(Place { block, index }),
            Err(index) => Err(Place { block, index }),
        }
    }

    /// The write of `key`.
    pub fn get(&self, buffer: &Buffer, key: &[u8]) -> Option<EntryId> {
        self.at(self.find(buffer, key).ok()?)
    }

    /// Makes `id`, which is new, its key's write, and returns the one before.
    pub fn set(&mut self, buffer: &Buffer, id: EntryId) -> Option<EntryId> {
        let (place, is_there) = match self.find(buffer, buffer.key(id)) {
            Ok(place) => (place, true),
            Err(place) => (place, false),
        };
        let Some(block) = self.blocks.get_mut(place.block) else {
            self.blocks.push(vec![id]);
            return None;
        };
        if is_there {
            let old = std::mem::replace(block.get_mut(place.index)?, id);
            self.hidden = self.hidden.saturating_add(buffer.size(old));
            return Some(old);
        }
        block.insert(place.index, id);
        if block.len() > BLOCK_LEN_MAX {
            let upper = block.split_off(BLOCK_LEN);
            self.blocks.insert(place.block.saturating_add(1), upper);
        }
        None
    }

    /// Makes `id`, which was replaced or taken out, its key's write again.
    pub fn restore(&mut self, buffer: &Buffer, id: EntryId) {
        self.set(buffer, id);
        self.hidden = self.hidden.saturating_sub(buffer.size(id));
    }

    /// Takes out the key of `id`.
    pub fn remove(&mut self, buffer: &Buffer, id: EntryId) {
        let Ok(place) = self.find(buffer, buffer.key(id)) else {
            return;
        };
        if let Some(block) = self.blocks.get_mut(place.block) {
            block.remove(place.index);
            if block.is_empty() {
                self.blocks.remove(place.block);
            }
            self.hidden = self.hidden.saturating_add(buffer.size(id));
        }
    }

    /// The place of `key`, or just behind it.
    pub fn place(&self, buffer: &Buffer, key: &[u8], is_behind: bool) -> Place {
        match self.find(buffer, key) {
            Ok(place) if is_behind => self.after(place),
            Ok(place) => place,
            Err(place) => self.normal(place),
        }
    }

    /// The place behind all keys.
    pub fn end(&self) -> Place {
        Place {
            block: self.blocks.len(),
            index: 0,
        }
    }

    /// The write at `place`.
    pub fn at(&self, place: Place) -> Option<EntryId> {
        self.blocks.get(place.block)?.get(place.index).copied()
    }

    /// The place behind `place`.
    pub fn after(&self, place: Place) -> Place {
        self.normal(Place {
            index: place.index.saturating_add(1),
            ..place
        })
    }

    /// The place before `place`; none before the first.
    pub fn before(&self, place: Place) -> Option<Place> {
        if let Some(index) = place.index.checked_sub(1) {
            return Some(Place { index, ..place });
        }
        let block = place.block.checked_sub(1)?;
        let index = self.blocks.get(block)?.len().checked_sub(1)?;
        Some(Place { block, index })
    }

    /// Behind the end of a block is the beginning of the next.
    fn normal(&self, place: Place) -> Place {
        let len = self.blocks.get(place.block).map_or(0, Vec::len);
        if place.index < len {
            place
        } else {
            Place {
                block: place.block.saturating_add(1).min(self.blocks.len()),
                index: 0,
            }
        }
    }
}

/// The last write of each key, by ascending keys. What all keys begin with is left out of the heads that they are sorted by.
fn sorted(buffer: &Buffer) -> Vec<EntryId> {
    let shared = shared_len(buffer);
    let head = |id: EntryId| (head(buffer.key(id).get(shared..).unwrap_or_default()), id);
    let mut heads: Vec<(u64, EntryId)> = (0..buffer.len()).map(head).collect();
    heads.sort_unstable_by(|a, b| {
        let keys = || buffer.key(a.1).cmp(buffer.key(b.1)).then(a.1.cmp(&b.1));
        a.0.cmp(&b.0).then_with(keys)
    });
    let is_same =
        |a: (u64, EntryId), b: (u64, EntryId)| a.0 == b.0 && buffer.key(a.1) == buffer.key(b.1);
    let next = heads.iter().copied().skip(1).map(Some).chain([None]);
    let last = heads.iter().copied().zip(next);
    last.filter(|(write, next)| next.is_none_or(|next| !is_same(*write, next)))
        .map(|((_, id), _)| id)
        .collect()
}

/// How many bytes all keys begin with.
fn shared_len(buffer: &Buffer) -> usize {
    let first = buffer.key(0);
    let mut shared = first.len();
    for id in 1..buffer.len() {
        let both = first.iter().take(shared).zip(buffer.key(id));
        shared = both.take_while(|(a, b)| a == b).count();
        if shared == 0 {
            break;
        }
    }
    shared
}

/// The first 8 bytes as a number that sorts like them; missing ones are zeroes.
fn head(key: &[u8]) -> u64 {
    if let Some(head) = key.first_chunk() {
        return u64::from_be_bytes(*head);
    }
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(key) {
        *to = *from;
    }
    u64::from_be_bytes(head)
}
