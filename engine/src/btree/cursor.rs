//! The entries between two bounds, from both ends.
//!
//! Each end is a way from the root to a leaf: an index in every node. The cursor is finished when the front
//! is no longer before the back, which is decided by comparing indexes, never keys.
//!
//! Over damaged pages it ends all the same: B3 bounds the depth, and a leaf is entered only if its keys lie
//! beyond those of the one before, so that none is entered twice from the same side.

mod difference;

use std::cmp::Ordering;
use std::ops::Bound;

use super::node::{Node, damage};
use super::tree::resolve;
use super::value::{Key, Value};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{PageImage, ReadPages};

pub use difference::first_difference;

/// Iterates over the entries of a tree in the order of their keys.
///
/// Meeting damage, it returns an error, and goes on returning it from either end.
#[derive(Debug)]
pub struct Cursor<P> {
    pages: P,
    state: State,
}

#[derive(Debug)]
enum State {
    Open { front: Position, back: Position },
    Finished,
    Failed(StorageError),
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
    index: usize,
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
        let state = match ends(&pages, root, from, to) {
            Ok((front, back)) => State::Open { front, back },
            Err(error) => State::Failed(error),
        };
        Self { pages, state }
    }

    /// How many entries are left between the two ends. Reads leaves, but no values.
    pub fn entries_left(self) -> Result<u64, StorageError> {
        match self.state {
            State::Open { front, back } => count(&self.pages, front, &back),
            State::Finished => Ok(0),
            State::Failed(error) => Err(error),
        }
    }

    /// The next entry from one end.
    fn step(&mut self, direction: Direction) -> Option<Result<Entry, StorageError>> {
        let found = match &mut self.state {
            State::Open { front, back } => next_entry(&self.pages, front, back, direction),
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

/// Where the entries between two bounds begin and end.
fn ends(
    pages: &impl ReadPages,
    root: PageNo,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
) -> Result<(Position, Position), StorageError> {
    let from = match from {
        Bound::Included(key) => Seek::Before(key),
        Bound::Excluded(key) => Seek::After(key),
        Bound::Unbounded => Seek::First,
    };
    let to = match to {
        Bound::Included(key) => Seek::After(key),
        Bound::Excluded(key) => Seek::Before(key),
        Bound::Unbounded => Seek::Last,
    };
    let front = Position::seek(pages, root, from)?;
    Ok((front, Position::seek(pages, root, to)?))
}

fn next_entry(
    pages: &impl ReadPages,
    front: &mut Position,
    back: &mut Position,
    direction: Direction,
) -> Result<Option<Entry>, StorageError> {
    loop {
        if front.cmp_indexes(back) != Ordering::Less {
            return Ok(None);
        }
        let end = match direction {
            Direction::Up => &mut *front,
            Direction::Down => &mut *back,
        };
        if let Some(entry) = end.step_in_leaf(pages, direction)? {
            return Ok(Some(entry));
        }
        if !end.step_to_leaf(pages, direction)? {
            return Ok(None);
        }
    }
}

fn count(
    pages: &impl ReadPages,
    mut front: Position,
    back: &Position,
) -> Result<u64, StorageError> {
    let mut entries = 0_u64;
    while front.cmp_indexes(back) == Ordering::Less {
        let passed = front.pass_leaf(back)?;
        entries = entries.saturating_add(passed as u64);
        if front.cmp_indexes(back) == Ordering::Less && !front.step_to_leaf(pages, Direction::Up)? {
            break;
        }
    }
    Ok(entries)
}

impl Position {
    /// Goes to the end of the leaf, or to `back` if that is in the same one; returns how many entries were passed.
    fn pass_leaf(&mut self, back: &Self) -> Result<usize, StorageError> {
        let way = |position: &Self| -> Vec<usize> {
            let above = position.frames.split_last().map(|(_, above)| above);
            above.into_iter().flatten().map(|f| f.index).collect()
        };
        let same_leaf = way(self) == way(back);
        let Some(frame) = self.frames.last_mut() else {
            return Ok(0);
        };
        let end = match back.frames.last() {
            Some(last) if same_leaf => last.index,
            _ => Node::open_at(frame.no, &frame.image, Some(0))?.n(),
        };
        let passed = end.saturating_sub(frame.index);
        frame.index = end;
        Ok(passed)
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
            self.frames.push(Frame { no, image, index });
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
        let node = Node::open_at(frame.no, &frame.image, Some(0))?;
        let i = match direction {
            Direction::Up if frame.index < node.n() => frame.index,
            Direction::Down if frame.index > 0 => frame.index - 1,
            _ => return Ok(None),
        };
        let entry = (
            node.full_key(pages, i)?,
            resolve(pages, frame.no, frame.image.clone(), node.value(i)?)?,
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
            let node = Node::open(frame.no, &frame.image)?;
            let next = match direction {
                Direction::Up => Some(frame.index + 1).filter(|index| *index <= node.n()),
                Direction::Down => frame.index.checked_sub(1),
            };
            let Some(index) = next else {
                self.frames.pop();
                continue;
            };
            frame.index = index;
            let (child, level) = (node.child(index)?, node.level().checked_sub(1));
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
        let (low, high) = (
            Node::open(below.no, &below.image)?,
            Node::open(above.no, &above.image)?,
        );
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
