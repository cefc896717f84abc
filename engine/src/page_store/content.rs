//! What one version of a page holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use crate::ids::Version;
use crate::image::Image;
use crate::map::{Map, PageAddress};

/// More hits than this count for nothing, so that a hot page's counter is only read.
const HITS_MAX: u8 = 3;

/// One version of a page.
#[derive(Debug)]
pub(super) enum Content {
    /// An ordinary page.
    Page(Resident),
    /// The whole value of the extent that starts here.
    Extent(Resident),
    /// The newest version, not in memory: it is read through the map. Older ones follow; if there are none, the
    /// chain is empty instead.
    Mapped,
    /// A superseded version, not in memory: it is read from slots that are pinned for it.
    Stored(Arc<Stored>),
    /// The page is not used.
    Freed,
}

/// An image in memory.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) image: Image,
    /// Hits since the cache last looked at it.
    hits: AtomicU8,
    /// A checkpoint that holds a newer version was completed: the map does not name this one, or no longer.
    is_unmapped: AtomicBool,
    /// Where it can be read again, for a superseded version whose slots are pinned.
    pub(super) stored: Option<Arc<Stored>>,
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

impl Content {
    pub(super) fn resident(kind: Kind, image: Image, stored: Option<Arc<Stored>>) -> Self {
        let resident = Resident {
            image,
            hits: AtomicU8::new(0),
            is_unmapped: AtomicBool::new(false),
            stored,
        };
        match kind {
            Kind::Page => Self::Page(resident),
            Kind::Extent => Self::Extent(resident),
        }
    }

    /// A reader's look, which counts as a hit.
    pub(super) fn see(&self) -> Sight {
        match self {
            Self::Page(resident) => Sight::Image(Kind::Page, resident.hit()),
            Self::Extent(resident) => Sight::Image(Kind::Extent, resident.hit()),
            Self::Mapped => Sight::Mapped,
            Self::Stored(stored) => Sight::Stored(Arc::clone(stored)),
            Self::Freed => Sight::Freed,
        }
    }

    pub(super) fn image(&self) -> Option<(Kind, &Resident)> {
        match self {
            Self::Page(resident) => Some((Kind::Page, resident)),
            Self::Extent(resident) => Some((Kind::Extent, resident)),
            Self::Mapped | Self::Stored(_) | Self::Freed => None,
        }
    }

    /// The memory of its image.
    pub(super) fn bytes(&self) -> u64 {
        self.image()
            .map_or(0, |(_, resident)| resident.image.len() as u64)
    }

    /// The slots that are pinned for it.
    pub(super) fn stored(&self) -> Option<&Arc<Stored>> {
        match self {
            Self::Page(resident) | Self::Extent(resident) => resident.stored.as_ref(),
            Self::Stored(stored) => Some(stored),
            Self::Mapped | Self::Freed => None,
        }
    }
}

impl Resident {
    fn hit(&self) -> Image {
        let hits = self.hits.load(Relaxed);
        if hits < HITS_MAX {
            self.hits.store(hits + 1, Relaxed);
        }
        self.image.clone()
    }

    pub(super) fn hits(&self) -> u8 {
        self.hits.load(Relaxed)
    }

    /// Told under the chains' lock, as it is asked.
    pub(super) fn set_unmapped(&self) {
        self.is_unmapped.store(true, Relaxed);
    }

    pub(super) fn is_unmapped(&self) -> bool {
        self.is_unmapped.load(Relaxed)
    }

    pub(super) fn set_hits(&self, hits: u8) {
        self.hits.store(hits.min(HITS_MAX), Relaxed);
    }
}

impl Stored {
    pub(super) fn unpin(&self, map: &Map) {
        for piece in &self.pieces {
            map.unpin(piece.slot);
        }
    }
}
