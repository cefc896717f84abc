//! The writes to one table: the last one of each key, wherever it stands among those that came before.
//!
//! Keys and values are appended to one buffer as they come, and no more is done until their order matters: for a read of
//! the transaction's own writes, a range, or the commit. From then on the order is kept up with each write.
//!
//! Invariants:
//! 1. Entries are never changed. What is overwritten or taken out stays in the buffer, unseen, as long as somebody may go
//!    back to it; else it is given up when it has become more than what is seen.
//! 2. `order`, once known, has one entry a key, the last one, ascending.

use std::ops::Bound;
use std::sync::OnceLock;

use super::key_ranges::{Bounds, is_empty_range};
use super::write_order::{Order, Place};

/// One write: a key and its value, or `None` for a deletion.
pub type Write<'t> = (&'t [u8], Option<&'t [u8]>);

/// The last write of each key.
#[derive(Debug, Default)]
pub struct Writes {
    buffer: Buffer,
    order: OnceLock<Order>,
    /// Whether the keys did not come in strictly ascending order.
    is_shuffled: bool,
}

/// All writes, in the order in which they came.
#[derive(Debug, Default)]
pub struct Buffer {
    /// Keys, each with its value behind it.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where a write is; its value ends where the next write begins.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    /// Where the key ends.
    key_end: usize,
    is_put: bool,
}

/// Names a write: its place in the order in which they came.
pub type EntryId = usize;

/// Hidden bytes that are not worth a copy of the others.
const HIDDEN_BYTES_MIN: u64 = 1 << 20;
/// Writes whose bytes are asked for at a time, so that the memory has several to look for.
const READ_AHEAD: usize = 16;

impl Buffer {
    fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> EntryId {
        let start = self.bytes.len();
        let value_len = value.map_or(0, <[u8]>::len);
        self.bytes.reserve(key.len().saturating_add(value_len));
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.entries.push(Entry {
            start,
            key_end,
            is_put: value.is_some(),
        });
        self.entries.len().saturating_sub(1)
    }

    /// How many writes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The key of a write.
    pub fn key(&self, id: EntryId) -> &[u8] {
        let entry = self.entries.get(id);
        let key = entry.and_then(|entry| self.bytes.get(entry.start..entry.key_end));
        key.unwrap_or_default()
    }

    /// A write.
    pub fn write(&self, id: EntryId) -> Write<'_> {
        let Some(entry) = self.entries.get(id) else {
            return (&[], None);
        };
        let next = self.entries.get(id.saturating_add(1));
        let end = next.map_or(self.bytes.len(), |next| next.start);
        let value = self.bytes.get(entry.key_end..end);
        (self.key(id), value.filter(|_| entry.is_put))
    }

    /// The size of all keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// What a write counts for.
    pub fn size(&self, id: EntryId) -> u64 {
        let (key, value) = self.write(id);
        size(key, value)
    }

    /// Asks for the bytes of writes that will be read next: they lie anywhere, and waiting for all at once is quicker.
    fn read_ahead(&self, ids: &[EntryId]) {
        let first = |id: &EntryId| self.entries.get(*id).and_then(|e| self.bytes.get(e.start));
        let read = ids.iter().filter_map(first).fold(0, |sum, byte| sum ^ byte);
        std::hint::black_box(read);
    }
}

impl Writes {
    /// Adds a write, and returns its name and that of the one that it replaces, if `order` is known.
    pub fn insert(&mut self, key: &[u8], value: Option<&[u8]>) -> (EntryId, Option<EntryId>) {
        if !self.is_shuffled
            && let Some(last) = self.buffer.len().checked_sub(1)
        {
            self.is_shuffled = key <= self.buffer.key(last);
        }
        let id = self.buffer.push(key, value);
        let order = self.order.get_mut();
        let replaced = order.and_then(|order| order.set(&self.buffer, id));
        (id, replaced)
    }

