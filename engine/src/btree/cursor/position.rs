//! A place between two entries of a leaf, and the way to it from the root.

use std::cmp::Ordering;

use super::ahead::Ahead;
use super::way::{Turn, Way};
use super::{Direction, Seek};
use crate::btree::node::{Node, Sound, cmp_keys, damage};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::image::Trace;
use crate::pages::{HeldPages, PageImage, ReadPages};

/// Cells that are asked for when a leaf is entered, where nobody says how many will be read: they lie in it in any order, and are
/// read one by one. A short range reads no more.
const CELLS_AHEAD: usize = 10;
/// No more are asked for.
const CELLS_AHEAD_MAX: usize = 32;
/// When so many entries are left in a leaf, the start of the next one is asked for.
pub(super) const NEXT_AHEAD: usize = 8;

/// A leaf, and a place in it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) no: PageNo,
    pub(super) image: PageImage,
    /// What was found sound in `image`.
    header: Sound,
    pub(super) index: usize,
}

impl Frame {
    #[inline]
    fn new(node: &Node<'_>, image: PageImage, index: usize) -> Self {
        Self {
            no: node.no(),
            image,
            header: Sound::of(node),
            index,
        }
    }

    #[inline]
    pub(super) fn node(&self) -> Node<'_> {
        Node::reopen(self.no, &self.image, self.header.header())
    }
}

/// A place in a tree.
#[derive(Debug)]
pub(super) struct Position {
    way: Way,
    pub(super) leaf: Frame,
    /// Where the leaf is that comes next, if it is in memory.
    pub(super) next: Option<Trace>,
    ahead: Ahead,
}

/// A leaf that was reached.
struct Reached {
    leaf: Frame,
    next: Option<Trace>,
}

/// A node to go down to.
#[derive(Clone, Copy)]
struct Step {
    no: PageNo,
    /// The level that it must have; none for the root.
    level: Option<u8>,
    /// The next node beside it, in the direction that is gone in.
    beside: Option<PageNo>,
}

/// What comes of a turn to the next child of a node.
enum Turned {
    Child(Step),
    /// There is no further child.
    End,
}

