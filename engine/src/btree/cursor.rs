//! The entries between two bounds, from both ends.
//!
//! Each end is a way from the root to a leaf: an index in every node. An end is looked for when it is first
//! needed: as long as iteration from one end stays in the leaf it began in, the other bound is compared with that
//! leaf's keys, once. From then on the cursor is finished when the front is no longer before the back, which
//! is decided by comparing indexes, never keys.
//!
//! Over damaged pages it ends all the same: B3 bounds the depth, and a leaf is entered only if its keys lie
//! beyond those of the one before, so that none is entered twice from the same side.

mod difference;
mod walk;

use std::cmp::Ordering;
use std::ops::Bound;

use super::node::{Header, Node, damage};
use super::tree::resolve;
use super::value::{Key, Value};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{PageImage, ReadPages};

pub use difference::first_difference;
pub use walk::first_keys;

/// Iterates over the entries of a tree in the order of their keys.
///
/// Meeting damage, it returns an error, and goes on returning it from either end.
#[derive(Debug)]
pub struct Cursor<P> {
    pages: P,
    range: Range,
    state: State,
}

/// What is iterated over.
#[derive(Debug)]
struct Range {
    root: PageNo,
    from: Bound<Key>,
    to: Bound<Key>,
}

#[derive(Debug)]
enum State {
    Open(Ends),
    Finished,
    Failed(StorageError),
}

/// The ends, as far as they were needed.
#[derive(Debug, Default)]
struct Ends {
    front: Option<Position>,
    back: Option<Position>,
    /// While one end is known and in the leaf where it began: the place in that leaf where the other bound is.
    limit: Option<usize>,
}

/// A place between two entries of a leaf, and the way to it; the root first.
#[derive(Debug)]
struct Position {
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    no: PageNo,
    image: PageImage,
    /// What was found sound in `image`.
    header: Header,
    index: usize,
}

impl Frame {
    fn node(&self) -> Node<'_> {
        Node::reopen(self.no, &self.image, self.header)
    }
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

type Entry = (Key, Value);

impl<P: ReadPages> Cursor<P> {
    pub(crate) fn new(pages: P, root: PageNo, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Self {
        Self {
            pages,
            range: Range::new(root, from, to),
            state: State::Open(Ends::default()),
        }
    }

    /// How many entries are left between the two ends. Reads leaves, but no values.
    pub fn entries_left(self) -> Result<u64, StorageError> {
        match self.state {
            State::Open(mut ends) => {
                ends.find(&self.pages, &self.range, Direction::Up)?;
                ends.find(&self.pages, &self.range, Direction::Down)?;
                match (ends.front, ends.back) {
                    (Some(front), Some(back)) => count(&self.pages, front, &back),
                    _ => Ok(0),
                }
            }
            State::Finished => Ok(0),
            State::Failed(error) => Err(error),
        }
    }

    /// The next entry from one end.
    fn step(&mut self, direction: Direction) -> Option<Result<Entry, StorageError>> {
        let found = match &mut self.state {
            State::Open(ends) => ends.next_entry(&self.pages, &self.range, direction),
            State::Finished => return None,
            State::Failed(error) => return Some(Err(error.clone())),
        };
        match &found {
            Ok(None) => self.state = State::Finished,
            Err(error) => self.state = State::Failed(error.clone()),
            Ok(Some(_)) => {}
        }
        found.transpose()
    }
}

impl<P: ReadPages> Iterator for Cursor<P> {
    type Item = Result<Entry, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Direction::Up)
    }
}

impl<P: ReadPages> DoubleEndedIterator for Cursor<P> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(Direction::Down)
    }
}

