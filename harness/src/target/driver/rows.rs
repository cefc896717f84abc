//! How tables and deletions are kept in a driver that may have neither.
//!
//! A driver has one space of keys: a row's key there is its table, a zero byte, and its own. A driver that cannot delete keeps a
//! deleted row as one byte, and every value with a byte before it.

/// How rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Whether the driver deletes.
    pub(super) deletes: bool,
}

const DELETED: u8 = 0;
const PRESENT: u8 = 1;

impl Layout {
    /// The key under which a row is kept. No table's name holds a zero byte.
    pub(super) fn key(table: &str, key: &[u8]) -> Vec<u8> {
        [table.as_bytes(), &[0], key].concat()
    }

    /// The key of a row that is kept under `stored`, if it is one of this table.
    pub(super) fn own<'k>(table: &str, stored: &'k [u8]) -> Option<&'k [u8]> {
        let rest = stored.strip_prefix(table.as_bytes())?;
        rest.strip_prefix(&[0])
    }

    /// What is kept for a value, or for none.
    pub(super) fn stored(self, value: Option<&[u8]>) -> Option<Vec<u8>> {
        match value {
            value if self.deletes => value.map(<[u8]>::to_vec),
            Some(value) => Some([&[PRESENT], value].concat()),
            None => Some(vec![DELETED]),
        }
    }

    /// The value that is kept so. What was never stored so stays as it is, for the oracle to wonder at.
    pub(super) fn value(self, stored: &[u8]) -> Option<&[u8]> {
        match stored {
            stored if self.deletes => Some(stored),
            [DELETED] => None,
            [PRESENT, value @ ..] => Some(value),
            stored => Some(stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_reads_back() {
        for deletes in [true, false] {
            let layout = Layout { deletes };
            for value in [Some(&b"v"[..]), Some(b""), None] {
                let stored = layout.stored(value);
                let back = stored.as_deref().and_then(|stored| layout.value(stored));
                assert_eq!(back, value, "{deletes}");
            }
        }
        let stored = Layout::key("t1", b"k\0");
        assert_eq!(Layout::own("t1", &stored), Some(&b"k\0"[..]));
        assert_eq!(Layout::own("t", &stored), None);
    }
}
