//! Everything that can still be read of a damaged tree.
//!
//! It goes on behind damage, enters no page twice, and goes down one level at a time (B3), so it ends on any input.

use super::node::{Node, damage};
use super::page_set::PageSet;
use super::tree::resolve;
use super::value::{Key, Value};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{PageImage, ReadPages};
use crate::recovery_report::KeyRange;

/// What is found, in the order of the keys.
#[derive(Debug)]
pub enum Harvest {
    /// A node that can be read; what follows is in it, or below it.
    Enter(PageNo),
    /// The end of that.
    Leave(PageNo),
    /// An entry.
    Entry(Key, Value),
    /// Something that cannot be read.
    Lost(Loss),
}

/// A place that cannot be read.
#[derive(Debug)]
pub struct Loss {
    /// The page.
    pub page: PageNo,
    /// Its level, if it is a node; none for a root.
    pub level: Option<u8>,
    /// The keys behind it.
    pub keys: KeyRange,
    /// Why.
    pub error: StorageError,
}

/// Shows what can be read under page `root`, which is at `level` if one is given, to `found`, whose error ends it. Pages in
/// `seen` are not entered.
pub fn harvest<E>(
    pages: &impl ReadPages,
    (root, level): (PageNo, Option<u8>),
    seen: &mut PageSet,
    found: &mut dyn FnMut(Harvest) -> Result<(), E>,
) -> Result<(), E> {
    let mut harvester = Harvester { pages, seen, found };
    harvester.page(root, level, &KeyRange::default())
}

struct Harvester<'a, P, E> {
    pages: &'a P,
    seen: &'a mut PageSet,
    found: &'a mut dyn FnMut(Harvest) -> Result<(), E>,
}

impl<P: ReadPages, E> Harvester<'_, P, E> {
    fn page(&mut self, no: PageNo, level: Option<u8>, keys: &KeyRange) -> Result<(), E> {
        if !self.seen.insert(no) {
            let error = damage(no, "a page with one parent", "a second");
            return self.lose(no, level, keys.clone(), error);
        }
        let image = match self.pages.page(no) {
            Ok(image) => image,
            Err(error) => return self.lose(no, level, keys.clone(), error),
        };
        match Node::open_at(no, &image, level) {
            Ok(node) => {
                (self.found)(Harvest::Enter(no))?;
                if node.is_leaf() {
                    self.entries(&node, &image, keys)?;
                } else {
                    self.children(&node, keys)?;
                }
                (self.found)(Harvest::Leave(no))
            }
            Err(error) => self.lose(no, level, keys.clone(), error),
        }
    }

    fn entries(&mut self, node: &Node<'_>, image: &PageImage, keys: &KeyRange) -> Result<(), E> {
        for i in 0..node.n() {
            let key = match node.full_key(self.pages, i) {
                Ok(key) => key,
                Err(error) => {
                    self.lose(node.no(), Some(0), keys.clone(), error)?;
                    continue;
                }
            };
            let value = node
                .value(i)
                .and_then(|value| resolve(self.pages, node.no(), image.clone(), value));
            match value {
                Ok(value) => (self.found)(Harvest::Entry(key, value))?,
                Err(error) => {
                    self.lose(node.no(), Some(0), KeyRange::of_key(&key), error)?;
                }
            }
        }
        Ok(())
    }

    fn children(&mut self, node: &Node<'_>, keys: &KeyRange) -> Result<(), E> {
        let level = node.level().checked_sub(1);
        let mut low = keys.low.clone();
        for i in 0..=node.n() {
            let separator = (i < node.n()).then(|| node.full_key(self.pages, i).ok());
            // A separator that cannot be read leaves the ranges beside it wider than they are.
            let high = separator.map_or_else(
                || keys.high.clone(),
                |key| key.map(|key| key.to_vec()).or_else(|| keys.high.clone()),
            );
            let range = KeyRange {
                low: low.clone(),
                high: high.clone(),
            };
            match node.child(i) {
                Ok(child) => self.page(child, level, &range)?,
                Err(error) => self.lose(node.no(), Some(node.level()), range, error)?,
            }
            let is_known = i < node.n() && high != keys.high;
            low = if is_known { high } else { low };
        }
        Ok(())
    }

    fn lose(
        &mut self,
        page: PageNo,
        level: Option<u8>,
        keys: KeyRange,
        error: StorageError,
    ) -> Result<(), E> {
        (self.found)(Harvest::Lost(Loss {
            page,
            level,
            keys,
            error,
        }))
    }
}
