//! A node that stands, in memory only, for one that must not be read, since damage kept from it what was committed.
//!
//! Its kind is 255, which no page on disk has. Behind the header stand where the damage is: offset u64 | length of the file's name
//! u8 | name.

use super::layout::{HEADER_BYTES, KIND, damage};
use crate::error::StorageError;
use crate::ids::PageNo;

const CLOSED_OFF: u8 = 255;
const NAME: usize = HEADER_BYTES + 9;

/// Makes a page such a node, for damage at `offset` of `file`.
pub(crate) fn close_off(page: &mut [u8], (file, offset): (&str, u64)) {
    let file = file.as_bytes();
    let len = u8::try_from(file.len()).unwrap_or(0);
    let mut place = offset.to_le_bytes().to_vec();
    place.push(len);
    place.extend(file.iter().take(len.into()));
    if let Some(room) = page.get_mut(HEADER_BYTES..HEADER_BYTES + place.len()) {
        room.copy_from_slice(&place);
    }
    if let Some(kind) = page.get_mut(KIND) {
        *kind = CLOSED_OFF;
    }
}

/// The error of a page that is no node.
#[cold]
pub(super) fn no_node(no: PageNo, page: &[u8]) -> StorageError {
    if page.get(KIND) != Some(&CLOSED_OFF) {
        return damage(no, "a node", "another kind of page");
    }
    let offset = page.get(HEADER_BYTES..).and_then(<[u8]>::first_chunk);
    let offset = offset.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let len = page.get(NAME - 1).copied().unwrap_or(0).into();
    let file = page.get(NAME..).and_then(|bytes| bytes.get(..len));
    let file = String::from_utf8_lossy(file.unwrap_or_default());
    let (expected, actual) = (
        "a node with all that the log has for it",
        "one from which damage kept it",
    );
    StorageError::corruption(&file, offset, Some(no), expected, actual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_off_says_where_the_damage_is() {
        for (file, offset) in [("data", 7), ("map", u64::MAX), ("", 0)] {
            let mut page = vec![0; 4096];
            close_off(&mut page, (file, offset));
            let StorageError::Corruption(place) = no_node(PageNo(3), &page) else {
                panic!("another error");
            };
            assert_eq!(
                (&*place.file, place.offset, place.page),
                (file, offset, Some(PageNo(3)))
            );
        }
    }

    #[test]
    fn a_page_too_short_for_it_is_no_node_either() {
        for len in 0..60 {
            let mut page = vec![255; len];
            close_off(&mut page, ("data", 1));
            assert!(matches!(
                no_node(PageNo(3), &page),
                StorageError::Corruption(_)
            ));
        }
    }
}
