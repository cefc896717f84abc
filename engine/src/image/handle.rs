//! Handles of images.
//!
//! An image is written while it has one owner and never again once it is shared: whoever holds a clone
//! may borrow from it for as long as it likes. It does not know what its bytes mean.

#![expect(
    unsafe_code,
    reason = "one allocation for count, notes and bytes; docs/decisions/0011-frames.md"
)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

use super::frame::{Fill, Frame, Notes};

/// A cache line.
const LINE: usize = 64;
/// Where the last line of the shortest page is, behind what stands beside its bytes.
const SHORTEST_END: usize = 4096;
/// Lines that are read of a leaf before its cells: what stands beside it, its header, the heads and slots of a common one.
const START_LINES: usize = 4;

/// Bytes that many may hold and nobody may change. A handle is one word and has one count of its frame; a clone costs one
/// counter increment.
pub struct Image(Frame);

/// An image that somebody else holds.
#[derive(Clone, Copy)]
pub struct ImageRef<'i> {
    frame: Frame,
    held: PhantomData<&'i Image>,
}

/// Where an image was. It holds nothing: good for asking the processor for what was there, and for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Trace(usize);

// SAFETY: what is shared is atomic, or bytes that nobody changes while they are shared (frame.rs, invariant 2).
unsafe impl Send for Image {}
// SAFETY: as above; `&Image` only reads, and clones.
unsafe impl Sync for Image {}
// SAFETY: it can do what `&Image` can.
unsafe impl Send for ImageRef<'_> {}
// SAFETY: as above.
unsafe impl Sync for ImageRef<'_> {}

impl Image {
    /// An image of `len` zeroes.
    pub fn zeroed(len: usize) -> Self {
        Self(Frame::new(len, &Fill::Zeroes))
    }

    /// An image with these bytes.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self(Frame::new(bytes.len(), &Fill::Copy(bytes)))
    }

    /// Whether both are handles of one image. Two images with the same bytes are not.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The bytes, to be changed in place while this is the only owner; otherwise this handle gets a
    /// copy of its own first, and the other owners keep the old bytes.
    pub fn make_mut(&mut self) -> &mut [u8] {
        // SAFETY: this handle has a count.
        if !unsafe { self.0.is_sole() } {
            *self = Self::copy_of(self);
        }
        // SAFETY: this handle has the only count, and is borrowed exclusively for as long as the bytes.
        unsafe { self.0.bytes_mut() }
    }

    /// As something that can be copied, for as long as this handle is borrowed.
    pub fn borrow(&self) -> ImageRef<'_> {
        ImageRef {
            frame: self.0,
            held: PhantomData,
        }
    }

    /// What stands beside the bytes.
    pub fn notes(&self) -> &Notes {
        self.borrow().notes()
    }

    /// The handle as an address, its count included. It leads to a cache line's edge.
    pub fn into_address(self) -> NonNull<()> {
        ManuallyDrop::new(self).0.address()
    }

    /// The handle that became `address`.
    ///
    /// # Safety
    /// `address` came from [`into_address`](Self::into_address), and becomes a handle again only once.
    #[inline]
    pub unsafe fn from_address(address: NonNull<()>) -> Self {
        // SAFETY: by the caller's promise.
        Self(unsafe { Frame::from_address(address) })
    }
}

impl<'i> ImageRef<'i> {
    /// The image of a handle that became `address`.
    ///
    /// # Safety
    /// `address` came from [`Image::into_address`], and its count is not given back before `'i` ends.
    #[inline]
    pub unsafe fn from_address(address: NonNull<()>) -> Self {
        Self {
            // SAFETY: by the caller's promise.
            frame: unsafe { Frame::from_address(address) },
            held: PhantomData,
        }
    }

    /// The bytes, for as long as the image is held.
    #[inline]
    pub fn bytes(self) -> &'i [u8] {
        // SAFETY: a count is held for `'i`, and so somebody shares the image; nobody changes it (frame.rs, invariant 2): an owner
        // that changes its bytes borrows its handle exclusively, and this borrows that or a count that is no handle.
        unsafe { self.frame.bytes() }
    }

    /// Asks the processor for the first bytes, which are about to be read: their cache lines come together, not each when the one
    /// before was looked at.
    #[inline]
    pub fn prefetch(self) {
        self.frame.prefetch();
    }

    /// Where the image is.
    #[inline]
    pub fn trace(self) -> Trace {
        Trace(self.frame.address().addr().get())
    }

    /// What stands beside the bytes.
    #[inline]
    pub fn notes(self) -> &'i Notes {
        // SAFETY: a count is held for `'i`.
        unsafe { self.frame.notes() }
    }

    /// A handle of its own.
    #[inline]
    pub fn to_image(self) -> Image {
        // SAFETY: a count is held for `'i`, so now.
        unsafe { self.frame.count_up() };
        Image(self.frame)
    }
}

