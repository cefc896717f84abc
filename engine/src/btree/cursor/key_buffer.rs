//! The key of the entry that a cursor is at, put together from its pieces.
//!
//! The keys of a leaf share a prefix: it is written once a leaf, and each key behind it. Pieces are copied in one size, because
//! that takes no call; what is too much is overwritten by the next key.

use std::ops::Deref;

use crate::btree::node::WholeEntry;
use crate::btree::value::Key;

/// A longer key is on the heap.
const ROOM: usize = 72;
/// What is copied of a cell at once.
const PIECE: usize = 32;
/// The key bytes that stand beside the cell.
const HEAD: usize = 4;

/// A key that is replaced again and again.
#[derive(Debug)]
pub(super) struct KeyBuffer {
    len: usize,
    bytes: [u8; ROOM],
    /// The key, if it is longer than `ROOM`.
    long: Vec<u8>,
}

impl KeyBuffer {
    /// An empty key.
    pub(super) const fn new() -> Self {
        Self {
            len: 0,
            bytes: [0; ROOM],
            long: Vec::new(),
        }
    }

    /// Begins a leaf whose keys all begin with `prefix`. The key is of no use until it is replaced.
    #[inline]
    pub(super) fn begin(&mut self, prefix: &[u8]) {
        self.len = 0;
        if let Some(room) = self.bytes.get_mut(..prefix.len()) {
            room.copy_from_slice(prefix);
        }
    }

    /// Replaces what follows the prefix, which is the one of `begin`, by an entry's part of its key.
    #[inline]
    pub(super) fn replace(&mut self, prefix: &[u8], entry: &WholeEntry<'_>) {
        let at = prefix.len();
        if entry.suffix_len <= HEAD + PIECE
            && let Some(room) = self.bytes.get_mut(at..at + HEAD + PIECE)
            && let Some(piece) = entry.body.get(..PIECE)
        {
            let (head, room) = room.split_at_mut(HEAD);
            head.copy_from_slice(&entry.head);
            room.copy_from_slice(piece);
            self.len = at + entry.suffix_len;
            return;
        }
        self.replace_exactly(prefix, entry.head, entry.body, entry.suffix_len);
    }

    /// As `replace`, where there is no room for too much.
    #[inline(never)]
    fn replace_exactly(&mut self, prefix: &[u8], head: [u8; HEAD], body: &[u8], suffix_len: usize) {
        let head = head.get(..suffix_len.min(HEAD));
        let rest = body.get(..suffix_len.saturating_sub(HEAD));
        let (head, rest) = (head.unwrap_or_default(), rest.unwrap_or_default());
        let head_end = prefix.len() + head.len();
        let end = head_end + rest.len();
        self.len = end;
        if end > ROOM {
            self.long.clear();
            for piece in [prefix, head, rest] {
                self.long.extend_from_slice(piece);
            }
            return;
        }
        for (room, piece) in [(prefix.len()..head_end, head), (head_end..end, rest)] {
            if let Some(room) = self.bytes.get_mut(room) {
                room.copy_from_slice(piece);
            }
        }
    }

    /// Replaces all of it. The prefix of `begin` stays: `key` begins with it.
    pub(super) fn set(&mut self, key: &[u8]) {
        self.len = key.len();
        if let Some(room) = self.bytes.get_mut(..key.len()) {
            room.copy_from_slice(key);
        } else {
            self.long.clear();
            self.long.extend_from_slice(key);
        }
    }

    /// The key, to be kept.
    #[inline]
    pub(super) fn to_key(&self) -> Key {
        let short = self.bytes.first_chunk();
        let short = short.and_then(|bytes| Key::short(bytes, self.len));
        short.unwrap_or_else(|| Key::from(&**self))
    }
}

impl Deref for KeyBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_at_every_length_behind_every_prefix() {
        let whole: Vec<u8> = (0..200).map(|n| n ^ 0x55).collect();
        for prefix_len in 0..90 {
            let (prefix, rest) = whole.split_at(prefix_len);
            let mut key = KeyBuffer::new();
            key.begin(prefix);
            // Longer and shorter ones in turn; bodies that end with the key, and that go on behind it.
            for (suffix_len, beyond) in [9, 0, 60, 3, 36, 37, 4, 35, 1, 33]
                .into_iter()
                .flat_map(|len| [(len, 0), (len, 40)])
            {
                let mut head = [0; HEAD];
                let head_len = suffix_len.min(HEAD);
                head[..head_len].copy_from_slice(&rest[..head_len]);
                let entry = WholeEntry {
                    head,
                    body: &rest[head_len..suffix_len + beyond],
                    suffix_len,
                    value: 0..0,
                };
                key.replace(prefix, &entry);
                let expected = &whole[..prefix_len + suffix_len];
                assert_eq!(&*key, expected, "{suffix_len} bytes behind {prefix_len}");
                assert_eq!(&*key.to_key(), expected);
                key.set(expected);
                assert_eq!(&*key, expected);
            }
        }
    }
}
