//! The entries between two bounds, from both ends.
//!
//! An end is looked for when it is first needed. What of its leaf belongs to the range is found once a leaf, so that an
//! entry costs a comparison of indexes, and no key is compared. The other bound costs no descent of its own unless entries
//! are taken from that side too; from then on the cursor is finished when the front is no longer before the back, which is
//! decided by indexes again.
//!
//! The key of the current entry is put together in a buffer of the cursor's, its value lies in the leaf: whoever looks at
//! entries one after the other copies no value, counts no reference and allocates nothing.
//!
//! Over damaged pages it ends all the same: B3 bounds the depth, and a leaf is entered only if its keys lie
//! beyond those of the one before, so that none is entered twice from the same side.

mod ahead;
mod difference;
mod key_buffer;
mod position;
mod show;
mod walk;
mod way;

use std::cmp::Ordering;
use std::ops::Bound;

use super::node::{Node, ValueRef, load_extent};
use super::value::{Key, Value};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::image::{Image, Trace};
use crate::pages::ReadPages;

use key_buffer::KeyBuffer;
use position::{Frame, NEXT_AHEAD, Position, count};

pub use difference::first_difference;
pub use show::{See, show};
pub use walk::first_keys;

/// Goes over the entries of a tree in the order of their keys.
///
/// Meeting damage, it returns an error, and goes on returning it from either end.
#[derive(Debug)]
pub struct Cursor<P> {
    pages: P,
    range: Range,
    state: State,
    front: Option<Position>,
    /// Most cursors are read from the front only, and are smaller for it.
    back: Option<Box<Position>>,
    /// The entries of the front's leaf from this one on are not in the range, or were taken from the back.
    stop: usize,
    /// The entries of the back's leaf before this one are not in the range, or were taken from the front.
    floor: usize,
    /// Both ends are known and in one leaf, or have met.
    is_shared: bool,
    /// The current entry's key.
    key: KeyBuffer,
    /// The end with whose leaf's prefix `key` begins.
    primed: Option<Direction>,
    /// The current entry's value.
    value: Current,
    /// The one that is in an extent.
    extent: Option<Image>,
}

/// What is gone over.
#[derive(Debug)]
struct Range {
    root: PageNo,
    from: Bound<Key>,
    to: Bound<Key>,
}

#[derive(Debug)]
enum State {
    Open,
    Finished,
    Failed(StorageError),
}

/// While an entry is passed, so many lines are asked for of the leaf that comes next, the ones that it needs first before others.
const LINES_AN_ENTRY: usize = 4;
const BYTES_AN_ENTRY: usize = 64 * LINES_AN_ENTRY;

/// Where the current entry's value is.
#[derive(Clone, Copy, Debug)]
enum Current {
    /// There is no current entry.
    None,
    /// In the leaf at that end, from one offset to the other.
    Inline(Direction, usize, usize),
    Extent,
}

/// What `pass_otherwise` did.
enum Passed {
    /// It passed an entry.
    Entry,
    /// It went on to a leaf, in which the next entry is.
    ToLeaf,
    /// There is no entry.
    None,
}

/// Where an end begins.
#[derive(Clone, Copy)]
enum Seek<'a> {
    First,
    Last,
    Before(&'a [u8]),
    After(&'a [u8]),
}

/// Towards larger keys or smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the front, towards larger keys.
    Up,
    /// From the back, towards smaller keys.
    Down,
}

type Entry = (Key, Value);

