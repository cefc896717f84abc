//! Memory of one image: a header, and directly after it the bytes, in one allocation on a cache line's edge.
//!
//! Invariants:
//! 1. A frame is freed when its last count is given back, and not before. A count is a promise to give it back once. Freed
//!    memory of a length goes to the allocator, or by way of `pool` to the next frame of that length, whose layout is the same.
//! 2. Bytes are changed only through a count that is the only one, and held exclusively; so whoever shares them reads what
//!    does not change.
//! 3. A pointer to a frame may reach the whole allocation: it comes from the allocator, never from a reference.
//!
//! It does not know what the bytes mean, nor the notes that stand beside them.

#![expect(
    unsafe_code,
    reason = "one allocation for count, notes and bytes; docs/decisions/0011-frames.md"
)]

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, fence};

use super::pool;

/// A cache line.
const LINE: usize = 64;
/// What every allocator aligns to by itself.
const ALIGNED: usize = 16;
/// Lines of a page that a look-up reads before it knows which others: its header, and the heads of a common leaf.
const PREFETCH_LINES: usize = 3;
/// How long the shortest page is.
const SHORTEST_END: usize = 4096;
/// Where the bytes begin.
const BYTES: usize = size_of::<Header>();
/// Far below where the count would wrap, far above what handles memory can hold.
const COUNT_MAX: usize = isize::MAX as usize;

/// What stands before an image's bytes.
#[repr(C, align(64))]
struct Header {
    count: AtomicUsize,
    len: usize,
    /// How far behind the start of its memory the frame begins.
    shift: usize,
    notes: Notes,
}

/// What whoever keeps images writes beside one. It is the same for all who share the image, and means nothing to the image itself.
#[derive(Debug, Default)]
pub struct Notes {
    /// Leads to something else.
    pub(crate) link: AtomicPtr<()>,
    /// A version.
    pub(crate) version: AtomicU64,
    /// Hits.
    pub(crate) hits: AtomicU8,
    /// Marks.
    pub(crate) marks: AtomicU8,
}

/// A frame, without any say on how long it lives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame(NonNull<Header>);

/// What a frame's bytes are at first.
pub(super) enum Fill<'b> {
    Zeroes,
    Copy(&'b [u8]),
}

impl Frame {
    /// A frame of `len` bytes, with one count.
    pub(super) fn new(len: usize, fill: &Fill<'_>) -> Self {
        let kept = pool::take(len);
        let (header, shift) = match kept {
            None => allocate(len, fill),
            Some(memory) => {
                let header = memory.cast::<Header>();
                // SAFETY: it was the memory of a frame of this length, whose header nobody has touched since.
                (header, unsafe { header.as_ref() }.shift)
            }
        };
        let first = Header {
            count: AtomicUsize::new(1),
            len,
            shift,
            notes: Notes::default(),
        };
        // SAFETY: the allocation is large enough for a header, aligned for it, and nobody else's.
        unsafe { header.write(first) };
        let frame = Self(header);
        match fill {
            Fill::Copy(bytes) => {
                debug_assert_eq!(bytes.len(), len, "all bytes are written");
                let count = bytes.len().min(len);
                // SAFETY: `len` bytes follow the header, in an allocation that `bytes` cannot overlap.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), frame.start(), count) };
            }
            Fill::Zeroes if kept.is_some() => {
                // SAFETY: `len` bytes follow the header, and the memory is nobody else's.
                unsafe { std::ptr::write_bytes(frame.start(), 0, len) };
            }
            Fill::Zeroes => {}
        }
        frame
    }

    #[inline]
    fn start(self) -> *mut u8 {
        // SAFETY: the allocation is longer than the header (invariant 3).
        unsafe { self.0.as_ptr().cast::<u8>().add(BYTES) }
    }

    /// The frame as an address, for [`from_address`](Self::from_address).
    pub(super) fn address(self) -> NonNull<()> {
        self.0.cast()
    }

    /// # Safety
    /// `address` came from [`address`](Self::address).
    #[inline]
    pub(super) const unsafe fn from_address(address: NonNull<()>) -> Self {
        Self(address.cast())
    }

    /// # Safety
    /// A count is held for as long as `'f`, and nobody changes the bytes meanwhile (invariant 2).
    #[inline]
    pub(super) unsafe fn bytes<'f>(self) -> &'f [u8] {
        // SAFETY: by the caller's promise the frame lives; its bytes were all written in `new`, and nobody changes them.
        unsafe { std::slice::from_raw_parts(self.start(), self.header().len) }
    }

