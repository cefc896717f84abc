//! The entries of a table below a transaction's own writes to it.

use std::cmp::Ordering;

use crate::btree::{Cursor, Direction, Key, Value};
use crate::error::StorageError;
use crate::image::Image;
use crate::page_store::View;

use super::key_ranges::KeyRanges;
use super::writes::WritesRange;

type Entry = (Key, Value);

/// What is stored and what was written, merged; from both ends. After damage is met every further item is that error.
#[derive(Debug)]
pub struct Merge<'t> {
    stored: Option<Cursor<View>>,
    /// What of `stored` does not show.
    swept: Option<&'t KeyRanges>,
    /// Entries taken from `stored` and not handed out yet.
    front: Option<Entry>,
    back: Option<Entry>,
    writes: Option<WritesRange<'t>>,
    current: Option<Entry>,
    failure: Option<StorageError>,
}

impl<'t> Merge<'t> {
    /// `writes`, ascending, above what of `stored` is not `swept`.
    pub fn new(
        stored: Option<Cursor<View>>,
        swept: Option<&'t KeyRanges>,
        writes: Option<WritesRange<'t>>,
    ) -> Self {
        Self {
            stored,
            swept,
            front: None,
            back: None,
            writes,
            current: None,
            failure: None,
        }
    }

    /// Goes on to the next entry from one end. False if there is none.
    pub fn advance(&mut self, end: Direction) -> Result<bool, StorageError> {
        self.current = None;
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        match self.next(end) {
            Ok(entry) => self.current = entry,
            Err(error) => {
                self.failure = Some(error.clone());
                return Err(error);
            }
        }
        Ok(self.current.is_some())
    }

    /// The current entry, after `advance` found one.
    pub fn current(&self) -> Option<&Entry> {
        self.current.as_ref()
    }

    fn next(&mut self, end: Direction) -> Result<Option<Entry>, StorageError> {
        loop {
            self.peek_stored(end)?;
            let written = match end {
                Direction::Up => self.writes.and_then(|writes| writes.front()),
                Direction::Down => self.writes.and_then(|writes| writes.back()),
            };
            let Some((key, _)) = written else {
                return Ok(self.here(end).take());
            };
            let stored = self.stored_key(end);
            let order = match (stored.map(|stored| stored.cmp(key)), end) {
                (None, _) => Ordering::Greater,
                (Some(order), Direction::Up) => order,
                (Some(order), Direction::Down) => order.reverse(),
            };
            if order == Ordering::Less {
                return Ok(self.here(end).take());
            }
            if order == Ordering::Equal {
                *self.here(end) = None;
            }
            let written = match end {
                Direction::Up => self.writes.as_mut().and_then(WritesRange::pop_front),
                Direction::Down => self.writes.as_mut().and_then(WritesRange::pop_back),
            };
            if let Some((key, Some(value))) = written {
                return Ok(Some((Key::from(key), Value::whole(Image::from(value)))));
            }
        }
    }

    /// Makes the next stored entry at `end` known, if there is one.
    fn peek_stored(&mut self, end: Direction) -> Result<(), StorageError> {
        let Some(cursor) = &mut self.stored else {
            return Ok(());
        };
        let (here, there) = match end {
            Direction::Up => (&mut self.front, &mut self.back),
            Direction::Down => (&mut self.back, &mut self.front),
        };
        while here.is_none() {
            if !cursor.advance(end)? {
                *here = there.take();
                return Ok(());
            }
            let shows = self.swept.is_none_or(|swept| !swept.contains(cursor.key()));
            if shows {
                *here = cursor.owned();
            }
        }
        Ok(())
    }

    fn here(&mut self, end: Direction) -> &mut Option<Entry> {
        match end {
            Direction::Up => &mut self.front,
            Direction::Down => &mut self.back,
        }
    }

    fn stored_key(&self, end: Direction) -> Option<&[u8]> {
        let entry = match end {
            Direction::Up => &self.front,
            Direction::Down => &self.back,
        };
        entry.as_ref().map(|(key, _)| &**key)
    }
}