impl<P: ReadPages> Cursor<P> {
    #[inline]
    pub(crate) fn new(pages: P, root: PageNo, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Self {
        Self {
            pages,
            range: Range::new(root, from, to),
            state: State::Open,
            front: None,
            back: None,
            stop: 0,
            floor: 0,
            is_shared: false,
            key: KeyBuffer::new(),
            primed: None,
            value: Current::None,
            extent: None,
        }
    }

    /// How many entries are left between the two ends. Reads leaves, but no values.
    pub fn entries_left(self) -> Result<u64, StorageError> {
        match self.state {
            State::Finished => return Ok(0),
            State::Failed(error) => return Err(error),
            State::Open => {}
        }
        let seek = |direction| {
            let start = self.range.start(direction);
            Position::seek(&self.pages, self.range.root, (direction, start))
        };
        let front = match self.front {
            Some(front) => front,
            None => seek(Direction::Up)?,
        };
        let back = match self.back {
            Some(back) => *back,
            None => seek(Direction::Down)?,
        };
        count(&self.pages, front, &back)
    }

    /// Goes on to the next entry from the front, and makes it the current one. False if there is none.
    #[inline]
    pub fn next_entry(&mut self) -> Result<bool, StorageError> {
        self.pass_entry::<true>()
    }

    /// Goes on to the next entry from the back.
    #[inline]
    pub fn previous_entry(&mut self) -> Result<bool, StorageError> {
        self.pass_entry::<false>()
    }

    /// Goes on to the next entry from one end.
    pub fn advance(&mut self, direction: Direction) -> Result<bool, StorageError> {
        match direction {
            Direction::Up => self.next_entry(),
            Direction::Down => self.previous_entry(),
        }
    }

    #[expect(clippy::inline_always, reason = "as of what it calls")]
    #[inline(always)]
    fn pass_entry<const UP: bool>(&mut self) -> Result<bool, StorageError> {
        loop {
            if self.pass_whole_entry::<UP>() {
                return Ok(true);
            }
            match self.pass_otherwise(Direction::of::<UP>())? {
                Passed::Entry => return Ok(true),
                Passed::ToLeaf => {}
                Passed::None => return Ok(false),
            }
        }
    }

    /// Passes the next entry from the front (`UP`) or the back, if it lies in the leaf that this end is in, and whole. This
    /// is what happens nearly always, so it is kept free of all else.
    #[expect(
        clippy::inline_always,
        reason = "what it finds is looked at by its caller at once"
    )]
    #[inline(always)]
    pub fn pass_whole_entry<const UP: bool>(&mut self) -> bool {
        let direction = Direction::of::<UP>();
        let end = if UP {
            self.front.as_mut()
        } else {
            self.back.as_deref_mut()
        };
        let Some(end) = end.filter(|_| self.primed == Some(direction)) else {
            return false;
        };
        let index = end.leaf.index;
        // The entries left, this one among them.
        let (is_left, i, beyond) = if UP {
            (index < self.stop, index, index + 1)
        } else {
            let before = index.wrapping_sub(1);
            (index > self.floor, before, before)
        };
        let node = end.leaf.node();
        let Some(entry) = node.whole_entry(i).filter(|_| is_left) else {
            return false;
        };
        self.key.replace(node.prefix(), &entry);
        self.value = Current::Inline(direction, entry.value.start, entry.value.end);
        if let Some(next) = end.next {
            let left = if UP {
                self.stop - index
            } else {
                index - self.floor
            };
            prefetch_share::<UP>(next, left, node.page_size());
        }
        end.leaf.index = beyond;
        if self.extent.is_some() {
            self.forget_extent();
        }
        if self.is_shared {
            self.share(direction);
        }
        true
    }

    #[cold]
    fn forget_extent(&mut self) {
        self.extent = None;
    }

    /// Passes the next entry from one end, wherever it is and whatever of it is elsewhere; or goes on to its leaf.
    #[inline(never)]
    fn pass_otherwise(&mut self, direction: Direction) -> Result<Passed, StorageError> {
        if !self.settle(direction)? {
            return Ok(Passed::None);
        }
        if self.primed != Some(direction) {
            self.prime(direction);
            return Ok(Passed::ToLeaf);
        }
        let taken = self.take_apart(direction);
        if let Err(error) = &taken {
            self.close(State::Failed(error.clone()));
        }
        taken.map(|is_taken| {
            if is_taken {
                Passed::Entry
            } else {
                Passed::None
            }
        })
    }

    /// The current entry's key; empty before the first one.
    #[inline]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The current entry, where it lies; none before the first one, behind the last one, and after damage.
    #[inline]
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        let value = match self.value {
            Current::None => return None,
            Current::Inline(direction, start, end) => {
                self.leaf(direction)?.image.get(start..end)?
            }
            Current::Extent => self.extent.as_ref()?,
        };
        Some((&self.key, value))
    }

    /// The current entry, to be kept.
    #[inline]
    pub fn owned(&self) -> Option<Entry> {
        let value = match self.value {
            Current::None => return None,
            Current::Inline(direction, start, end) => {
                Value::new(self.leaf(direction)?.image.clone(), start..end)?
            }
            Current::Extent => Value::whole(self.extent.clone()?),
        };
        Some((self.key.to_key(), value))
    }

    #[inline]
    fn leaf(&self, direction: Direction) -> Option<&Frame> {
        match direction {
            Direction::Up => self.front.as_ref().map(|end| &end.leaf),
            Direction::Down => self.back.as_ref().map(|end| &end.leaf),
        }
    }

    /// Whether the next entry from one end is in that end's leaf.
    #[inline]
    fn has_entry(&self, direction: Direction) -> bool {
        self.leaf(direction).is_some_and(|leaf| match direction {
            Direction::Up => leaf.index < self.stop,
            Direction::Down => leaf.index > self.floor,
        })
    }

    /// Begins the buffer of the key with what all keys of an end's leaf begin with.
    fn prime(&mut self, direction: Direction) {
        let leaf = match direction {
            Direction::Up => self.front.as_ref().map(|end| &end.leaf),
            Direction::Down => self.back.as_ref().map(|end| &end.leaf),
        };
        if let Some(leaf) = leaf {
            self.key.begin(leaf.node().prefix());
        }
        self.primed = Some(direction);
    }

    /// Tells the other end, which is in the same leaf, how far this one has come.
    fn share(&mut self, direction: Direction) {
        let index = self.leaf(direction).map_or(0, |leaf| leaf.index);
        match direction {
            Direction::Up => self.floor = index,
            Direction::Down => self.stop = index,
        }
    }

    /// Goes on to a leaf with an entry for this end. False if there is none.
    fn settle(&mut self, direction: Direction) -> Result<bool, StorageError> {
        match &self.state {
            State::Open => {}
            State::Finished => return Ok(false),
            State::Failed(error) => return Err(error.clone()),
        }
        let found = self.find(direction);
        match &found {
            Ok(true) => {}
            Ok(false) => self.close(State::Finished),
            Err(error) => self.close(State::Failed(error.clone())),
        }
        found
    }

    fn find(&mut self, direction: Direction) -> Result<bool, StorageError> {
        if self.leaf(direction).is_none() {
            let start = self.range.start(direction);
            let position = Position::seek(&self.pages, self.range.root, (direction, start))?;
            match direction {
                Direction::Up => self.front = Some(position),
                Direction::Down => self.back = Some(Box::new(position)),
            }
            self.look_at_leaf(direction)?;
        }
        loop {
            if self.has_entry(direction) {
                return Ok(true);
            }
            if self.ends_in_leaf(direction) {
                return Ok(false);
            }
            let end = match direction {
                Direction::Up => self.front.as_mut(),
                Direction::Down => self.back.as_deref_mut(),
            };
            let Some(end) = end else { return Ok(false) };
            if !end.step_to_leaf(&self.pages, direction)? {
                return Ok(false);
            }
            self.look_at_leaf(direction)?;
        }
    }

    /// Whether no further leaf has entries for this end.
    fn ends_in_leaf(&self, direction: Direction) -> bool {
        let n = self.leaf(direction).map_or(0, |leaf| leaf.node().n());
        self.is_shared
            || match direction {
                Direction::Up => self.stop < n,
                Direction::Down => self.floor > 0,
            }
    }

    /// Finds what of the leaf that an end has come to is in the range, and not yet the other end's.
    fn look_at_leaf(&mut self, direction: Direction) -> Result<(), StorageError> {
        self.primed = None;
        if let (Some(front), Some(back)) = (&self.front, &self.back) {
            let order = front.cmp_leaves(back);
            self.is_shared = order != Ordering::Less;
            match (order, direction) {
                (Ordering::Less, Direction::Up) => self.stop = front.leaf.node().n(),
                (Ordering::Less, Direction::Down) => self.floor = 0,
                (Ordering::Equal, _) => {
                    (self.floor, self.stop) = (front.leaf.index, back.leaf.index);
                }
                (Ordering::Greater, _) => (self.floor, self.stop) = (usize::MAX, 0),
            }
            return Ok(());
        }
        let beyond = self.range.start(direction.opposite());
        if let Some(leaf) = self.leaf(direction) {
            let place = beyond.place_in(&self.pages, &leaf.node())?;
            let ends_here = match direction {
                Direction::Up => place < leaf.node().n(),
                Direction::Down => place > 0,
            };
            match direction {
                Direction::Up => self.stop = place,
                Direction::Down => self.floor = place,
            }
            if ends_here {
                self.expect_no_leaf(direction);
            }
        }
        Ok(())
    }

    /// No leaf after this one is going to be read.
    fn expect_no_leaf(&mut self, direction: Direction) {
        let end = match direction {
            Direction::Up => self.front.as_mut(),
            Direction::Down => self.back.as_deref_mut(),
        };
        if let Some(end) = end {
            end.next = None;
        }
    }

    /// Passes an entry that does not lie whole in its leaf, or not as it should.
    fn take_apart(&mut self, direction: Direction) -> Result<bool, StorageError> {
        let leaf = match direction {
            Direction::Up => self.front.as_mut().map(|end| &mut end.leaf),
            Direction::Down => self.back.as_mut().map(|end| &mut end.leaf),
        };
        let Some(leaf) = leaf else {
            return Ok(false);
        };
        let i = match direction {
            Direction::Up => leaf.index,
            Direction::Down => leaf.index.wrapping_sub(1),
        };
        let node = leaf.node();
        let entry = node.leaf_entry(i)?;
        let key = node.assemble(&self.pages, &entry.key)?;
        let (value, extent) = match entry.value {
            ValueRef::Inline(range) => {
                let inline = Current::Inline(direction, range.start, range.end);
                (inline, None)
            }
            ValueRef::Extent { first, len } => {
                let extent = load_extent(leaf.no, &self.pages, first, len)?;
                (Current::Extent, Some(extent))
            }
        };
        leaf.index = match direction {
            Direction::Up => i.wrapping_add(1),
            Direction::Down => i,
        };
        self.key.set(&key);
        (self.value, self.extent) = (value, extent);
        if self.is_shared {
            self.share(direction);
        }
        Ok(true)
    }

    fn close(&mut self, state: State) {
        self.state = state;
        (self.front, self.back) = (None, None);
        (self.value, self.extent) = (Current::None, None);
    }

    fn hand_out(&self, found: Result<bool, StorageError>) -> Option<Result<Entry, StorageError>> {
        match found {
            Ok(true) => self.owned().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// Asks for a share of the leaf that comes next, as one of the `left` last entries of its neighbour is passed.
#[inline]
fn prefetch_share<const UP: bool>(next: Trace, left: usize, page_size: usize) {
    let before = left * BYTES_AN_ENTRY;
    if before > page_size {
        return;
    }
    // The cells of a leaf that was written as a whole begin at its end.
    let share = if UP {
        before - BYTES_AN_ENTRY
    } else {
        page_size - before
    };
    next.prefetch_lines::<LINES_AN_ENTRY>(share);
    if left == NEXT_AHEAD {
        next.prefetch_start();
    }
}

impl<P: ReadPages> Iterator for Cursor<P> {
    type Item = Result<Entry, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.next_entry();
        self.hand_out(found)
    }
}

impl<P: ReadPages> DoubleEndedIterator for Cursor<P> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let found = self.previous_entry();
        self.hand_out(found)
    }
}

