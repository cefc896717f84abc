//! One word that leads to a version: nothing, an image itself, or a node that holds something else.
//!
//! The common version is an image: it stands in the chain by itself, with its version and the link to the older one in the notes
//! before its bytes, so that a look-up loads the word, and then the page. Anything else, and an image that stood in a chain
//! before, has a node.
//!
//! Invariants:
//! 1. The word is null, the address of an image whose notes this chain claimed, or a node's address plus 1. Images begin on a
//!    cache line's edge and nodes on a word's, so the lowest bit tells them apart.
//! 2. What stands in a chain has a count, or is owned, by its link. That is given up through the epoch, after the link is changed: so
//!    a thread that is pinned may use what it found.
//! 3. An image's notes are claimed once, by one link, and stay that link's chain's for the image's life.
//! 4. A chain is changed by one thread at a time; the callers hold the lock (`page_table.rs`, invariant 2).

#![expect(
    unsafe_code,
    reason = "lock-free chains; docs/decisions/0003-epoch-chains.md, 0011-frames.md"
)]

use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crossbeam_epoch::Guard;

use crate::ids::Version;
use crate::image::{Image, ImageRef, Notes, Trace};

/// What a version is made of.
#[derive(Debug)]
pub enum Item<T> {
    /// An image by itself.
    Image(Image),
    /// Anything else.
    Other(T),
}

/// What a version is made of, while it is held.
#[derive(Debug)]
pub enum ItemRef<'n, T> {
    /// An image by itself.
    Image(ImageRef<'n>),
    /// Anything else.
    Other(&'n T),
}

impl<T> Item<T> {
    pub(super) fn borrow(&self) -> ItemRef<'_, T> {
        match self {
            Self::Image(image) => ItemRef::Image(image.borrow()),
            Self::Other(content) => ItemRef::Other(content),
        }
    }
}

impl<T> Clone for ItemRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ItemRef<'_, T> {}

/// Where a chain begins.
pub(super) struct Link<T> {
    word: AtomicPtr<()>,
    owns: PhantomData<Item<T>>,
}

/// A link, wherever it stands.
pub(super) struct Place<'n, T> {
    word: &'n AtomicPtr<()>,
    leads_to: PhantomData<&'n Link<T>>,
}

/// A version that a link led to.
pub(super) struct Step<'n, T> {
    word: NonNull<()>,
    at: At<'n, T>,
}

enum At<'n, T> {
    Image(ImageRef<'n>),
    Node(&'n Node<T>),
}

/// The alignment makes room for the mark.
#[repr(align(8))]
struct Node<T> {
    version: Version,
    item: Item<T>,
    older: AtomicPtr<()>,
}

/// In the notes of an image that a chain has claimed.
const CLAIMED: u8 = 1;
/// In a word that leads to a node.
const NODE: usize = 1;

// SAFETY: a chain owns items, and hands out references to them.
unsafe impl<T: Send + Sync> Send for Link<T> {}
// SAFETY: as above; the word is atomic.
unsafe impl<T: Send + Sync> Sync for Link<T> {}

impl<T> Default for Link<T> {
    fn default() -> Self {
        Self {
            word: AtomicPtr::new(null_mut()),
            owns: PhantomData,
        }
    }
}

impl<T> Link<T> {
    /// As the place of the newest version.
    #[inline]
    pub(super) fn place(&self) -> Place<'_, T> {
        Place::new(&self.word)
    }

    /// The newest version.
    #[inline]
    pub(super) fn follow<'n>(&'n self, pinned: &'n Guard) -> Option<Step<'n, T>> {
        self.place().follow(pinned)
    }

    /// Puts a newer version before all others.
    pub(super) fn push(&self, version: Version, item: Item<T>) {
        let older = self.word.load(Relaxed);
        self.word.store(make(version, item, older), Release);
    }
}

impl<'n, T> Place<'n, T> {
    #[inline]
    const fn new(word: &'n AtomicPtr<()>) -> Self {
        Self {
            word,
            leads_to: PhantomData,
        }
    }

    /// The version that stands here.
    #[inline]
    pub(super) fn follow(&self, _pinned: &'n Guard) -> Option<Step<'n, T>> {
        let word = NonNull::new(self.word.load(Acquire))?;
        let at = if word.addr().get() & NODE == 0 {
            // SAFETY: by invariants 1 and 2 this is an image's address, and its count is not given back while `_pinned` lives.
            At::Image(unsafe { ImageRef::from_address(word) })
        } else {
            // SAFETY: by invariants 1 and 2 this is a node, and it is not freed while `_pinned` lives; nodes are never changed
            // but for `older`, which is atomic.
            At::Node(unsafe { node(word).as_ref() })
        };
        Some(Step { word, at })
    }

    /// Unlinks `first`, which stands here.
    pub(super) fn drop_first(&self, first: &Step<'n, T>, pinned: &Guard) {
        self.word
            .store(first.word_of_older().load(Relaxed), Release);
        first.retire(pinned);
    }

    /// Puts `item` where `first` stands, and returns the place of what is older.
    pub(super) fn replace_first(
        &self,
        first: &Step<'n, T>,
        item: Item<T>,
        pinned: &'n Guard,
    ) -> Self {
        let older = first.word_of_older().load(Relaxed);
        self.word.store(make(first.version(), item, older), Release);
        first.retire(pinned);
        match self.follow(pinned) {
            Some(new) => new.place_of_older(),
            None => Self::new(self.word),
        }
    }
}

impl<'n, T> Step<'n, T> {
    #[inline]
    pub(super) fn version(&self) -> Version {
        match &self.at {
            At::Image(image) => Version(image.notes().version.load(Relaxed)),
            At::Node(node) => node.version,
        }
    }

