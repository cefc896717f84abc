//! A place between two entries of a leaf, and the way to it from the root: an index in every node.

use std::cmp::Ordering;

use super::{Direction, Seek};
use crate::btree::node::{Found, Node, Sound, cmp_keys, damage};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{HeldPages, PageImage, ReadPages};

/// A node on the way.
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
    pub(super) fn node(&self) -> Node<'_> {
        Node::reopen(self.no, &self.image, self.header.header())
    }
}

/// Inner nodes on a way that need no allocation: enough for hundreds of millions of entries.
const NEAR_MAX: usize = 3;

/// The inner nodes above a leaf; the root first.
#[derive(Debug, Default)]
struct Way {
    near: [Option<Frame>; NEAR_MAX],
    near_len: usize,
    /// Those below the ones in `near`.
    far: Vec<Frame>,
}

impl Way {
    fn push(&mut self, frame: Frame) {
        match self.near.get_mut(self.near_len) {
            Some(place) => {
                *place = Some(frame);
                self.near_len += 1;
            }
            None => self.far.push(frame),
        }
    }

    fn pop(&mut self) {
        if self.far.pop().is_none() {
            self.near_len = self.near_len.saturating_sub(1);
            if let Some(place) = self.near.get_mut(self.near_len) {
                *place = None;
            }
        }
    }

    fn last_mut(&mut self) -> Option<&mut Frame> {
        match self.far.last_mut() {
            Some(frame) => Some(frame),
            None => self.near.get_mut(self.near_len.checked_sub(1)?)?.as_mut(),
        }
    }

    fn is_empty(&self) -> bool {
        self.near_len == 0
    }

    /// The leaf that the way leads to, and those that follow it under the same parent: `count` at most.
    fn upcoming(&self, direction: Direction, count: usize) -> Vec<PageNo> {
        let last = match self.far.last() {
            Some(frame) => Some(frame),
            None => self.near.iter().flatten().last(),
        };
        let Some(parent) = last else {
            return Vec::new();
        };
        let node = parent.node();
        let children = (0..count).map_while(|step| {
            let index = match direction {
                Direction::Up => parent.index.checked_add(step)?,
                Direction::Down => parent.index.checked_sub(step)?,
            };
            // One of no sense is for the descent to complain about.
            node.child(index).ok()
        });
        children.collect()
    }

    /// The leaf after the one that the way leads to, under the same parent.
    fn neighbour(&self, direction: Direction) -> Option<PageNo> {
        let parent = match self.far.last() {
            Some(frame) => frame,
            None => self.near.get(self.near_len.checked_sub(1)?)?.as_ref()?,
        };
        let index = match direction {
            Direction::Up => parent.index.checked_add(1)?,
            Direction::Down => parent.index.checked_sub(1)?,
        };
        parent.node().child(index).ok()
    }

    fn indexes(&self) -> impl Iterator<Item = usize> {
        let frames = self.near.iter().flatten().chain(&self.far);
        frames.map(|frame| frame.index)
    }
}

/// A place in a tree.
#[derive(Debug)]
pub(super) struct Position {
    way: Way,
    pub(super) leaf: Frame,
    ahead: Ahead,
}

impl Position {
    pub(super) fn seek(
        pages: &impl ReadPages,
        root: PageNo,
        seek: Seek<'_>,
    ) -> Result<Self, StorageError> {
        let mut way = Way::default();
        let root = Step {
            no: root,
            level: None,
        };
        let leaf = descend(pages, &mut way, root, seek, &mut |_| ())?;
        Ok(Self {
            way,
            leaf,
            ahead: Ahead::default(),
        })
    }