impl Direction {
    const fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// The index after `index`, if there is one on that side.
    const fn next(self, index: usize) -> Option<usize> {
        match self {
            Self::Up => index.checked_add(1),
            Self::Down => index.checked_sub(1),
        }
    }

    const fn of<const UP: bool>() -> Self {
        if UP { Self::Up } else { Self::Down }
    }
}

/// A bound, to be kept.
#[inline]
fn kept(bound: Bound<&[u8]>) -> Bound<Key> {
    match bound {
        Bound::Included(key) => Bound::Included(Key::from(key)),
        Bound::Excluded(key) => Bound::Excluded(Key::from(key)),
        Bound::Unbounded => Bound::Unbounded,
    }
}

impl Range {
    #[inline]
    fn new(root: PageNo, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Self {
        Self {
            root,
            from: kept(from),
            to: kept(to),
        }
    }

    /// Where going in `direction` begins.
    fn start(&self, direction: Direction) -> Seek<'_> {
        match direction {
            Direction::Up => Seek::from(self.from.as_ref().map(|key| &**key)),
            Direction::Down => Seek::to(self.to.as_ref().map(|key| &**key)),
        }
    }
}

impl<'a> Seek<'a> {
    /// Where a range begins.
    const fn from(bound: Bound<&'a [u8]>) -> Self {
        match bound {
            Bound::Included(key) => Self::Before(key),
            Bound::Excluded(key) => Self::After(key),
            Bound::Unbounded => Self::First,
        }
    }

    /// Where a range ends.
    const fn to(bound: Bound<&'a [u8]>) -> Self {
        match bound {
            Bound::Included(key) => Self::After(key),
            Bound::Excluded(key) => Self::Before(key),
            Bound::Unbounded => Self::Last,
        }
    }

    /// How many entries of `node`, which need not be responsible for the key, are before this place.
    fn place_in(self, pages: &impl ReadPages, node: &Node<'_>) -> Result<usize, StorageError> {
        let (key, is_after) = match self {
            Seek::First => return Ok(0),
            Seek::Last => return Ok(node.n()),
            Seek::Before(key) => (key, false),
            Seek::After(key) => (key, true),
        };
        let prefix = node.prefix();
        let order = match key.split_at_checked(prefix.len()) {
            Some((start, _)) => start.cmp(prefix),
            None => key.cmp(prefix),
        };
        Ok(match order {
            Ordering::Less => 0,
            Ordering::Greater => node.n(),
            Ordering::Equal if is_after => node.search(pages, key)?.upper(),
            Ordering::Equal => node.search(pages, key)?.lower(),
        })
    }
}