    /// Asks for the bytes of a version that is an image by itself.
    #[inline]
    pub(super) fn prefetch(&self) {
        if let At::Image(image) = self.at {
            image.prefetch();
        }
    }

    /// Where the bytes are of a version that is an image by itself.
    #[inline]
    pub(super) fn trace(&self) -> Option<Trace> {
        match self.at {
            At::Image(image) => Some(image.trace()),
            At::Node(_) => None,
        }
    }

    #[inline]
    pub(super) fn item(&self) -> ItemRef<'n, T> {
        match self.at {
            At::Image(image) => ItemRef::Image(image),
            At::Node(node) => node.item.borrow(),
        }
    }

    /// The version before this one.
    #[inline]
    pub(super) fn older(&self, pinned: &'n Guard) -> Option<Self> {
        self.place_of_older().follow(pinned)
    }

    pub(super) fn is_oldest(&self) -> bool {
        self.word_of_older().load(Relaxed).is_null()
    }

    /// Where what is older than this stands.
    #[inline]
    pub(super) fn place_of_older(&self) -> Place<'n, T> {
        Place::new(self.word_of_older())
    }

    #[inline]
    fn word_of_older(&self) -> &'n AtomicPtr<()> {
        match self.at {
            At::Image(image) => &image.notes().link,
            At::Node(node) => &node.older,
        }
    }

    /// Gives up what was just unlinked, when nobody can stand on it any more.
    fn retire(&self, pinned: &Guard) {
        let word = self.word;
        // SAFETY: the caller has just unlinked it, as the only one that changes the chain (invariant 4), so it is given up once
        // and nobody pinned later can reach it. What is dropped is Send, or never leaves the chain's owner.
        unsafe { pinned.defer_unchecked(move || give_up::<T>(word)) };
    }
}

/// A word that leads to a new version.
fn make<T>(version: Version, item: Item<T>, older: *mut ()) -> *mut () {
    match item {
        Item::Image(image) if claim(image.notes()) => {
            let notes = image.notes();
            notes.version.store(version.get(), Relaxed);
            notes.link.store(older, Relaxed);
            image.into_address().as_ptr()
        }
        item => {
            let older = AtomicPtr::new(older);
            let node = Box::new(Node {
                version,
                item,
                older,
            });
            Box::into_raw(node)
                .cast::<()>()
                .map_addr(|address| address | NODE)
        }
    }
}

/// Whether the notes are this link's from now on (invariant 3).
fn claim(notes: &Notes) -> bool {
    notes.marks.fetch_or(CLAIMED, Relaxed) & CLAIMED == 0
}

fn node<T>(word: NonNull<()>) -> NonNull<Node<T>> {
    word.map_addr(|address| {
        // The mark is set, and no node lies at 0.
        std::num::NonZero::new(address.get() & !NODE).unwrap_or(address)
    })
    .cast()
}

/// Gives up a link's hold on what `word` leads to.
///
/// # Safety
/// The word was a link's, and is used no more.
unsafe fn give_up<T>(word: NonNull<()>) {
    if word.addr().get() & NODE == 0 {
        // SAFETY: by invariants 1 and 2 the link had one of its counts.
        drop(unsafe { Image::from_address(word) });
    } else {
        // SAFETY: by invariants 1 and 2 the link owned the node.
        drop(unsafe { Box::from_raw(node::<T>(word).as_ptr()) });
    }
}

impl<T> Drop for Link<T> {
    fn drop(&mut self) {
        // SAFETY: `&mut self`: no other thread can reach the chain any more.
        let alone = unsafe { crossbeam_epoch::unprotected() };
        let mut next = self
            .place()
            .follow(alone)
            .map(|step| (step.word, step.word_of_older().load(Relaxed)));
        while let Some((word, older)) = next {
            // SAFETY: each version hangs in one chain only, so it is given up once.
            unsafe { give_up::<T>(word) };
            let link = AtomicPtr::new(older);
            next = Place::<T>::new(&link)
                .follow(alone)
                .map(|step| (step.word, step.word_of_older().load(Relaxed)));
        }
    }
}

impl<T> std::fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
