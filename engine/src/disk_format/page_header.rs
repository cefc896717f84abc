//! The header that every page in `data` begins with, and its stamp.
//!
//! Layout (page store design): version u64 | … | `page_no` u32 at 20 | crc u32 at 24 | checkpoint u32
//! at 28, the id's low half. The CRC32C covers the whole page with its own field taken as zeroes. The other
//! fields belong to what is in the page; this module does not know them.

use super::codec::{FormatError, expect};
use super::fields::{crc_without, put, u32_at, u64_at};
use crate::ids::{CheckpointId, PageNo, Version};

/// Bytes of a page that are its header.
pub const PAGE_HEADER_LEN: usize = 32;

const VERSION: usize = 0;
const PAGE_NO: usize = 20;
const CRC: usize = 24;
const CHECKPOINT: usize = 28;

/// The stamped fields of a page on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// The commit that made this image.
    pub version: Version,
    /// The page that this is an image of.
    pub page_no: PageNo,
    /// The page's checksum, as it says itself.
    pub crc: u32,
    /// The low half of the id of the checkpoint that wrote it.
    pub checkpoint: u32,
}

/// The half of a checkpoint's id that pages carry.
pub fn checkpoint_low(id: CheckpointId) -> u32 {
    let [a, b, c, d, ..] = id.get().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

impl PageHeader {
    /// Reads the header's fields; nothing is checked.
    pub fn read(page: &[u8]) -> Self {
        Self {
            version: Version(u64_at(page, VERSION)),
            page_no: PageNo(u32_at(page, PAGE_NO)),
            crc: u32_at(page, CRC),
            checkpoint: u32_at(page, CHECKPOINT),
        }
    }

    /// Reads the header of a page whose checksum holds.
    pub fn verified(page: &[u8]) -> Result<Self, FormatError> {
        let header = Self::read(page);
        expect(
            "page checksum",
            header.crc.into(),
            crc_without(page, CRC).into(),
        )?;
        Ok(header)
    }
}

/// Stamps a page image that is about to be written, and returns its checksum.
pub fn stamp(page: &mut [u8], version: Version, page_no: PageNo, id: CheckpointId) -> u32 {
    put(page, VERSION, &version.get().to_le_bytes());
    put(page, PAGE_NO, &page_no.get().to_le_bytes());
    put(page, CHECKPOINT, &checkpoint_low(id).to_le_bytes());
    let crc = crc_without(page, CRC);
    put(page, CRC, &crc.to_le_bytes());
    crc
}

/// What a page must be to be the one that the map names (M4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageExpectation {
    /// The page's own number.
    pub page_no: PageNo,
    /// The checksum that the map has for it.
    pub crc: u32,
    /// The version of the checkpoint: no page in it is newer.
    pub newest: Version,
}

impl PageExpectation {
    /// M4: a page read through the map has the map's CRC, its own number and no newer version.
    pub fn check(self, page: &[u8]) -> Result<(), FormatError> {
        let header = PageHeader::read(page);
        let expected = self.crc.into();
        expect("page checksum", expected, crc_without(page, CRC).into())?;
        expect("page checksum field", expected, header.crc.into())?;
        expect(
            "page number",
            self.page_no.get().into(),
            header.page_no.get().into(),
        )?;
        if header.version > self.newest {
            let (newest, actual) = (self.newest.get(), header.version.get());
            return Err(FormatError::new("page version of at most", newest, actual));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(fill: u8) -> Vec<u8> {
        vec![fill; 512]
    }

    #[test]
    fn a_stamped_page_is_what_the_map_expects() {
        let mut image = page(9);
        let crc = stamp(
            &mut image,
            Version(7),
            PageNo(3),
            CheckpointId(0x1_0000_0005),
        );
        let header = PageHeader::verified(&image).unwrap();
        let (version, page_no) = (Version(7), PageNo(3));
        assert_eq!(
            header,
            PageHeader {
                version,
                page_no,
                crc,
                checkpoint: 5
            }
        );
        PageExpectation {
            page_no,
            crc,
            newest: version,
        }
        .check(&image)
        .unwrap();
    }

    #[test]
    fn another_page_an_older_image_or_a_newer_version_is_refused() {
        let mut image = page(9);
        let crc = stamp(&mut image, Version(7), PageNo(3), CheckpointId(5));
        let good = PageExpectation {
            page_no: PageNo(3),
            crc,
            newest: Version(7),
        };
        assert!(
            PageExpectation {
                page_no: PageNo(4),
                ..good
            }
            .check(&image)
            .is_err()
        );
        assert!(
            PageExpectation {
                crc: crc ^ 1,
                ..good
            }
            .check(&image)
            .is_err()
        );
        assert!(
            PageExpectation {
                newest: Version(6),
                ..good
            }
            .check(&image)
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn one_flipped_bit_is_always_seen(bit in 0_usize..512 * 8) {
            let mut image = page(1);
            let crc = stamp(&mut image, Version(7), PageNo(3), CheckpointId(5));
            image[bit / 8] ^= 1 << (bit % 8);
            let expected = PageExpectation { page_no: PageNo(3), crc, newest: Version(7) };
            prop_assert!(expected.check(&image).is_err());
            prop_assert!(PageHeader::verified(&image).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let header = PageHeader::read(&bytes);
            let expected = PageExpectation { page_no: header.page_no, crc: 1, newest: header.version };
            prop_assert!(expected.check(&bytes).is_err() || bytes.len() >= 28);
        }
    }
}