impl Trace {
    /// Where something else is that will be read or written soon.
    #[inline]
    pub fn of<T>(place: &T) -> Self {
        Self(std::ptr::from_ref(place).addr())
    }

    /// Asks the processor for the first bytes, and for what stands beside them; and for where the last ones are.
    #[inline]
    pub fn prefetch_start(self) {
        self.prefetch(SHORTEST_END);
        for line in 0..START_LINES {
            self.prefetch(line * LINE);
        }
    }

    /// Asks the processor for the first line: of an image, for what stands beside its bytes.
    #[inline]
    pub fn prefetch_notes(self) {
        self.prefetch(0);
    }

    /// Asks the processor for the first `len` bytes, and for what stands beside them.
    #[inline]
    pub fn prefetch_all(self, len: usize) {
        for offset in (0..len.saturating_add(LINE)).step_by(LINE) {
            self.prefetch(offset);
        }
    }

    /// Asks the processor for the lines of the `LINES` cache lines' worth of bytes from `offset` on. Any may be asked for.
    #[inline]
    pub fn prefetch_lines<const LINES: usize>(self, offset: usize) {
        for line in 0..LINES {
            self.prefetch(LINE.wrapping_add(offset).wrapping_add(line * LINE));
        }
    }

    /// `offset` counts from the start of what stands beside the bytes, which is a line.
    #[inline]
    fn prefetch(self, offset: usize) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let at = std::ptr::without_provenance::<i8>(self.0.wrapping_add(offset));
            // SAFETY: a prefetch reads nothing that the program could see, and faults nowhere.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at) };
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = (self, offset);
    }
}

impl Clone for Image {
    fn clone(&self) -> Self {
        self.borrow().to_image()
    }
}

impl Drop for Image {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this handle has a count and ends now.
        unsafe { self.0.count_down() };
    }
}

impl From<&[u8]> for Image {
    fn from(bytes: &[u8]) -> Self {
        Self::copy_of(bytes)
    }
}

impl From<Vec<u8>> for Image {
    fn from(bytes: Vec<u8>) -> Self {
        Self::copy_of(&bytes)
    }
}

impl Deref for Image {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.borrow().bytes()
    }
}

impl Deref for ImageRef<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsRef<[u8]> for Image {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.len())
    }
}

impl fmt::Debug for ImageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageRef({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_image_keeps_its_bytes_when_another_owner_writes() {
        let mut ours = Image::from(vec![1, 2, 3]);
        let theirs = ours.clone();
        ours.make_mut()[0] = 9;
        assert_eq!(&*theirs, &[1, 2, 3]);
        assert_eq!(&*ours, &[9, 2, 3]);
    }

    #[test]
    fn a_sole_owner_writes_in_place() {
        let mut ours = Image::zeroed(4);
        drop(ours.clone());
        let before = ours.as_ptr();
        ours.make_mut()[3] = 7;
        assert_eq!(ours.as_ptr(), before);
        assert_eq!(&*ours, &[0, 0, 0, 7]);
    }

    #[test]
    fn an_image_may_be_of_any_length_and_starts_on_a_cache_line() {
        for len in [0, 1, 63, 64, 4096, 65_536, 100_001] {
            let zeroes = Image::zeroed(len);
            let bytes = vec![3; len];
            let copy = Image::from(&*bytes);
            assert_eq!((&*zeroes, &*copy), (&*vec![0; len], &*bytes));
            assert_eq!(copy.as_ptr().addr() % 64, 0);
        }
    }

    #[test]
    fn a_handle_that_became_an_address_keeps_the_image() {
        let ours = Image::from(vec![5; 100]);
        let address = ours.clone().into_address();
        // SAFETY: the address holds its count until it is a handle again, below.
        let seen = unsafe { ImageRef::from_address(address) };
        let third = seen.to_image();
        drop(ours);
        assert_eq!((seen.bytes(), third.len()), (&[5; 100][..], 100));
        // SAFETY: for the first time.
        drop(unsafe { Image::from_address(address) });
        assert_eq!(&*third, &[5; 100]);
    }

    #[test]
    fn the_last_of_many_threads_frees_an_image_that_all_have_read() {
        let image = Image::from(vec![8; 256]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mine = image.clone();
                scope.spawn(move || assert!(mine.iter().all(|byte| *byte == 8)));
            }
            drop(image);
        });
    }
}
