//! The checksums of all pages of one tree in the `map` file, in memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk_format::{MAP_FANOUT, MapKind, MapPage, MapPageId, Root, height_of, level_len};

/// The checksum of every page of a tree, by level and index.
#[derive(Clone, Debug)]
pub(super) struct CrcTree {
    kind: MapKind,
    levels: Vec<Vec<u32>>,
}

impl CrcTree {
    pub(super) const fn new(kind: MapKind) -> Self {
        Self {
            kind,
            levels: Vec::new(),
        }
    }

    /// A page's checksum, if the tree has the page.
    pub(super) fn crc(&self, id: MapPageId) -> Option<u32> {
        self.levels
            .get(usize::from(id.level))?
            .get(id.index as usize)
            .copied()
    }

    /// The topmost page's checksum, under the tree's height.
    pub(super) fn root(&self) -> Root {
        let height = u8::try_from(self.levels.len()).unwrap_or(u8::MAX);
        let top = self.levels.last().and_then(|level| level.first());
        Root {
            height,
            crc: top.copied().unwrap_or(0),
        }
    }

    pub(super) fn set(&mut self, id: MapPageId, crc: u32) {
        let (level, index) = (usize::from(id.level), id.index as usize);
        if self.levels.len() <= level {
            self.levels.resize(level + 1, Vec::new());
        }
        if let Some(level) = self.levels.get_mut(level) {
            if level.len() <= index {
                level.resize(index + 1, 0);
            }
            if let Some(place) = level.get_mut(index) {
                *place = crc;
            }
        }
    }

    /// Forgets the pages that a tree over `count` does not have.
    pub(super) fn truncate(&mut self, count: u32) {
        self.levels.truncate(height_of(self.kind, count).into());
        for (level, crcs) in (0..).zip(&mut self.levels) {
            crcs.truncate(level_len(self.kind, level, count) as usize);
        }
    }

    /// All pages of the tree, leaves first.
    pub(super) fn ids(&self) -> impl Iterator<Item = MapPageId> + '_ {
        let kind = self.kind;
        (0_u8..).zip(&self.levels).flat_map(move |(level, crcs)| {
            (0_u32..)
                .zip(crcs)
                .map(move |(index, _)| MapPageId { kind, level, index })
        })
    }

    /// The pages above changed leaves, once the tree covers `count`: sealed, lowest level first. A level that is
    /// new has at least two pages below it, of which all but the first are new; so every page that
    /// changes has a changed one below.
    pub(super) fn pages_above(
        &self,
        count: u32,
        leaves: &[(MapPageId, MapPage)],
    ) -> Vec<(MapPageId, MapPage)> {
        let mut above = Vec::new();
        let mut below: BTreeMap<u32, u32> = leaves
            .iter()
            .map(|(id, page)| (id.index, page.crc()))
            .collect();
        for level in 1..height_of(self.kind, count) {
            let parents: BTreeSet<u32> = below.keys().map(|index| index / MAP_FANOUT).collect();
            let mut changed = BTreeMap::new();
            for index in parents {
                let id = MapPageId {
                    kind: self.kind,
                    level,
                    index,
                };
                let page = self.upper_page(id, count, &below);
                changed.insert(index, page.crc());
                above.push((id, page));
            }
            below = changed;
        }
        above
    }

    /// An upper page, sealed: its children's checksums, those in `changed` before those known.
    pub(super) fn upper_page(
        &self,
        id: MapPageId,
        count: u32,
        changed: &BTreeMap<u32, u32>,
    ) -> MapPage {
        let mut page = MapPage::new(id);
        let level = id.level.saturating_sub(1);
        for (position, index) in child_indices(id, count) {
            let known = || {
                self.crc(MapPageId {
                    kind: self.kind,
                    level,
                    index,
                })
            };
            let crc = changed.get(&index).copied().or_else(known);
            page.set_child(position, crc.unwrap_or(0));
        }
        page.seal();
        page
    }
}

/// The children of an upper page in a tree over `count`: position in the page, and index in their level.
pub(super) fn child_indices(id: MapPageId, count: u32) -> impl Iterator<Item = (u32, u32)> {
    let first = id.index.saturating_mul(MAP_FANOUT);
    let end = level_len(id.kind, id.level.saturating_sub(1), count);
    (0..MAP_FANOUT).zip(first..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: MapKind = MapKind::Pages;

    fn leaf(index: u32) -> (MapPageId, MapPage) {
        let id = MapPageId {
            kind: KIND,
            level: 0,
            index,
        };
        let mut page = MapPage::new(id);
        page.seal();
        (id, page)
    }

    fn apply(tree: &mut CrcTree, pages: &[(MapPageId, MapPage)]) {
        for (id, page) in pages {
            tree.set(*id, page.crc());
        }
    }

    fn grown(steps: &[u32]) -> CrcTree {
        let mut tree = CrcTree::new(KIND);
        let mut done = 0;
        for &leaves in steps {
            let count = leaves * MAP_FANOUT;
            let new: Vec<_> = (done..leaves).map(leaf).collect();
            let above = tree.pages_above(count, &new);
            apply(&mut tree, &new);
            apply(&mut tree, &above);
            done = leaves;
        }
        tree
    }

    #[test]
    fn a_tree_grown_step_by_step_is_the_tree_grown_at_once() {
        let at_once = grown(&[1100]);
        assert_eq!(at_once.root().height, 3);
        for steps in [
            &[1, 1100][..],
            &[1, 508, 509, 1100],
            &[508, 510, 1017, 1100],
        ] {
            let stepwise = grown(steps);
            assert_eq!(stepwise.root(), at_once.root(), "{steps:?}");
            assert!(stepwise.ids().eq(at_once.ids()), "{steps:?}");
        }
    }

    #[test]
    fn a_tree_of_one_leaf_has_the_leaf_as_its_root() {
        assert_eq!(
            grown(&[1]).root(),
            Root {
                height: 1,
                crc: leaf(0).1.crc()
            }
        );
        assert_eq!(grown(&[]).root(), Root::default());
    }
}
