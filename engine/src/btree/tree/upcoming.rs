//! The writes that a tree is about to make, some of them read ahead, so that the memory has several leaves to look for at a time.
//!
//! A leaf that lies nowhere near is waited for three times: for its page table's entry, for its header and heads, and for the rest
//! as it is copied. None of that depends on the writes before, so it is asked for before they are made. What is found out here is a
//! guess: nobody relies on it.

use smallvec::SmallVec;

use super::apply::Write;
use crate::btree::node::{Probe, probe};
use crate::ids::PageNo;
use crate::image::Trace;
use crate::pages::{HeldPages, ReadPages};

/// Writes that are read ahead.
const AHEAD: usize = 24;
/// Where so many writes or more go to one leaf on average, it is not worth asking for leaves.
const DENSE: usize = 8;

/// Writes, in order.
pub(super) struct Upcoming<'a, I> {
    source: I,
    is_at_end: bool,
    /// Read and not yet made, the next one last.
    read: SmallVec<[Write<'a>; AHEAD]>,
    /// Whether some were read since leaves were asked for.
    is_fresh: bool,
    /// Where the writes that are read go, the next leaf last.
    leaves: SmallVec<[(PageNo, Option<Trace>); AHEAD]>,
}

impl<'a, I: Iterator<Item = Write<'a>>> Upcoming<'a, I> {
    pub(super) fn new(source: I) -> Self {
        Self {
            source,
            is_at_end: false,
            read: SmallVec::new(),
            is_fresh: false,
            leaves: SmallVec::new(),
        }
    }

    /// Takes the next write.
    pub(super) fn next(&mut self) -> Option<Write<'a>> {
        self.peek()?;
        self.read.pop()
    }

    /// The next write.
    pub(super) fn peek(&mut self) -> Option<Write<'a>> {
        if self.read.is_empty() && !self.is_at_end {
            self.read_on();
        }
        self.read.last().copied()
    }

    fn read_on(&mut self) {
        while self.read.len() < AHEAD {
            let Some(write) = self.source.next() else {
                self.is_at_end = true;
                break;
            };
            self.read.push(write);
        }
        self.read.reverse();
        self.is_fresh = self.read.len() > 1;
    }

    /// Takes the next write if `is_due`.
    pub(super) fn next_if(&mut self, is_due: impl FnOnce(&Write<'a>) -> bool) -> Option<Write<'a>> {
        let next = self.peek()?;
        if is_due(&next) { self.read.pop() } else { None }
    }

    /// Asks for the leaves that the writes read since the last time go to, in the tree under `root`. `first` is the one that was taken
    /// last; keys below `high` go to the leaf that was visited last.
    pub(super) fn look_ahead(
        &mut self,
        pages: &impl ReadPages,
        root: PageNo,
        (first, high): (&[u8], Option<&[u8]>),
    ) {
        if !std::mem::replace(&mut self.is_fresh, false) {
            return;
        }
        self.leaves.clear();
        let is_beyond = |(key, _): &&Write<'_>| high.is_none_or(|high| *key >= high);
        let far = self.read.get(self.read.len() / DENSE..).unwrap_or_default();
        let Some(_) = far.first().filter(is_beyond) else {
            return;
        };
        let held = pages.hold();
        for key in self.read.iter().map(|(key, _)| *key).chain([first]) {
            let last = self.leaves.last().map(|(leaf, _)| *leaf);
            if let Some(leaf) = leaf_of(&held, root, key).filter(|leaf| last != Some(*leaf)) {
                self.leaves.push((leaf, None));
            }
        }
        if self.leaves.len() * DENSE < self.read.len() {
            self.leaves.clear();
            return;
        }
        for (leaf, trace) in self.leaves.iter_mut().rev() {
            *trace = held.trace(*leaf);
            if let Some(trace) = trace {
                trace.prefetch_start();
            }
        }
    }

    /// Asks for all of the leaf that comes after `leaf`, of `len` bytes, which is about to be changed.
    pub(super) fn arrive(&mut self, leaf: PageNo, len: usize) {
        if self.leaves.last().is_none_or(|(next, _)| *next != leaf) {
            return;
        }
        self.leaves.pop();
        if let Some((_, Some(next))) = self.leaves.last() {
            next.prefetch_all(len);
        }
    }

    /// Whether the next leaf was asked for.
    pub(super) fn has_asked(&self) -> bool {
        !self.leaves.is_empty()
    }
}

/// The leaf under `root` that is responsible for `key`, if the way there is in memory.
pub(super) fn leaf_of(held: &impl HeldPages, root: PageNo, key: &[u8]) -> Option<PageNo> {
    let mut at = (root, None);
    loop {
        let image = held.page(at.0)?;
        match probe(at.0, image.bytes(), at.1, key)? {
            Probe::Child(leaf, 0) => return Some(leaf),
            Probe::Child(no, level) => at = (no, Some(level)),
            Probe::Absent | Probe::Value(_) => return None,
        }
    }
}
