//! Immutable byte images, shared by reference count.
//!
//! An image is written while it has one owner and never again once it is shared: whoever holds a clone
//! may borrow from it for as long as it likes. It does not know what its bytes mean.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that many may hold and nobody may change. A clone costs one counter increment.
#[derive(Clone)]
pub struct Image(Arc<[u8]>);

impl Image {
    /// An image of `len` zeroes.
    pub fn zeroed(len: usize) -> Self {
        Self(std::iter::repeat_n(0, len).collect())
    }

    /// Whether both are handles of one image. Two images with the same bytes are not.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The bytes, to be changed in place while this is the only owner; otherwise this handle gets a
    /// copy of its own first, and the other owners keep the old bytes.
    pub fn make_mut(&mut self) -> &mut [u8] {
        Arc::make_mut(&mut self.0)
    }
}

impl From<&[u8]> for Image {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }
}

impl From<Vec<u8>> for Image {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::from(bytes))
    }
}

impl Deref for Image {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Image {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.0.len())
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
        let before = ours.as_ptr();
        ours.make_mut()[3] = 7;
        assert_eq!(ours.as_ptr(), before);
        assert_eq!(&*ours, &[0, 0, 0, 7]);
    }
}
