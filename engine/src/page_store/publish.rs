//! How the chains follow commits and checkpoints.

use std::sync::Arc;

use crate::ids::{PageNo, Version};
use crate::sync::let_others_in;

use super::cache::{Cache, Editing, pin_mapped};
use super::cleaner::forget;
use super::content::{self, Content, Kind, Stored};
use super::dirty::{DirtyPage, DirtySet};
use super::link::Item;
use super::page_table::{Chains, Fate};
use super::snapshots::Visible;
use super::store::PageStore;

/// A checkpoint looks at so many pages at a time: a commit waits for no more than that.
const PART_PAGES: usize = 256;

/// What a page was before a new version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    /// Nothing that anybody can see.
    Nothing,
    /// An ordinary page.
    Page,
    /// An extent of so many bytes.
    Extent(u64),
}

impl PageStore {
    /// Puts a new version on a chain, under the writer's lock. The one below stays readable, in memory or not.
    pub(super) fn push(
        &self,
        edit: &mut Editing<'_>,
        page: PageNo,
        (version, item): (Version, Item<Content>),
        below: Below,
    ) {
        let (mut chains, cache) = edit.parts();
        let head = chains.head(page, |version, item| {
            let hits = item.image().map(|(_, resident)| resident.hits());
            (version, item.is_mapped(), item.bytes(), hits.unwrap_or(0))
        });
        match head {
            // No checkpoint under way touches the page: what is not in memory is not dirty. So the map holds its
            // newest version, now and until this one is in a checkpoint.
            None => {
                if let Some(stored) = self.pin_below(page, Version(0), below) {
                    chains.push(page, Version(0), Item::Other(Content::Stored(stored)));
                }
            }
            Some((known, true, ..)) => {
                let mut stored = self.pin_below(page, known, below);
                chains.retain(page, |seen| match seen.newer {
                    None => stored.take().map_or(Fate::Keep, |stored| {
                        Fate::Replace(Item::Other(Content::Stored(stored)))
                    }),
                    Some(_) => Fate::Keep,
                });
            }
            Some((_, false, bytes, hits)) => {
                cache.supersede(bytes);
                if let Some((_, resident)) = item.borrow().image() {
                    resident.set_hits(hits);
                }
            }
        }
        cache.add(item.borrow().bytes(), true);
        chains.push(page, version, item);
    }

    fn pin_below(&self, page: PageNo, version: Version, below: Below) -> Option<Arc<Stored>> {
        let (kind, len) = match below {
            Below::Nothing => return None,
            Below::Page => (Kind::Page, self.disk.page_size as u64),
            Below::Extent(len) => (Kind::Extent, len),
        };
        self.disk.pin(page, kind, version, len)
    }

    /// A checkpoint begins of all up to `version`: what it holds stays in memory until it is over.
    pub fn begin_writing(&self, version: Version) {
        self.table.edit().parts().1.writing = version;
    }

    /// A checkpoint of `dirty` is about to switch the map: what it takes from there, and old snapshots still see,
    /// gets its slots pinned.
    ///
    /// Commits go on between the parts. None of them adds to what is to be pinned: the versions that the map has of these pages
    /// are superseded, and no snapshot comes to see such a one that does not see it already.
    pub fn before_switch(&self, dirty: &DirtySet) {
        let visible = self.snapshots.visible();
        self.in_parts(dirty, |(chains, cache), page, _| {
            self.pin_passed(chains, cache, page, &visible);
        });
        self.table.edit().parts().1.is_switching = true;
    }

    fn pin_passed(
        &self,
        chains: &mut Chains<'_, Content>,
        cache: &Cache,
        page: PageNo,
        visible: &Visible,
    ) {
        chains.retain(page, |seen| {
            let Some((kind, resident)) = seen.item.image() else {
                return Fate::Keep;
            };
            let below = seen.newer.filter(|_| resident.stored.is_none());
            if below.is_none_or(|newer| visible.newest_within(seen.version, newer).is_none()) {
                return Fate::Keep;
            }
            let Some(stored) = pin_mapped(cache, &self.disk, page, kind, &seen) else {
                return Fate::Keep;
            };
            Fate::Replace(content::resident(
                kind,
                resident.image.to_image(),
                Some(stored),
            ))
        });
    }

    /// The checkpoint was completed: it holds all up to `version`.
    ///
    /// What it passed over is marked first, while nobody asks for the marks; what it holds may leave memory last.
    pub fn after_switch(&self, version: Version, dirty: &DirtySet) {
        self.in_parts(dirty, |(chains, _), page, state| {
            let written = state.version();
            chains.retain(page, |seen| {
                let is_passed = seen.version <= version && Some(seen.version) != written;
                if is_passed && let Some((_, resident)) = seen.item.image() {
                    resident.set_unmapped();
                }
                Fate::Keep
            });
        });
        {
            let mut edit = self.table.edit();
            let (_, cache) = edit.parts();
            cache.is_switching = false;
            cache.durable = version;
        }
        self.in_parts(dirty, |(chains, cache), page, state| match state {
            DirtyPage::Page(_, image) | DirtyPage::Extent(_, image, _) => {
                cache.policy.admit(page, image.len() as u64);
            }
            DirtyPage::Freed => forget(chains, cache, page),
        });
        let mut edit = self.table.edit();
        edit.parts().1.written();
        self.make_room(&mut edit);
    }

    /// Looks at each page of `dirty` under the chains' lock, which others get in between.
    fn in_parts(
        &self,
        dirty: &DirtySet,
        mut look: impl FnMut((&mut Chains<'_, Content>, &mut Cache), PageNo, &DirtyPage),
    ) {
        let mut pages = dirty.iter().peekable();
        while pages.peek().is_some() {
            {
                let mut edit = self.table.edit();
                let (mut chains, cache) = edit.parts();
                for (page, state) in pages.by_ref().take(PART_PAGES) {
                    look((&mut chains, cache), page, state);
                }
            }
            if pages.peek().is_some() {
                let_others_in();
            }
        }
    }

    /// It was not: the map is as it was.
    pub fn switch_failed(&self) {
        let mut edit = self.table.edit();
        let (_, cache) = edit.parts();
        cache.is_switching = false;
        cache.written();
    }
}