    /// The order of the two leaves, of one tree.
    pub(super) fn cmp_leaves(&self, other: &Self) -> Ordering {
        self.way.indexes().cmp(other.way.indexes())
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
    pub(super) fn step_to_leaf(
        &mut self,
        pages: &impl ReadPages,
        direction: Direction,
    ) -> Result<bool, StorageError> {
        while let Some(frame) = self.way.last_mut() {
            let node = frame.node();
            let next = match direction {
                Direction::Up => Some(frame.index + 1).filter(|index| *index <= node.n()),
                Direction::Down => frame.index.checked_sub(1),
            };
            let Some(index) = next else {
                self.way.pop();
                continue;
            };
            let child = Step {
                no: node.child(index)?,
                level: node.level().checked_sub(1),
            };
            frame.index = index;
            let seek = match direction {
                Direction::Up => Seek::First,
                Direction::Down => Seek::Last,
            };
            let (ahead, mut is_hit) = (&mut self.ahead, true);
            let leaf = descend(pages, &mut self.way, child, seek, &mut |way| {
                is_hit = false;
                let count = ahead.miss();
                if count > 1 {
                    pages.read_ahead(&way.upcoming(direction, count));
                }
            })?;
            if is_hit {
                self.ahead.hit();
            }
            let old = std::mem::replace(&mut self.leaf, leaf);
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
        let (below, above) = match direction {
            Direction::Up => (old, &self.leaf),
            Direction::Down => (&self.leaf, old),
        };
        let (low, high) = (below.node(), above.node());
        let last = low.n().saturating_sub(1);
        if cmp_keys(pages, (&low, last), (&high, 0))? == Ordering::Less {
            return Ok(());
        }
        Err(damage(
            self.leaf.no,
            "keys beyond those of the leaf before",
            "others",
        ))
    }
}

/// A node to go down to.
#[derive(Clone, Copy)]
struct Step {
    no: PageNo,
    /// The level that it must have; none for the root.
    level: Option<u8>,
}

/// How far a descent came.
enum Descent {
    Leaf(Frame),
    /// To this node, which must be asked for: it is not in memory, or a key in it is not.
    Missing(Step),
    Inner(Step),
}

/// Goes down to a leaf. The inner nodes join `way`. Nodes in memory are found under one hold; that a leaf is not there `missed`
/// learns before it is asked for.
fn descend(
    pages: &impl ReadPages,
    way: &mut Way,
    mut step: Step,
    seek: Seek<'_>,
    missed: &mut dyn FnMut(&Way),
) -> Result<Frame, StorageError> {
    loop {
        let held = pages.hold();
        let reached = descend_held(&held, way, step, seek);
        step = match held.settle(reached)? {
            Descent::Leaf(leaf) => return Ok(leaf),
            Descent::Inner(step) | Descent::Missing(step) => step,
        };
        if step.level == Some(0) {
            missed(way);
        }
        let image = pages.page(step.no)?;
        let find = |node: &Node<'_>, key: &[u8]| node.search(pages, key).map(Some);
        step = match enter(image, way, step, seek, find)? {
            Descent::Leaf(leaf) => return Ok(leaf),
            Descent::Inner(step) | Descent::Missing(step) => step,
        };
    }
}

fn descend_held(
    held: &impl HeldPages,
    way: &mut Way,
    mut step: Step,
    seek: Seek<'_>,
) -> Result<Descent, StorageError> {
    loop {
        let Some(image) = held.page(step.no) else {
            return Ok(Descent::Missing(step));
        };
        let find = |node: &Node<'_>, key: &[u8]| node.search_inline(key);
        match enter(image.to_image(), way, step, seek, find)? {
            Descent::Inner(below) => step = below,
            end => {
                if let Descent::Leaf(leaf) = &end
                    && let Some(direction) = likely_next(leaf, seek)
                    && let Some(next) = way.neighbour(direction)
                {
                    held.prefetch(next);
                }
                return Ok(end);
            }
        }
    }
}

/// Where the leaf is that will be wanted soon: beyond the end that iteration goes to from here, unless most of this leaf is before it.
fn likely_next(leaf: &Frame, seek: Seek<'_>) -> Option<Direction> {
    match seek {
        Seek::First => Some(Direction::Up),
        Seek::Last => Some(Direction::Down),
        Seek::Before(_) | Seek::After(_) => {
            (leaf.index >= leaf.node().n() / 2).then_some(Direction::Up)
        }
    }
}

/// Enters a node: an inner one joins `way`. `find` finds a key in it, if it can.
#[inline]
fn enter(
    image: PageImage,
    way: &mut Way,
    step: Step,
    seek: Seek<'_>,
    find: impl Fn(&Node<'_>, &[u8]) -> Result<Option<Found>, StorageError>,
) -> Result<Descent, StorageError> {
    let no = step.no;
    let node = Node::open_at(no, &image, step.level)?;
    let found = match seek {
        Seek::First => Some(Found::Before(0)),
        Seek::Last => Some(Found::Before(node.n())),
        Seek::Before(key) | Seek::After(key) => find(&node, key)?,
    };
    let Some(found) = found else {
        return Ok(Descent::Missing(step));
    };
    let index = match seek {
        Seek::Before(_) if node.is_leaf() => found.lower(),
        _ => found.upper(),
    };
    let header = Sound::of(&node);
    if node.is_leaf() {
        if node.n() == 0 && !way.is_empty() {
            return Err(damage(no, "a leaf with entries", "an empty one"));
        }
        return Ok(Descent::Leaf(Frame {
            no,
            image,
            header,
            index,
        }));
    }
    let below = Step {
        no: node.child(index)?,
        level: node.level().checked_sub(1),
    };
    way.push(Frame {
        no,
        image,
        header,
        index,
    });
    Ok(Descent::Inner(below))
}

/// Leaves that one read-ahead asks for, at most.
const AHEAD_MAX: usize = 32;

/// How far to read ahead: not at all after a first miss, and twice as far each time that what was read ahead is used up
/// and the next leaf is missing too.
#[derive(Debug, Default)]
struct Ahead {
    /// Leaves that were asked for at the last miss.
    count: usize,
    /// Those of them that were not reached yet.
    left: usize,
}

impl Ahead {
    /// The next leaf is not in memory. How many to ask for, it among them.
    fn miss(&mut self) -> usize {
        // What was read ahead and is gone already was too much.
        let is_too_far = self.left > 0;
        self.count = if is_too_far {
            1
        } else {
            (self.count * 2).clamp(1, AHEAD_MAX)
        };
        self.left = self.count - 1;
        self.count
    }

    /// The next leaf is in memory.
    fn hit(&mut self) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.count = 0,
        }
    }
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