impl Position {
    /// The place of `seek`, from which to go in `direction`.
    pub(super) fn seek<P: ReadPages>(
        pages: &P,
        root: PageNo,
        (direction, seek): (Direction, Seek<'_>),
    ) -> Result<Self, StorageError> {
        Self::seek_many(pages, root, (direction, seek), CELLS_AHEAD)
    }

    /// As `seek`, where up to `expected` entries are going to be read.
    pub(super) fn seek_many<P: ReadPages>(
        pages: &P,
        root: PageNo,
        (direction, seek): (Direction, Seek<'_>),
        expected: usize,
    ) -> Result<Self, StorageError> {
        let mut way = Way::new();
        let root = Step {
            no: root,
            level: None,
            beside: None,
        };
        let descent = Descent {
            pages,
            way: &mut way,
            seek,
            direction,
            expected,
        };
        let Reached { leaf, next } = descent.run(pages.hold(), root, &mut |_| ())?;
        Ok(Self {
            way,
            leaf,
            next,
            ahead: Ahead::default(),
        })
    }

    /// The order of the two leaves, of one tree.
    pub(super) fn cmp_leaves(&self, other: &Self) -> Ordering {
        self.way.cmp(&other.way)
    }

    pub(super) fn cmp_indexes(&self, other: &Self) -> Ordering {
        let leaves = self.cmp_leaves(other);
        leaves.then_with(|| self.leaf.index.cmp(&other.leaf.index))
    }

    /// Goes to the end of the leaf, or to `back` if that is in the same one; returns how many entries were passed.
    pub(super) fn pass_leaf(&mut self, back: &Self) -> usize {
        let end = match self.cmp_leaves(back) {
            Ordering::Equal => back.leaf.index,
            Ordering::Less | Ordering::Greater => self.leaf.node().n(),
        };
        let passed = end.saturating_sub(self.leaf.index);
        self.leaf.index = end;
        passed
    }

    /// Goes on to the neighbouring leaf. False if there is none.
    pub(super) fn step_to_leaf<P: ReadPages>(
        &mut self,
        pages: &P,
        direction: Direction,
    ) -> Result<bool, StorageError> {
        let left = self.leave_leaf(pages, direction, CELLS_AHEAD)?;
        Ok(left.is_some())
    }

    /// Goes on to the neighbouring leaf, of which up to `expected` entries are going to be read, and returns the one that it leaves.
    /// If there is none, or after an error, it stays.
    pub(super) fn leave_leaf<P: ReadPages>(
        &mut self,
        pages: &P,
        direction: Direction,
        expected: usize,
    ) -> Result<Option<Frame>, StorageError> {
        let mut level = 0_u8;
        while let Some(last) = self.way.last_mut() {
            // Each turn leads down by one level, the last one to a leaf.
            level = level.saturating_add(1);
            let held = pages.hold();
            let turned = last.turn_held(&held, level, direction);
            let (held, turned) = if let Some(turned) = turned {
                (held, turned)
            } else {
                held.settle(Ok(()))?;
                let image = pages.page(last.no)?;
                let node = Node::open_at(last.no, &image, Some(level))?;
                (pages.hold(), last.turn(&node, direction)?)
            };
            let Turned::Child(child) = turned else {
                held.settle(Ok(()))?;
                self.way.pop();
                continue;
            };
            let below = self.descend(pages, (held, child), direction, expected)?;
            check_order(pages, (&self.leaf, &below.leaf), direction)?;
            self.next = below.next;
            return Ok(Some(std::mem::replace(&mut self.leaf, below.leaf)));
        }
        Ok(None)
    }

    /// Goes down to the nearest leaf below a node.
    fn descend<'p, P: ReadPages>(
        &mut self,
        pages: &'p P,
        (held, step): (P::Held<'p>, Step),
        direction: Direction,
        expected: usize,
    ) -> Result<Reached, StorageError> {
        let (ahead, mut is_hit) = (&mut self.ahead, true);
        let descent = Descent {
            pages,
            way: &mut self.way,
            seek: match direction {
                Direction::Up => Seek::First,
                Direction::Down => Seek::Last,
            },
            direction,
            expected,
        };
        let reached = descent.run(held, step, &mut |way| {
            is_hit = false;
            let count = ahead.miss();
            if count > 1 {
                pages.read_ahead(&upcoming(pages, way, direction, count));
            }
        })?;
        if is_hit {
            self.ahead.hit();
        }
        Ok(reached)
    }
}

/// B1 between leaves: the new one's keys lie beyond those of the old one.
fn check_order(
    pages: &impl ReadPages,
    (old, new): (&Frame, &Frame),
    direction: Direction,
) -> Result<(), StorageError> {
    let (below, above) = match direction {
        Direction::Up => (old, new),
        Direction::Down => (new, old),
    };
    let (low, high) = (below.node(), above.node());
    if low.is_plainly_below(&high) {
        return Ok(());
    }
    let last = low.n().saturating_sub(1);
    if cmp_keys(pages, (&low, last), (&high, 0))? == Ordering::Less {
        return Ok(());
    }
    Err(damage(
        new.no,
        "keys beyond those of the leaf before",
        "others",
    ))
}

impl Turn {
    /// An index in a node is 16 bits wide, or one more.
    #[inline]
    fn new(no: PageNo, index: usize) -> Self {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self { no, index }
    }

    /// Turns to the next child. None if the node is not in memory, or not plain.
    fn turn_held(
        &mut self,
        held: &impl HeldPages,
        level: u8,
        direction: Direction,
    ) -> Option<Turned> {
        let image = held.page(self.no)?;
        let node = Node::open_plain(self.no, image.bytes(), Some(level))?;
        self.turn(&node, direction).ok()
    }

    /// Turns to the next child of `node`, which is the turn's.
    #[inline]
    fn turn(&mut self, node: &Node<'_>, direction: Direction) -> Result<Turned, StorageError> {
        let next = direction.next(self.index as usize);
        let Some(index) = next.filter(|i| *i <= node.n()) else {
            return Ok(Turned::End);
        };
        let child = Step::below(node, index, direction);
        let child = child.map_or_else(|| Step::missing(node, index), Ok)?;
        *self = Self::new(self.no, index);
        Ok(Turned::Child(child))
    }
}

impl Step {
    /// Child `index` of an inner node.
    #[inline]
    fn below(node: &Node<'_>, index: usize, direction: Direction) -> Option<Self> {
        let beside = direction.next(index);
        Some(Self {
            no: node.plain_child(index)?,
            level: node.level().checked_sub(1),
            beside: beside.and_then(|beside| node.plain_child(beside)),
        })
    }

    /// What is wrong with a child that is not plain.
    #[cold]
    fn missing(node: &Node<'_>, index: usize) -> Result<Self, StorageError> {
        Ok(Self {
            no: node.child(index)?,
            level: node.level().checked_sub(1),
            beside: None,
        })
    }
}

/// The way down to a leaf. The inner nodes join `way`.
struct Descent<'p, 'd, P> {
    pages: &'p P,
    way: &'d mut Way,
    seek: Seek<'d>,
    direction: Direction,
    /// So many entries are going to be read, at most.
    expected: usize,
}

impl<'p, P: ReadPages> Descent<'p, '_, P> {
    /// Nodes in memory are found under one hold; that a leaf is not there `missed` learns before it is asked for.
    fn run(
        mut self,
        mut held: P::Held<'p>,
        mut step: Step,
        missed: &mut dyn FnMut(&mut Way),
    ) -> Result<Reached, StorageError> {
        loop {
            let reached = self.go(&held, step);
            step = match held.settle(Ok(reached))? {
                Ok(reached) => return Ok(reached),
                Err(step) => step,
            };
            if step.level == Some(0) {
                missed(self.way);
            }
            let image = self.pages.page(step.no)?;
            step = match self.enter(image, step)? {
                Entered::Leaf(leaf) => return Ok(Reached { leaf, next: None }),
                Entered::Inner(below) => below,
            };
            held = self.pages.hold();
        }
    }

    /// Goes down as far as all is in memory, and plain; and says where it is not.
    #[inline]
    fn go(&mut self, held: &impl HeldPages, mut step: Step) -> Result<Reached, Step> {
        loop {
            let image = held.page(step.no).ok_or(step)?;
            let node = Node::open_plain(step.no, image.bytes(), step.level).ok_or(step)?;
            if node.is_leaf() {
                let next = step.beside.and_then(|beside| held.trace(beside));
                let index = self.place(&node, (image.trace(), next)).ok_or(step)?;
                if node.n() == 0 && !self.way.is_empty() {
                    return Err(step);
                }
                let leaf = Frame::new(&node, image.to_image(), index);
                return Ok(Reached { leaf, next });
            }
            let index = match self.seek {
                Seek::First => 0,
                Seek::Last => node.n(),
                Seek::Before(key) | Seek::After(key) => {
                    let sought = node.look_for(key).ok_or(step)?;
                    node.find_plain(&sought).ok_or(step)?.upper()
                }
            };
            let no = step.no;
            step = Step::below(&node, index, self.direction).ok_or(step)?;
            self.way.push(Turn::new(no, index));
        }
    }

    /// The place in a leaf. None if that takes other pages, or anything is wrong. What will be read from there on is asked for as soon as
    /// the place is about known: to know it a cell must have come.
    #[inline]
    fn place(&self, leaf: &Node<'_>, (trace, next): (Trace, Option<Trace>)) -> Option<usize> {
        let ask = |place: usize| {
            let count = self.expected.min(CELLS_AHEAD_MAX);
            let (cells, left) = match self.direction {
                Direction::Up => (
                    place..place.saturating_add(count),
                    leaf.n().saturating_sub(place),
                ),
                Direction::Down => (place.saturating_sub(count)..place, place),
            };
            leaf.likely_cells(cells, |cell| trace.prefetch_lines::<1>(cell));
            if let Some(next) = next.filter(|_| left < self.expected) {
                next.prefetch_start();
            }
        };
        let (key, is_after) = match self.seek {
            Seek::First | Seek::Last => {
                let place = match self.direction {
                    Direction::Up => 0,
                    Direction::Down => leaf.n(),
                };
                ask(place);
                return Some(place);
            }
            Seek::Before(key) => (key, false),
            Seek::After(key) => (key, true),
        };
        let sought = leaf.look_for(key)?;
        ask(sought.candidate);
        let found = leaf.find_plain(&sought)?;
        Some(if is_after {
            found.upper()
        } else {
            found.lower()
        })
    }

    /// Enters a node that had to be asked for.
    fn enter(&mut self, image: PageImage, step: Step) -> Result<Entered, StorageError> {
        let node = Node::open_at(step.no, &image, step.level)?;
        let is_leaf = node.is_leaf();
        let index = match self.seek {
            Seek::First => 0,
            Seek::Last => node.n(),
            Seek::Before(key) if is_leaf => node.search(self.pages, key)?.lower(),
            Seek::Before(key) | Seek::After(key) => node.search(self.pages, key)?.upper(),
        };
        if !is_leaf {
            let below = Step::below(&node, index, self.direction);
            let below = below.map_or_else(|| Step::missing(&node, index), Ok)?;
            self.way.push(Turn::new(step.no, index));
            return Ok(Entered::Inner(below));
        }
        if node.n() == 0 && !self.way.is_empty() {
            return Err(damage(step.no, "a leaf with entries", "an empty one"));
        }
        let header = Sound::of(&node);
        Ok(Entered::Leaf(Frame {
            no: step.no,
            header,
            image,
            index,
        }))
    }
}

/// A node that was entered.
enum Entered {
    Leaf(Frame),
    /// The node to go on to.
    Inner(Step),
}

/// The leaf that the way leads to, and those that follow it under the same parent: `count` at most. None if the parent is not
/// in memory, or not plain: that is for the descent to complain about.
fn upcoming(
    pages: &impl ReadPages,
    way: &mut Way,
    direction: Direction,
    count: usize,
) -> Vec<PageNo> {
    let held = pages.hold();
    let children = |turn: Turn| {
        let image = held.page(turn.no)?;
        let node = Node::open_plain(turn.no, image.bytes(), Some(1))?;
        let steps =
            std::iter::successors(Some(turn.index as usize), |index| direction.next(*index));
        let children = steps.take(count).map_while(|i| node.plain_child(i));
        Some(children.collect())
    };
    let children = way.last_mut().and_then(|turn| children(*turn));
    // What an expired snapshot reads is no hint.
    held.settle(Ok(children.unwrap_or_default()))
        .unwrap_or_default()
}

/// How many entries lie between two places.
pub(super) fn count(
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
