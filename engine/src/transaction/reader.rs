//! Reading tables as one snapshot sees them, with a transaction's own writes on top.

use std::ops::Bound;

use crate::btree::{Cursor, Direction, Key, See, Tree, Value};
use crate::engine::Engine;
use crate::error::{ReadError, StorageError};
use crate::page_store::{Sight, View};

use super::key_ranges::{Bounds, is_empty_range};
use super::merge::Merge;
use super::read_set::Watch;
use super::table_writes::TableWrites;
use super::write_set::Seen;

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
    let watch = watch.map(Box::new);
    if !table.writes.is_none_or(TableWrites::is_untouched) {
        let stored = tree.map(|tree| tree.range(view.clone(), bounds));
        let merge = Merge::new(stored, table.swept(), table.range(bounds));
        let entries = Entries::Merged(Box::new(merge));
        return Ok(Range { entries, watch });
    }
    let entries = match (tree, &watch) {
        (None, _) => Entries::None,
        (Some(tree), None) => Entries::Stored(tree.range(view.clone(), bounds)),
        (Some(tree), Some(_)) => Entries::Watched(Box::new(tree.range(view.clone(), bounds))),
    };
    Ok(Range { entries, watch })
}

/// Shows the first entries of `tree` within `bounds`; returns how many there were.
pub fn visit(
    tree: Option<Tree>,
    sight: Sight<'_>,
    bounds: Bounds<'_>,
    (count, see): (usize, &mut See<'_>),
) -> Result<usize, ReadError> {
    match tree.filter(|_| !is_empty_range(bounds)) {
        Some(tree) => Ok(tree.show(&sight, bounds, count, see)?),
        None => Ok(0),
    }
}

type Entry = (Key, Value);
/// An entry where it lies: key and value.
type Lent<'r> = (&'r [u8], &'r [u8]);

/// The entries of a range, ascending; from both ends. After damage is met every further item is that
/// error.
///
/// As an iterator it hands out keys and values that may be kept. [`next_ref`](Self::next_ref) lends them, which costs less:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use lightning_db::{Database, Options};
/// # let db = Database::in_memory(Options::new())?;
/// # db.put("t", b"a", b"1")?;
/// # db.put("t", b"b", b"22")?;
/// let mut bytes = 0;
/// let mut range = db.snapshot()?.scan("t")?;
/// while let Some(entry) = range.next_ref() {
///     let (key, value) = entry?;
///     bytes += key.len() + value.len();
/// }
/// assert_eq!(bytes, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Range<'t> {
    entries: Entries<'t>,
    watch: Option<Box<Watch>>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the common one, and an allocation costs as much as reading entries"
)]
enum Entries<'t> {
    /// There is no such table, or nothing between the bounds.
    None,
    /// As the snapshot has them: the transaction did not write to the table. Nobody watches.
    Stored(Cursor<View>),
    /// As the snapshot has them.
    Watched(Box<Cursor<View>>),
    Merged(Box<Merge<'t>>),
}

impl Entries<'_> {
    /// The current entry of a cursor that nobody watches.
    #[inline]
    fn lend_stored(&self) -> Option<Result<Lent<'_>, ReadError>> {
        match self {
            Self::Stored(cursor) => cursor.current().map(Ok),
            _ => None,
        }
    }
}

impl Range<'_> {
    /// The next entry, lent until the next one is asked for: its key is put together in a buffer of the range's, its value
    /// read where it lies. Nothing is allocated or counted. Lending and iterating may be mixed.
    pub fn next_ref(&mut self) -> Option<Result<Lent<'_>, ReadError>> {
        if let Entries::Stored(cursor) = &mut self.entries
            && cursor.pass_whole_entry::<true>()
        {
            return self.entries.lend_stored();
        }
        let found = self.go_up();
        self.lend(found)
    }

    /// As [`next_ref`](Self::next_ref), from the back.
    pub fn next_back_ref(&mut self) -> Option<Result<Lent<'_>, ReadError>> {
        let found = self.go_down();
        self.lend(found)
    }

    #[inline]
    fn lend(&self, found: Result<bool, StorageError>) -> Option<Result<Lent<'_>, ReadError>> {
        match found {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(error.into())),
        }
        match &self.entries {
            Entries::None => None,
            Entries::Stored(cursor) => cursor.current().map(Ok),
            Entries::Watched(cursor) => cursor.current().map(Ok),
            Entries::Merged(merge) => merge.current().map(|(key, value)| Ok((&**key, &**value))),
        }
    }

    #[inline]
    fn hand_out(&self, found: Result<bool, StorageError>) -> Option<Result<Entry, ReadError>> {
        match found {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(error.into())),
        }
        match &self.entries {
            Entries::None => None,
            Entries::Stored(cursor) => cursor.owned().map(Ok),
            Entries::Watched(cursor) => cursor.owned().map(Ok),
            Entries::Merged(merge) => merge.current().cloned().map(Ok),
        }
    }

    /// Goes on to the next entry from the front. False if there is none.
    #[inline]
    fn go_up(&mut self) -> Result<bool, StorageError> {
        match &mut self.entries {
            Entries::Stored(cursor) => cursor.next_entry(),
            _ => self.go_watched(Direction::Up),
        }
    }

    /// Goes on to the next entry from the back.
    #[inline]
    fn go_down(&mut self) -> Result<bool, StorageError> {
        match &mut self.entries {
            Entries::Stored(cursor) => cursor.previous_entry(),
            _ => self.go_watched(Direction::Down),
        }
    }

    #[inline(never)]
    fn go_watched(&mut self, end: Direction) -> Result<bool, StorageError> {
        let found = match &mut self.entries {
            Entries::None => Ok(false),
            Entries::Stored(cursor) => cursor.advance(end),
            Entries::Watched(cursor) => cursor.advance(end),
            Entries::Merged(merge) => merge.advance(end),
        };
        self.note(end);
        found
    }

    /// Tells who watches what the caller is about to learn.
    fn note(&mut self, end: Direction) {
        let key = match &self.entries {
            Entries::None => None,
            Entries::Stored(cursor) => cursor.current().map(|(key, _)| key),
            Entries::Watched(cursor) => cursor.current().map(|(key, _)| key),
            Entries::Merged(merge) => merge.current().map(|(key, _)| &**key),
        };
        match (&mut self.watch, key) {
            (None, _) => {}
            (Some(watch), None) => watch.whole(),
            (Some(watch), Some(key)) => match end {
                Direction::Up => watch.front(key),
                Direction::Down => watch.back(key),
            },
        }
    }
}

impl Iterator for Range<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.go_up();
        self.hand_out(found)
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let found = self.go_down();
        self.hand_out(found)
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