    /// Makes `previous` the write that is seen instead of `id`, or none.
    pub fn undo(&mut self, id: EntryId, previous: Option<EntryId>) {
        self.settle();
        if let Some(order) = self.order.get_mut() {
            match previous {
                Some(previous) => order.restore(&self.buffer, previous),
                None => order.remove(&self.buffer, id),
            }
        }
    }

    /// Takes out the writes within `bounds`, and names them.
    pub fn take_range(&mut self, bounds: Bounds<'_>) -> Vec<EntryId> {
        let taken: Vec<EntryId> = self.range(bounds).ids().collect();
        if let Some(order) = self.order.get_mut() {
            for id in &taken {
                order.remove(&self.buffer, *id);
            }
        }
        taken
    }

    /// Puts back what was taken out.
    pub fn put_back(&mut self, taken: Vec<EntryId>) {
        self.settle();
        if let Some(order) = self.order.get_mut() {
            for id in taken {
                order.restore(&self.buffer, id);
            }
        }
    }

    /// What `ids` count for.
    pub fn bytes_of(&self, ids: &[EntryId]) -> u64 {
        ids.iter()
            .map(|id| self.buffer.size(*id))
            .fold(0, u64::saturating_add)
    }

    /// Finds out which writes are seen, so that `bytes` is exact, and keeps that up.
    pub fn settle(&mut self) {
        self.order();
    }

    fn hidden(&self) -> u64 {
        self.order.get().map_or(0, Order::hidden)
    }

    /// Gives up what nobody sees, if that is much. No name of a write is good any more.
    pub fn compact(&mut self) {
        let hidden = self.hidden();
        if hidden < HIDDEN_BYTES_MIN || hidden < self.bytes() {
            return;
        }
        let mut buffer = Buffer::default();
        for (key, value) in self.iter() {
            buffer.push(key, value);
        }
        *self = Self {
            buffer,
            ..Self::default()
        };
        self.settle();
    }

    fn order(&self) -> &Order {
        self.order
            .get_or_init(|| Order::of(&self.buffer, self.is_shuffled))
    }

    /// The write of `key`, if there is one: its value, or that there is none.
    #[expect(
        clippy::option_option,
        reason = "not written, deleted and put are three things"
    )]
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        if self.is_empty() {
            return None;
        }
        let id = self.order().get(&self.buffer, key)?;
        Some(self.buffer.write(id).1)
    }

    /// Whether no key is written.
    pub fn is_empty(&self) -> bool {
        match self.order.get() {
            Some(order) => order.is_empty(),
            None => self.buffer.len() == 0,
        }
    }

    /// The write, if there is one and never was another.
    pub fn sole(&self) -> Option<Write<'_>> {
        let is_sole = self.buffer.len() == 1 && !self.is_empty();
        is_sole.then(|| self.buffer.write(0))
    }

    /// The keys, as they came, some perhaps more than once.
    pub fn keys_as_they_came(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.buffer.len()).map(|id| self.buffer.key(id))
    }

    /// How many keys are written, at most.
    pub fn len_bound(&self) -> usize {
        self.buffer.len()
    }

    /// The size of all keys and values; at most, until the order is known.
    pub fn bytes(&self) -> u64 {
        self.buffer.bytes().saturating_sub(self.hidden())
    }

    /// All writes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Write<'_>> + Clone {
        let (in_order, order) = self.in_order();
        let in_order = (0..in_order).map(|id| self.buffer.write(id));
        in_order.chain(order.into_iter().flat_map(|order| self.iter_by(order)))
    }

    /// The names of all writes from the one at place `from` on, ascending by their keys.
    pub fn ids(&self, from: usize) -> impl Iterator<Item = EntryId> + '_ {
        let (in_order, order) = self.in_order();
        let blocks = order.into_iter().flat_map(Order::blocks);
        let mut passed: usize = in_order;
        let ids = blocks.flat_map(move |block| {
            let start = from.saturating_sub(passed);
            passed = passed.saturating_add(block.len());
            block.get(start..).unwrap_or_default().iter().copied()
        });
        (from.min(in_order)..in_order).chain(ids)
    }

    /// The writes of these names.
    pub fn named<'t>(&'t self, ids: &'t [EntryId]) -> impl Iterator<Item = Write<'t>> {
        if self.is_shuffled {
            self.buffer.read_ahead(ids);
        }
        ids.iter().map(|id| self.buffer.write(*id))
    }

    /// How many writes, as they came, are in order; or else their order, which stands for all.
    fn in_order(&self) -> (usize, Option<&Order>) {
        // Keys that came in ascending order are in order, and no list of them is needed.
        if self.is_shuffled || self.order.get().is_some() {
            (0, Some(self.order()))
        } else {
            (self.buffer.len(), None)
        }
    }

    fn iter_by<'t>(&'t self, order: &'t Order) -> impl Iterator<Item = Write<'t>> + Clone {
        let blocks = order.blocks().iter();
        blocks
            .flat_map(|block| block.chunks(READ_AHEAD))
            .flat_map(|ids| {
                if self.is_shuffled {
                    self.buffer.read_ahead(ids);
                }
                ids.iter().map(|id| self.buffer.write(*id))
            })
    }

    /// The writes within `bounds`, ascending.
    pub fn range(&self, bounds: Bounds<'_>) -> WritesRange<'_> {
        let order = self.order();
        let (front, back) = if is_empty_range(bounds) {
            (Place::default(), Place::default())
        } else {
            let place = |key, is_behind| order.place(&self.buffer, key, is_behind);
            let front = match bounds.0 {
                Bound::Unbounded => Place::default(),
                Bound::Included(key) => place(key, false),
                Bound::Excluded(key) => place(key, true),
            };
            let back = match bounds.1 {
                Bound::Unbounded => order.end(),
                Bound::Included(key) => place(key, true),
                Bound::Excluded(key) => place(key, false),
            };
            (front, back)
        };
        WritesRange {
            buffer: &self.buffer,
            order,
            front,
            back,
        }
    }
}

