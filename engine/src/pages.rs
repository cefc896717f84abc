//! What a tree asks of the pages below it.
//!
//! A tree holds plain page numbers; where a page lies, which version of it is seen and who else sees
//! it is the implementer's business. The implementer reports damage that it can see (checksums); the
//! tree reports damage in a page's structure, and trusts no byte that it is given.

use crate::error::StorageError;
use crate::ids::PageNo;
use crate::image::{Image, ImageRef, Trace};

/// The bytes of one page, header included. Its length is the page size: a power of two from 4 KiB to
/// 64 KiB, the same for all pages of a tree.
pub type PageImage = Image;

/// The bytes of one extent, without any header.
pub type ExtentImage = Image;

/// Pages as one snapshot sees them.
pub trait ReadPages {
    /// What [`ReadPages::hold`] gives.
    type Held<'h>: HeldPages
    where
        Self: 'h;

    /// Holds what is in memory where it is, so that a descent borrows its pages and counts no references. For a moment: what
    /// is superseded meanwhile is not freed. Nothing is loaded while it is held (R7): whoever finds a page missing lets go, asks
    /// for the page, and goes on.
    fn hold(&self) -> Self::Held<'_>;

    /// The page's image. `Corruption` if there is no such page.
    fn page(&self, no: PageNo) -> Result<PageImage, StorageError>;

    /// The `len` bytes of the extent that starts at page `first`. The length comes from a page and may be
    /// damaged: the implementer checks it against what it knows before it reserves memory.
    /// `Corruption` if there is no such extent, or it has another length.
    fn extent(&self, first: PageNo, len: u64) -> Result<ExtentImage, StorageError>;

    /// Whether [`ReadPages::extent`] would give the extent. An implementer that can find out without holding all of
    /// it in memory does.
    fn check_extent(&self, first: PageNo, len: u64) -> Result<(), StorageError> {
        self.extent(first, len).map(drop)
    }

    /// Says that the caller is going to ask for these pages, in this order. The implementer may read them all at once; what it
    /// cannot read it leaves to whoever asks for it.
    fn read_ahead(&self, _upcoming: &[PageNo]) {}
}

/// Pages in memory that stay where they are while this is held.
pub trait HeldPages {
    /// The page's image, if it is in memory.
    fn page(&self, no: PageNo) -> Option<ImageRef<'_>>;

    /// Where the page is likely to be, for whoever is going to look at it soon. It does not count as a look.
    fn trace(&self, _no: PageNo) -> Option<Trace> {
        None
    }

    /// Ends the holding. What was read meanwhile is right only if this passes it on: the snapshot may have expired.
    fn settle<T>(self, read: Result<T, StorageError>) -> Result<T, StorageError>
    where
        Self: Sized,
    {
        read
    }
}

/// Holds nothing: every page is asked for.
#[derive(Debug)]
pub struct NothingHeld;

impl HeldPages for NothingHeld {
    fn page(&self, _no: PageNo) -> Option<ImageRef<'_>> {
        None
    }
}

impl<P: ReadPages + ?Sized> ReadPages for &P {
    type Held<'h>
        = P::Held<'h>
    where
        Self: 'h;

    fn hold(&self) -> Self::Held<'_> {
        (**self).hold()
    }

    fn page(&self, no: PageNo) -> Result<PageImage, StorageError> {
        (**self).page(no)
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<ExtentImage, StorageError> {
        (**self).extent(first, len)
    }

    fn check_extent(&self, first: PageNo, len: u64) -> Result<(), StorageError> {
        (**self).check_extent(first, len)
    }

    fn read_ahead(&self, upcoming: &[PageNo]) {
        (**self).read_ahead(upcoming);
    }
}

/// Pages being changed by one writer.
///
/// After an error the private pages are in an unknown state, and the caller throws all of them away.
pub trait WritePages: ReadPages {
    /// The bytes of a private copy of the page, made at the first touch. The tree changes bytes 8..18
    /// and those from 32 on; the rest of the header belongs to others.
    fn page_mut(&mut self, no: PageNo) -> Result<&mut [u8], StorageError>;

    /// As [`WritePages::page_mut`], for a page whose content does not matter any more: an implementer for whom it may be
    /// unreadable gives other bytes in place of the old ones.
    fn page_anew(&mut self, no: PageNo) -> Result<&mut [u8], StorageError> {
        self.page_mut(no)
    }

    /// As `page_mut`, of a page of which the caller has the image that `page` gave it.
    fn page_mut_of(&mut self, no: PageNo, image: PageImage) -> Result<&mut [u8], StorageError> {
        drop(image);
        self.page_mut(no)
    }

    /// Makes `copy`, a changed copy of what is published, the private copy of the page. False if that may not be what the page holds
    /// now, or what it is responsible for: it has a private copy, or pages were freed. An implementer that cannot tell says so.
    fn adopt(&mut self, _no: PageNo, _copy: PageImage) -> Result<bool, StorageError> {
        Ok(false)
    }

    /// A new private page. The tree's part of it is zeroed.
    fn allocate(&mut self) -> Result<PageNo, StorageError>;

    /// Gives a page back.
    fn free(&mut self, no: PageNo) -> Result<(), StorageError>;

    /// Stores `value`, which is never empty, in a new extent, and returns its first page.
    fn allocate_extent(&mut self, value: &[u8]) -> Result<PageNo, StorageError>;

    /// Tells that tables came, went or changed their names, to whoever remembers where they are.
    fn note_tables_changed(&mut self) {}

    /// Gives an extent of `len` bytes back. As in [`ReadPages::extent`], `len` may be damaged.
    fn free_extent(&mut self, first: PageNo, len: u64) -> Result<(), StorageError>;
}
