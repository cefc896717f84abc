//! Keys and values as a tree hands them out: owned, and read as `&[u8]`.

use std::fmt;
use std::ops::{Deref, Range};

use super::node::Head;
use crate::image::Image;

/// A value, borrowed from the image of its page or extent. It holds that one image and nothing else;
/// a clone clones the handle, not the bytes.
#[derive(Clone)]
pub struct Value {
    image: Image,
    start: u32,
    /// `WHOLE` for all of the image.
    len: u32,
}

/// No piece of a page is as long.
const WHOLE: u32 = u32::MAX;

impl Value {
    /// The bytes `range` of `image`; none if the range is not in the image.
    #[inline]
    pub(crate) fn new(image: Image, range: Range<usize>) -> Option<Self> {
        let len = u32::try_from(image.get(range.clone())?.len()).ok()?;
        let start = u32::try_from(range.start).ok()?;
        (len != WHOLE).then_some(Self { image, start, len })
    }

    /// The whole of `image`.
    pub(crate) fn whole(image: Image) -> Self {
        Self {
            image,
            start: 0,
            len: WHOLE,
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if self.len == WHOLE {
            return &self.image;
        }
        let start = self.start as usize;
        let piece = self.image.get(start..start + self.len as usize);
        piece.unwrap_or_default()
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}

/// Keys up to this length are held without an allocation.
const SHORT_BYTES_MAX: usize = 38;

/// A key. Its pieces lie apart in a page, so it is a copy.
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Short {
        len: u8,
        bytes: [u8; SHORT_BYTES_MAX],
    },
    Long(Vec<u8>),
}

impl Key {
    /// An empty key with room for `len` bytes.
    pub(crate) fn with_capacity(len: usize) -> Self {
        if len <= SHORT_BYTES_MAX {
            Self(Repr::Short {
                len: 0,
                bytes: [0; SHORT_BYTES_MAX],
            })
        } else {
            Self(Repr::Long(Vec::with_capacity(len)))
        }
    }

    /// Empties it. Its memory stays.
    pub(crate) fn clear(&mut self) {
        match &mut self.0 {
            Repr::Short { len, .. } => *len = 0,
            Repr::Long(bytes) => bytes.clear(),
        }
    }

    /// Replaces everything after the first `at` bytes, of which there are at least as many.
    #[inline]
    pub(crate) fn replace_suffix(&mut self, at: usize, head: &Head, rest: &[u8]) {
        if let Repr::Short { len, bytes } = &mut self.0
            && let Some(room) = bytes.get_mut(at..at + head.bytes.len())
        {
            room.copy_from_slice(&head.bytes);
            let start = at + head.len;
            let end = start + rest.len();
            if let (Some(room), Ok(new_len)) = (bytes.get_mut(start..end), u8::try_from(end)) {
                room.copy_from_slice(rest);
                *len = new_len;
                return;
            }
        }
        self.replace_long_suffix(at, head, rest);
    }

    #[inline(never)]
    fn replace_long_suffix(&mut self, at: usize, head: &Head, rest: &[u8]) {
        match &mut self.0 {
            Repr::Short { len, .. } => *len = (*len).min(u8::try_from(at).unwrap_or(*len)),
            Repr::Long(bytes) => bytes.truncate(at),
        }
        self.push(head.bytes.get(..head.len).unwrap_or_default());
        self.push(rest);
    }

    /// Appends `piece`.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        match &mut self.0 {
            Repr::Long(bytes) => bytes.extend_from_slice(piece),
            Repr::Short { len, bytes } => {
                let end = usize::from(*len) + piece.len();
                if let (Some(room), Ok(new_len)) =
                    (bytes.get_mut(usize::from(*len)..end), u8::try_from(end))
                {
                    room.copy_from_slice(piece);
                    *len = new_len;
                } else {
                    let mut long = Vec::with_capacity(end);
                    long.extend_from_slice(self);
                    long.extend_from_slice(piece);
                    self.0 = Repr::Long(long);
                }
            }
        }
    }

    /// The bytes, owned.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Repr::Long(bytes) => bytes,
            Repr::Short { .. } => self.to_vec(),
        }
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        let mut key = Self::with_capacity(bytes.len());
        key.push(bytes);
        key
    }
}

impl Deref for Key {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Long(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_sum_of_its_pieces_at_every_length() {
        for total in 0..100_u8 {
            let whole: Vec<u8> = (0..total).collect();
            for capacity in [0, usize::from(total)] {
                let mut key = Key::with_capacity(capacity);
                for piece in whole.chunks(7) {
                    key.push(piece);
                }
                assert_eq!(&*key, &*whole);
                assert_eq!(key.into_vec(), whole);
            }
        }
    }

    #[test]
    fn a_suffix_is_replaced_at_every_length() {
        let whole: Vec<u8> = (0..120).collect();
        for at in 0..45 {
            let mut key = Key::from(&whole[..at]);
            // Longer and shorter ones in turn, below and above what is held without an allocation.
            for len in [9, 0, 60, 3, 34, 4, 35, 1, 33] {
                let suffix = &whole[at..at + len];
                let head_len = len.min(4);
                let mut head = Head {
                    bytes: [0; 4],
                    len: head_len,
                };
                head.bytes[..head_len].copy_from_slice(&suffix[..head_len]);
                key.replace_suffix(at, &head, &suffix[head_len..]);
                assert_eq!(&*key, &whole[..at + len], "{len} bytes at {at}");
            }
        }
    }

    #[test]
    fn a_value_outside_its_image_is_refused() {
        let image = Image::from(vec![1, 2, 3]);
        assert_eq!(&*Value::new(image.clone(), 1..3).unwrap(), &[2, 3]);
        assert!(Value::new(image, 1..4).is_none());
    }
}