/// Writes within bounds, from both ends.
#[derive(Clone, Copy, Debug)]
pub struct WritesRange<'t> {
    buffer: &'t Buffer,
    order: &'t Order,
    front: Place,
    back: Place,
}

impl<'t> WritesRange<'t> {
    /// The first write that is left.
    pub fn front(&self) -> Option<Write<'t>> {
        let id = (self.front < self.back).then(|| self.order.at(self.front))?;
        id.map(|id| self.buffer.write(id))
    }

    /// The last write that is left.
    pub fn back(&self) -> Option<Write<'t>> {
        let id = (self.front < self.back).then(|| self.order.before(self.back))?;
        id.map(|place| self.buffer.write(self.order.at(place).unwrap_or_default()))
    }

    /// Takes the first write.
    pub fn pop_front(&mut self) -> Option<Write<'t>> {
        let write = self.front()?;
        self.front = self.order.after(self.front);
        Some(write)
    }

    /// Takes the last write.
    pub fn pop_back(&mut self) -> Option<Write<'t>> {
        let write = self.back()?;
        self.back = self.order.before(self.back)?;
        Some(write)
    }

    fn ids(mut self) -> impl Iterator<Item = EntryId> + use<'t> {
        std::iter::from_fn(move || {
            let id = (self.front < self.back).then(|| self.order.at(self.front))?;
            self.front = self.order.after(self.front);
            id
        })
    }
}

