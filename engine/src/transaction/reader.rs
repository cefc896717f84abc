//! Reading tables as one snapshot sees them, with a transaction's own writes on top.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;

use crate::btree::{Cursor, Key, Value};
use crate::catalog;
use crate::error::{ReadError, StorageError};
use crate::page_store::View;

use super::write_set::{Bounds, Write, WriteSet, is_empty_range};

/// The bounds of all keys that start with `prefix`: the end is owned by the caller through `end`.
pub fn prefix_bounds<'b>(prefix: &'b [u8], end: &'b mut Vec<u8>) -> Bounds<'b> {
    end.clear();
    end.extend_from_slice(prefix);
    while end.last() == Some(&0xff) {
        end.pop();
    }
    match end.last_mut() {
        Some(last) => *last = last.saturating_add(1),
        None => return (Bound::Included(prefix), Bound::Unbounded),
    }
    (Bound::Included(prefix), Bound::Excluded(end))
}

/// The value of `key` in `table`.
pub fn get(view: &View, table: &str, key: &[u8]) -> Result<Option<Value>, ReadError> {
    match catalog::find(view, table)? {
        Some(tree) => Ok(tree.get(view, key)?),
        None => Ok(None),
    }
}

/// The entries of `table` within `bounds`, with `writes` on top.
pub fn range<'t>(
    view: &View,
    writes: Option<&'t WriteSet>,
    table: &str,
    bounds: Bounds<'_>,
) -> Result<Range<'t>, ReadError> {
    let tree = catalog::find(view, table)?.filter(|_| !is_empty_range(bounds));
    let stored = tree.map(|tree| tree.range(view.clone(), bounds));
    let writes = writes.map(|writes| writes.range(table, bounds));
    Ok(Range {
        stored,
        front: None,
        back: None,
        writes: writes.unwrap_or_default(),
        failure: None,
    })
}

type Entry = (Key, Value);

/// The entries of a range, ascending; from both ends. After damage is met every further item is that
/// error.
#[derive(Debug)]
pub struct Range<'t> {
    stored: Option<Cursor<View>>,
    /// Entries taken from `stored` and not handed out yet.
    front: Option<Entry>,
    back: Option<Entry>,
    writes: VecDeque<Write<'t>>,
    failure: Option<StorageError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Front,
    Back,
}

impl Range<'_> {
    fn advance(&mut self, end: End) -> Result<Option<Entry>, StorageError> {
        loop {
            self.peek_stored(end)?;
            let written = if end == End::Front {
                self.writes.front()
            } else {
                self.writes.back()
            };
            let Some((key, _)) = written else {
                return Ok(self.take_stored(end));
            };
            let order = self
                .stored_key(end)
                .map_or(Ordering::Greater, |stored| stored.cmp(key));
            let order = if end == End::Back && self.stored_key(end).is_some() {
                order.reverse()
            } else {
                order
            };
            if order == Ordering::Less {
                return Ok(self.take_stored(end));
            }
            if order == Ordering::Equal {
                self.take_stored(end);
            }
            let written = if end == End::Front {
                self.writes.pop_front()
            } else {
                self.writes.pop_back()
            };
            if let Some((key, Some(value))) = written {
                return Ok(Some((Key::from(key.as_slice()), value.clone())));
            }
        }
    }

    /// Makes the next stored entry at `end` known, if there is one.
    fn peek_stored(&mut self, end: End) -> Result<(), StorageError> {
        let Some(cursor) = &mut self.stored else {
            return Ok(());
        };
        let (here, there) = match end {
            End::Front => (&mut self.front, &mut self.back),
            End::Back => (&mut self.back, &mut self.front),
        };
        if here.is_none() {
            let next = if end == End::Front {
                cursor.next()
            } else {
                cursor.next_back()
            };
            *here = next.transpose()?.or_else(|| there.take());
        }
        Ok(())
    }

    fn stored_key(&self, end: End) -> Option<&[u8]> {
        let entry = if end == End::Front {
            &self.front
        } else {
            &self.back
        };
        entry.as_ref().map(|(key, _)| &**key)
    }

    fn take_stored(&mut self, end: End) -> Option<Entry> {
        if end == End::Front {
            self.front.take()
        } else {
            self.back.take()
        }
    }

    fn step(&mut self, end: End) -> Option<Result<Entry, ReadError>> {
        if self.failure.is_none() {
            match self.advance(end) {
                Ok(entry) => return entry.map(Ok),
                Err(error) => self.failure = Some(error),
            }
        }
        self.failure.clone().map(|error| Err(error.into()))
    }
}

impl Iterator for Range<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(End::Front)
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(End::Back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key_that_lacks_it() {
        let end_of = |prefix: &[u8]| {
            let mut end = Vec::new();
            match prefix_bounds(prefix, &mut end).1 {
                Bound::Excluded(end) => Some(end.to_vec()),
                Bound::Included(_) | Bound::Unbounded => None,
            }
        };
        assert_eq!(end_of(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of(&[1, 0xff]), Some(vec![2]));
        assert_eq!(end_of(&[0xff, 0xff]), None);
        assert_eq!(end_of(b""), None);
    }
}