    /// # Safety
    /// The caller has a count for as long as `'f`, and `is_sole` said that it is the only one.
    pub(super) unsafe fn bytes_mut<'f>(self) -> &'f mut [u8] {
        // SAFETY: as in `bytes`; by the caller's promise nobody else can reach them.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.header().len) }
    }

    /// # Safety
    /// A count is held for as long as `'f`.
    #[inline]
    pub(super) unsafe fn notes<'f>(self) -> &'f Notes {
        // SAFETY: by the caller's promise.
        unsafe { &self.header().notes }
    }

    /// # Safety
    /// A count is held for as long as `'f`.
    #[inline]
    unsafe fn header<'f>(self) -> &'f Header {
        // SAFETY: by the caller's promise the frame lives; its header is changed through atomics only.
        unsafe { self.0.as_ref() }
    }

    /// Whether the caller's count is the only one.
    ///
    /// # Safety
    /// The caller has a count.
    pub(super) unsafe fn is_sole(self) -> bool {
        // Acquire: what others did with the bytes before they gave their counts back comes before what the caller does.
        // SAFETY: by the caller's promise.
        unsafe { self.header() }.count.load(Acquire) == 1
    }

    /// Takes another count.
    ///
    /// # Safety
    /// A count is held meanwhile.
    #[inline]
    pub(super) unsafe fn count_up(self) {
        // SAFETY: by the caller's promise.
        let before = unsafe { self.header() }.count.fetch_add(1, Relaxed);
        if before > COUNT_MAX {
            // Only handles that were forgotten can get here, and going on would free memory in use.
            std::process::abort();
        }
    }

    /// Gives a count back.
    ///
    /// # Safety
    /// The caller has one, and does not use it again.
    pub(super) unsafe fn count_down(self) {
        // SAFETY: by the caller's promise.
        let header = unsafe { self.header() };
        if header.count.fetch_sub(1, Release) != 1 {
            return;
        }
        fence(Acquire);
        let (len, shift) = (header.len, header.shift);
        if pool::keep(len, self.address()) {
            return;
        }
        let layout = layout(len);
        // SAFETY: the memory begins `shift` before the frame, and the pointer reaches all of it (invariant 3).
        let start = unsafe { self.0.as_ptr().cast::<u8>().sub(shift) };
        // SAFETY: that was the last count (invariant 1), and the fence orders all that others did before this.
        unsafe { dealloc(start, layout) };
    }

    /// Asks the processor for the first bytes. The last ones of a short page are asked for first: most often they are in another page of
    /// the virtual memory, whose address takes as long to find out as the bytes take to come.
    #[inline]
    pub(super) fn prefetch(self) {
        self.prefetch_at(SHORTEST_END - LINE);
        for line in 0..PREFETCH_LINES {
            self.prefetch_at(line * LINE);
        }
    }

    /// Asks the processor for the line of the byte at `offset`. Any address may be asked for.
    #[inline]
    pub(super) fn prefetch_at(self, offset: usize) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let at = self.0.as_ptr().cast::<i8>().wrapping_add(BYTES);
            // SAFETY: a prefetch reads nothing that the program could see, and faults nowhere.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(offset)) };
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = (self, offset);
    }
}

/// Memory for a frame of `len` bytes, which are zeroes if they are to be, and how far behind its start the frame begins.
fn allocate(len: usize, fill: &Fill<'_>) -> (NonNull<Header>, usize) {
    let layout = layout(len);
    // SAFETY: the layout has the header's size at least, so it is not zero.
    let start = unsafe {
        match fill {
            Fill::Zeroes => alloc_zeroed(layout),
            Fill::Copy(_) => alloc(layout),
        }
    };
    if start.is_null() {
        handle_alloc_error(layout);
    }
    let shift = start.addr().wrapping_neg() % LINE;
    // SAFETY: the layout has room for a shift of less than a line.
    let memory = unsafe { start.add(shift) };
    #[expect(
        clippy::cast_ptr_alignment,
        reason = "the shift brings it to a line's edge, which is the header's alignment"
    )]
    match NonNull::new(memory.cast::<Header>()) {
        Some(header) => (header, shift),
        None => handle_alloc_error(layout),
    }
}

/// Memory for a frame wherever in it the next line begins. An allocator that is asked for aligned memory may leave holes that no
/// other frame fits into: with glibc's a database at its limit took a fifth more.
fn layout(len: usize) -> Layout {
    let layout = len
        .checked_add(BYTES + LINE - ALIGNED)
        .and_then(|size| Layout::from_size_align(size, ALIGNED).ok());
    match layout {
        Some(layout) => layout,
        // No slice is that long; the allocator's own answer to such a wish.
        None => handle_alloc_error(Layout::new::<Header>()),
    }
}