/// What one write counts for.
pub fn size(key: &[u8], value: Option<&[u8]>) -> u64 {
    (key.len() as u64).saturating_add(value.map_or(0, <[u8]>::len) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::RangeBounds;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Model = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            vec(0_u8..3, 0..4),
            (0_u16..2000).prop_map(|n| [&b"shared beginning"[..], &n.to_be_bytes()].concat()),
        ]
    }

    fn assert_same(writes: &Writes, model: &Model) {
        let all: Vec<_> = writes.iter().collect();
        let expected: Vec<_> = model.iter().map(|(k, v)| (&**k, v.as_deref())).collect();
        assert_eq!(all, expected);
        for from in [0, 1, expected.len() / 2, expected.len(), expected.len() + 1] {
            let ids: Vec<_> = writes.ids(from).collect();
            let named: Vec<_> = writes.named(&ids).collect();
            assert_eq!(named, expected.get(from..).unwrap_or_default());
        }
        for (key, value) in model {
            assert_eq!(writes.get(key), Some(value.as_deref()));
        }
        assert_eq!(writes.get(b"another"), None);
        assert_eq!(writes.is_empty(), model.is_empty());
    }

    /// From both ends in turn.
    fn collect(mut range: WritesRange<'_>) -> Vec<Write<'_>> {
        let (mut front, mut back) = (Vec::new(), Vec::new());
        loop {
            assert_eq!(range.front().is_some(), range.back().is_some());
            let Some(first) = range.pop_front() else {
                break;
            };
            front.push(first);
            back.extend(range.pop_back());
        }
        front.extend(back.into_iter().rev());
        front
    }

    proptest! {
        #[test]
        fn writes_are_what_a_map_holds_whenever_they_are_looked_at(
            steps in vec((key(), proptest::option::of(vec(any::<u8>(), 0..5)), 0_u8..40), 0..300),
            bounds in (key(), key()),
        ) {
            let (mut writes, mut model) = (Writes::default(), Model::new());
            for (key, value, look) in &steps {
                match look {
                    0 => assert_same(&writes, &model),
                    1 => {
                        writes.settle();
                        let bytes: u64 = model.iter().map(|(k, v)| size(k, v.as_deref())).sum();
                        prop_assert_eq!(writes.bytes(), bytes);
                    }
                    2 => {
                        let bounds = (Bound::Excluded(&key[..]), Bound::Unbounded);
                        let gone = writes.take_range(bounds);
                        let before = model.len();
                        model.retain(|key, _| !RangeBounds::<[u8]>::contains(&bounds, &key[..]));
                        prop_assert_eq!(gone.len(), before - model.len());
                    }
                    _ => {}
                }
                writes.insert(key, value.as_deref());
                model.insert(key.clone(), value.clone());
            }
            assert_same(&writes, &model);
            let (low, high) = (bounds.0.clone().min(bounds.1.clone()), bounds.0.max(bounds.1));
            let bounds = (Bound::Included(&low[..]), Bound::Excluded(&high[..]));
            let expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| low <= **key && **key < high)
                .map(|(key, value)| (&**key, value.as_deref()))
                .collect();
            prop_assert_eq!(collect(writes.range(bounds)), expected);
        }

        #[test]
        fn what_is_undone_last_first_leaves_what_was_there(
            kept in vec((key(), proptest::option::of(vec(any::<u8>(), 0..5))), 0..100),
            undone in vec((key(), proptest::option::of(vec(any::<u8>(), 0..5))), 0..100),
        ) {
            let (mut writes, mut model) = (Writes::default(), Model::new());
            for (key, value) in &kept {
                writes.insert(key, value.as_deref());
                model.insert(key.clone(), value.clone());
            }
            writes.settle();
            let bytes = writes.bytes();
            let mut steps: Vec<_> =
                undone.iter().map(|(key, value)| writes.insert(key, value.as_deref())).collect();
            let taken = writes.take_range((Bound::Unbounded, Bound::Unbounded));
            writes.put_back(taken);
            while let Some((id, previous)) = steps.pop() {
                writes.undo(id, previous);
            }
            assert_same(&writes, &model);
            prop_assert_eq!(writes.bytes(), bytes);
        }
    }

    #[test]
    fn a_key_written_again_and_again_does_not_fill_the_memory() {
        let mut writes = Writes::default();
        writes.insert(b"other", Some(b"1"));
        writes.settle();
        for n in 0..100_000_u32 {
            writes.insert(b"key", Some(&[n.to_le_bytes(); 100].concat()));
            writes.compact();
        }
        assert_eq!(writes.bytes(), 5 + 1 + 3 + 400);
        assert!(writes.buffer.bytes.len() < 4 << 20);
        assert_eq!(writes.get(b"other"), Some(Some(&b"1"[..])));
    }
}
