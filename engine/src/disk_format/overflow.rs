//! One piece of an extent: a page header of kind 3, then bytes of the value.

/// Offset of the kind in a page header.
const KIND: usize = 13;
/// The kind of a piece of an extent. Leaves are 1, inner nodes 2.
const OVERFLOW: u8 = 3;

/// Marks a zeroed page as a piece of an extent.
pub fn mark_overflow(page: &mut [u8]) {
    if let Some(kind) = page.get_mut(KIND) {
        *kind = OVERFLOW;
    }
}

/// Whether a page is a piece of an extent; otherwise the kind it says it is.
pub fn expect_overflow(page: &[u8]) -> Result<(), u8> {
    match page.get(KIND) {
        Some(&OVERFLOW) => Ok(()),
        Some(other) => Err(*other),
        None => Err(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_page_is_a_piece_and_no_other_is() {
        let mut page = vec![0; 64];
        assert_eq!(expect_overflow(&page), Err(0));
        mark_overflow(&mut page);
        assert_eq!(expect_overflow(&page), Ok(()));
        assert_eq!(expect_overflow(&[]), Err(0));
    }
}