impl Direction {
    const fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// Where the entries between two bounds begin and end.
fn ends(
    pages: &impl ReadPages,
    root: PageNo,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
) -> Result<(Position, Position), StorageError> {
    let range = Range::new(root, from, to);
    let front = Position::seek(pages, root, range.start(Direction::Up))?;
    Ok((
        front,
        Position::seek(pages, root, range.start(Direction::Down))?,
    ))
}

impl Range {
    fn new(root: PageNo, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Self {
        Self {
            root,
            from: from.map(Key::from),
            to: to.map(Key::from),
        }
    }

    /// Where iteration in `direction` begins.
    fn start(&self, direction: Direction) -> Seek<'_> {
        match (direction, &self.from, &self.to) {
            (Direction::Up, Bound::Included(key), _)
            | (Direction::Down, _, Bound::Excluded(key)) => Seek::Before(key),
            (Direction::Up, Bound::Excluded(key), _)
            | (Direction::Down, _, Bound::Included(key)) => Seek::After(key),
            (Direction::Up, Bound::Unbounded, _) => Seek::First,
            (Direction::Down, _, Bound::Unbounded) => Seek::Last,
        }
    }
}

impl Ends {
    /// The end from which iteration in `direction` takes entries.
    fn end(&mut self, direction: Direction) -> &mut Option<Position> {
        match direction {
            Direction::Up => &mut self.front,
            Direction::Down => &mut self.back,
        }
    }

    /// Looks for an end, if it is not known.
    fn find(
        &mut self,
        pages: &impl ReadPages,
        range: &Range,
        direction: Direction,
    ) -> Result<(), StorageError> {
        if self.end(direction).is_none() {
            let position = Position::seek(pages, range.root, range.start(direction))?;
            *self.end(direction) = Some(position);
        }
        Ok(())
    }

    fn next_entry(
        &mut self,
        pages: &impl ReadPages,
        range: &Range,
        direction: Direction,
    ) -> Result<Option<Entry>, StorageError> {
        self.find(pages, range, direction)?;
        let beyond = direction.opposite();
        let is_bounded = !matches!(range.start(beyond), Seek::First | Seek::Last);
        loop {
            if self.has_met(pages, range, direction)? {
                return Ok(None);
            }
            let Some(end) = self.end(direction) else {
                return Ok(None);
            };
            if let Some(entry) = end.step_in_leaf(pages, direction)? {
                return Ok(Some(entry));
            }
            if is_bounded && self.end(beyond).is_none() {
                self.find(pages, range, beyond)?;
                continue;
            }
            let Some(end) = self.end(direction) else {
                return Ok(None);
            };
            if !end.step_to_leaf(pages, direction)? {
                return Ok(None);
            }
        }
    }

    /// Whether nothing is left, as far as is known: what is not known is whether entries of further leaves are.
    fn has_met(
        &mut self,
        pages: &impl ReadPages,
        range: &Range,
        direction: Direction,
    ) -> Result<bool, StorageError> {
        let end = match (&self.front, &self.back) {
            (Some(front), Some(back)) => {
                return Ok(front.cmp_indexes(back) != Ordering::Less);
            }
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => return Ok(false),
        };
        let Some(leaf) = end.frames.last() else {
            return Ok(true);
        };
        let bound = range.start(direction.opposite());
        if matches!(bound, Seek::First | Seek::Last) {
            return Ok(false);
        }
        let node = leaf.node();
        let limit = match self.limit {
            Some(limit) => limit,
            None => *self.limit.insert(bound.place_in(pages, &node)?),
        };
        Ok(match direction {
            Direction::Up => leaf.index >= limit && limit < node.n(),
            Direction::Down => leaf.index <= limit && limit > 0,
        })
    }
}

impl Seek<'_> {
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

fn count(
    pages: &impl ReadPages,
    mut front: Position,
    back: &Position,
) -> Result<u64, StorageError> {
    let mut entries = 0_u64;
    while front.cmp_indexes(back) == Ordering::Less {
        let passed = front.pass_leaf(back);
        entries = entries.saturating_add(passed as u64);
        if front.cmp_indexes(back) == Ordering::Less && !front.step_to_leaf(pages, Direction::Up)? {
            break;
        }
    }
    Ok(entries)
}

impl Position {
    /// Goes to the end of the leaf, or to `back` if that is in the same one; returns how many entries were passed.
    fn pass_leaf(&mut self, back: &Self) -> usize {
        let way = |position: &Self| -> Vec<usize> {
            let above = position.frames.split_last().map(|(_, above)| above);
            above.into_iter().flatten().map(|f| f.index).collect()
        };
        let same_leaf = way(self) == way(back);
        let Some(frame) = self.frames.last_mut() else {
            return 0;
        };
        let end = match back.frames.last() {
            Some(last) if same_leaf => last.index,
            _ => frame.header.n,
        };
        let passed = end.saturating_sub(frame.index);
        frame.index = end;
        passed
    }

