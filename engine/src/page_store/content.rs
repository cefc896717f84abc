//! What one version of a page holds: an ordinary page's image by itself, or a `Content`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::ids::Version;
use crate::image::{Image, ImageRef};
use crate::map::{Map, PageAddress};

use super::link::{Item, ItemRef};

/// More hits than this count for nothing, so that a hot page's counter is only read.
const HITS_MAX: u8 = 3;
/// In an image's marks, beside the chain's own.
const UNMAPPED: u8 = 2;

/// A version of a page that is no ordinary page's image alone.
#[derive(Debug)]
pub(super) enum Content {
    /// An ordinary page that can be read again from slots that are pinned for it, though it is superseded.
    Page(Image, Arc<Stored>),
    /// The whole value of the extent that starts here, and where it can be read again, as above.
    Extent(Image, Option<Arc<Stored>>),
    /// The newest version, not in memory: it is read through the map. Older ones follow; if there are none, the
    /// chain is empty instead.
    Mapped,
    /// A superseded version, not in memory: it is read from slots that are pinned for it.
    Stored(Arc<Stored>),
    /// The page is not used.
    Freed,
}

/// An image in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident<'n> {
    pub(super) image: ImageRef<'n>,
    /// Where it can be read again, for a superseded version whose slots are pinned.
    pub(super) stored: Option<&'n Arc<Stored>>,
}

/// Pinned slots that hold one version of a page or an extent.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) kind: Kind,
    /// What the page's header says; 0 if that is not known.
    pub(super) version: Version,
    pub(super) pieces: Vec<PageAddress>,
    pub(super) len: u64,
}

/// What begins at a page number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Page,
    Extent,
}

/// What a look-up takes along.
#[derive(Debug)]
pub(super) enum Sight {
    Image(Kind, Image),
    Mapped,
    Stored(Arc<Stored>),
    Freed,
}

/// A version with this image.
pub(super) fn resident(kind: Kind, image: Image, stored: Option<Arc<Stored>>) -> Item<Content> {
    match (kind, stored) {
        (Kind::Page, None) => Item::Image(image),
        (Kind::Page, Some(stored)) => Item::Other(Content::Page(image, stored)),
        (Kind::Extent, stored) => Item::Other(Content::Extent(image, stored)),
    }
}

/// A reader's look, which counts as a hit.
pub(super) fn see(item: ItemRef<'_, Content>) -> Sight {
    item.see()
}

/// Whether a version says no more than the map does.
pub(super) fn is_mapped(item: ItemRef<'_, Content>) -> bool {
    item.is_mapped()
}

impl<'n> ItemRef<'n, Content> {
    fn see(self) -> Sight {
        if let Some((kind, resident)) = self.image() {
            resident.hit();
            return Sight::Image(kind, resident.image.to_image());
        }
        match self {
            Self::Other(Content::Stored(stored)) => Sight::Stored(Arc::clone(stored)),
            Self::Other(Content::Mapped) => Sight::Mapped,
            _ => Sight::Freed,
        }
    }

    /// A reader's look at an ordinary page that is in memory, which counts as a hit.
    #[inline]
    pub(super) fn see_page(self) -> Option<ImageRef<'n>> {
        let (image, stored) = match self {
            Self::Image(image) => (image, None),
            Self::Other(Content::Page(image, stored)) => (image.borrow(), Some(stored)),
            Self::Other(_) => return None,
        };
        Resident { image, stored }.hit();
        Some(image)
    }

    pub(super) fn image(self) -> Option<(Kind, Resident<'n>)> {
        let (kind, image, stored) = match self {
            Self::Image(image) => (Kind::Page, image, None),
            Self::Other(Content::Page(image, stored)) => (Kind::Page, image.borrow(), Some(stored)),
            Self::Other(Content::Extent(image, stored)) => {
                (Kind::Extent, image.borrow(), stored.as_ref())
            }
            Self::Other(_) => return None,
        };
        Some((kind, Resident { image, stored }))
    }

    /// The memory of its image.
    pub(super) fn bytes(self) -> u64 {
        self.image()
            .map_or(0, |(_, resident)| resident.image.len() as u64)
    }

    /// The slots that are pinned for it.
    pub(super) fn stored(self) -> Option<&'n Arc<Stored>> {
        match self {
            Self::Other(Content::Stored(stored)) => Some(stored),
            _ => self.image()?.1.stored,
        }
    }

    /// Whether it says no more than the map does.
    pub(super) fn is_mapped(self) -> bool {
        matches!(self, Self::Other(Content::Mapped))
    }
}

/// Hits since the cache last looked stand beside the image, and whether it is unmapped: a checkpoint that holds a newer version was
/// completed, so the map does not name this one, or no longer.
impl Resident<'_> {
    #[inline]
    fn hit(self) {
        let hits = self.hits();
        if hits < HITS_MAX {
            self.image.notes().hits.store(hits + 1, Relaxed);
        }
    }

    #[inline]
    pub(super) fn hits(self) -> u8 {
        self.image.notes().hits.load(Relaxed)
    }

    pub(super) fn set_hits(self, hits: u8) {
        self.image.notes().hits.store(hits.min(HITS_MAX), Relaxed);
    }

    /// Told under the chains' lock, as it is asked.
    pub(super) fn set_unmapped(self) {
        self.image.notes().marks.fetch_or(UNMAPPED, Relaxed);
    }

    pub(super) fn is_unmapped(self) -> bool {
        self.image.notes().marks.load(Relaxed) & UNMAPPED != 0
    }
}

impl Stored {
    pub(super) fn unpin(&self, map: &Map) {
        for piece in &self.pieces {
            map.unpin(piece.slot);
        }
    }
}
