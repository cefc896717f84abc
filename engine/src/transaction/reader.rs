//! Reading tables as one snapshot sees them, with a transaction's own writes on top.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::btree::{Cursor, Key, Value};
use crate::engine::Engine;
use crate::error::{ReadError, StorageError};
use crate::image::Image;
use crate::page_store::{Sight, View};

use super::key_ranges::{Bounds, KeyRanges, is_empty_range};
use super::read_set::Watch;
use super::write_set::Seen;
use super::writes::WritesRange;

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
#[inline]
pub fn get(
    engine: &Engine,
    sight: Sight<'_>,
    table: &str,
    key: &[u8],
) -> Result<Option<Value>, ReadError> {
    match engine.table(sight, table)? {
        Some(tree) => Ok(tree.get(&sight, key)?),
        None => Ok(None),
    }
}

/// The entries of `table` within `bounds`. `watch` learns how far they are read.
pub fn range<'t>(
    engine: &Engine,
    view: &View,
    table: Seen<'_, 't>,
    bounds: Bounds<'_>,
    watch: Option<Watch>,
) -> Result<Range<'t>, ReadError> {
    let tree = table
        .base
        .map(|base| engine.table(view.sight(), base))
        .transpose()?;
    let tree = tree.flatten().filter(|_| !is_empty_range(bounds));
    Ok(Range {
        stored: tree.map(|tree| tree.range(view.clone(), bounds)),
        swept: table.swept(),
        front: None,
        back: None,
        writes: table.range(bounds),
        watch,
        failure: None,
    })
}

type Entry = (Key, Value);

/// The entries of a range, ascending; from both ends. After damage is met every further item is that
/// error.
#[derive(Debug)]
pub struct Range<'t> {
    stored: Option<Cursor<View>>,
    /// What of `stored` does not show.
    swept: Option<&'t KeyRanges>,
    /// Entries taken from `stored` and not handed out yet.
    front: Option<Entry>,
    back: Option<Entry>,
    writes: Option<WritesRange<'t>>,
    watch: Option<Watch>,
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
                self.writes.and_then(|writes| writes.front())
            } else {
                self.writes.and_then(|writes| writes.back())
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
                self.writes.as_mut().and_then(WritesRange::pop_front)
            } else {
                self.writes.as_mut().and_then(WritesRange::pop_back)
            };
            if let Some((key, Some(value))) = written {
                return Ok(Some((Key::from(key), Value::whole(Image::from(value)))));
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
        while here.is_none() {
            let next = if end == End::Front {
                cursor.next()
            } else {
                cursor.next_back()
            };
            let Some((key, value)) = next.transpose()? else {
                *here = there.take();
                return Ok(());
            };
            if self.swept.is_none_or(|swept| !swept.contains(&key)) {
                *here = Some((key, value));
            }
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

    /// Tells who watches what the caller is about to learn.
    fn note(&mut self, end: End, entry: Option<&Entry>) {
        match (&mut self.watch, entry) {
            (None, _) => {}
            (Some(watch), None) => watch.whole(),
            (Some(watch), Some((key, _))) if end == End::Front => watch.front(key),
            (Some(watch), Some((key, _))) => watch.back(key),
        }
    }

    fn step(&mut self, end: End) -> Option<Result<Entry, ReadError>> {
        if self.failure.is_none() {
            match self.advance(end) {
                Ok(entry) => {
                    self.note(end, entry.as_ref());
                    return entry.map(Ok);
                }
                Err(error) => self.failure = Some(error),
            }
            self.note(end, None);
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