    fn seek(pages: &impl ReadPages, root: PageNo, seek: Seek<'_>) -> Result<Self, StorageError> {
        let mut position = Self {
            frames: Vec::with_capacity(6),
        };
        position.descend(pages, root, None, seek)?;
        Ok(position)
    }

    /// Goes down from page `no`, which must be at `level` if one is given, to a leaf.
    fn descend(
        &mut self,
        pages: &impl ReadPages,
        mut no: PageNo,
        mut level: Option<u8>,
        seek: Seek<'_>,
    ) -> Result<(), StorageError> {
        loop {
            let image = pages.page(no)?;
            let node = Node::open_at(no, &image, level)?;
            let index = match seek {
                Seek::First => 0,
                Seek::Last => node.n(),
                Seek::Before(key) if node.is_leaf() => node.search(pages, key)?.lower(),
                Seek::Before(key) | Seek::After(key) => node.search(pages, key)?.upper(),
            };
            let below = if node.is_leaf() {
                None
            } else {
                Some(node.child(index)?)
            };
            if below.is_none() && node.n() == 0 && !self.frames.is_empty() {
                return Err(damage(no, "a leaf with entries", "an empty one"));
            }
            level = node.level().checked_sub(1);
            let header = node.header();
            self.frames.push(Frame {
                no,
                image,
                header,
                index,
            });
            let Some(child) = below else { return Ok(()) };
            no = child;
        }
    }

    fn cmp_indexes(&self, other: &Self) -> Ordering {
        let indexes = self.frames.iter().map(|frame| frame.index);
        indexes.cmp(other.frames.iter().map(|frame| frame.index))
    }

    /// Passes one entry of the leaf; none if it has no more.
    fn step_in_leaf(
        &mut self,
        pages: &impl ReadPages,
        direction: Direction,
    ) -> Result<Option<Entry>, StorageError> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(None);
        };
        let node = frame.node();
        let i = match direction {
            Direction::Up if frame.index < node.n() => frame.index,
            Direction::Down if frame.index > 0 => frame.index - 1,
            _ => return Ok(None),
        };
        let found = node.leaf_entry(i)?;
        let entry = (
            node.assemble(pages, &found.key)?,
            resolve(pages, frame.no, frame.image.clone(), found.value)?,
        );
        frame.index = if direction == Direction::Up { i + 1 } else { i };
        Ok(Some(entry))
    }

    /// Goes on to the neighbouring leaf. False if there is none.
    fn step_to_leaf(
        &mut self,
        pages: &impl ReadPages,
        direction: Direction,
    ) -> Result<bool, StorageError> {
        let Some(old) = self.frames.pop() else {
            return Ok(false);
        };
        while let Some(frame) = self.frames.last_mut() {
            let node = frame.node();
            let next = match direction {
                Direction::Up => Some(frame.index + 1).filter(|index| *index <= node.n()),
                Direction::Down => frame.index.checked_sub(1),
            };
            let Some(index) = next else {
                self.frames.pop();
                continue;
            };
            let (child, level) = (node.child(index)?, node.level().checked_sub(1));
            frame.index = index;
            let seek = if direction == Direction::Up {
                Seek::First
            } else {
                Seek::Last
            };
            self.descend(pages, child, level, seek)?;
            self.check_order(pages, &old, direction)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// B1 between leaves: the new one's keys lie beyond those of the old one.
    fn check_order(
        &self,
        pages: &impl ReadPages,
        old: &Frame,
        direction: Direction,
    ) -> Result<(), StorageError> {
        let Some(new) = self.frames.last() else {
            return Ok(());
        };
        let (below, above) = match direction {
            Direction::Up => (old, new),
            Direction::Down => (new, old),
        };
        let (low, high) = (below.node(), above.node());
        let last = low.full_key(pages, low.n().saturating_sub(1))?;
        if *last < *high.full_key(pages, 0)? {
            return Ok(());
        }
        Err(damage(
            new.no,
            "keys beyond those of the leaf before",
            "others",
        ))
    }
}
