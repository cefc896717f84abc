//! Keys and values as a tree hands them out: owned, and read as `&[u8]`.

use std::fmt;
use std::ops::{Deref, Range};

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

    /// The first `len` of `bytes`; none if there are not so many.
    #[inline]
    pub(crate) fn short(bytes: &[u8; SHORT_BYTES_MAX], len: usize) -> Option<Self> {
        let len = u8::try_from(len).ok()?;
        let is_short = usize::from(len) <= SHORT_BYTES_MAX;
        is_short.then_some(Self(Repr::Short { len, bytes: *bytes }))
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
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        let mut short = [0; SHORT_BYTES_MAX];
        match (short.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(bytes);
                Self(Repr::Short { len, bytes: short })
            }
            _ => Self(Repr::Long(bytes.to_vec())),
        }
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
    fn a_value_outside_its_image_is_refused() {
        let image = Image::from(vec![1, 2, 3]);
        assert_eq!(&*Value::new(image.clone(), 1..3).unwrap(), &[2, 3]);
        assert!(Value::new(image, 1..4).is_none());
    }
}
