//! How far the way to a key can be gone: for whoever goes on around damage.

use super::handle::Tree;
use crate::btree::node::{self, Node};
use crate::btree::value::Key;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{ReadPages, WritePages};
use crate::recovery_report::KeyRange;

/// Where the way to a key ends.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The leaf; or the node that cannot be read.
    pub page: PageNo,
    /// The keys that are there, or below it.
    pub keys: KeyRange,
    /// Why it cannot be read, if so. Always `Corruption`.
    pub damage: Option<StorageError>,
}

/// A step down.
struct Down {
    child: PageNo,
    level: Option<u8>,
    low: Option<Vec<u8>>,
    high: Option<Vec<u8>>,
}

impl Tree {
    /// Goes towards `key`, to its leaf or to what is damaged. Other errors than `Corruption` are the caller's.
    pub fn reach(self, pages: &impl ReadPages, key: &[u8]) -> Result<Reach, StorageError> {
        let mut keys = KeyRange::default();
        let (mut page, mut level) = (self.root(), None);
        // Each goes down a level (B3), so this ends.
        loop {
            match step(pages, (page, level), key) {
                Ok(Some(down)) => {
                    keys.low = down.low.or(keys.low);
                    keys.high = down.high.or(keys.high);
                    (page, level) = (down.child, down.level);
                }
                Ok(None) => {
                    let damage = None;
                    return Ok(Reach { page, keys, damage });
                }
                Err(error @ StorageError::Corruption(_)) => {
                    let damage = Some(error);
                    return Ok(Reach { page, keys, damage });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The keys of a leaf.
pub fn keys_of_leaf(pages: &impl ReadPages, leaf: PageNo) -> Result<Vec<Key>, StorageError> {
    let image = pages.page(leaf)?;
    let node = Node::open_at(leaf, &image, Some(0))?;
    (0..node.n()).map(|i| node.full_key(pages, i)).collect()
}

/// Nothing at a leaf in which `key` can be looked for.
fn step(
    pages: &impl ReadPages,
    (no, level): (PageNo, Option<u8>),
    key: &[u8],
) -> Result<Option<Down>, StorageError> {
    let image = pages.page(no)?;
    let node = Node::open_at(no, &image, level)?;
    if node.is_leaf() {
        return node.search(pages, key).map(|_| None);
    }
    let index = node.child_index(pages, key)?;
    let fence = |i: Option<usize>| -> Result<_, StorageError> {
        let i = i.filter(|i| *i < node.n());
        i.map(|i| Ok(node.full_key(pages, i)?.into_vec()))
            .transpose()
    };
    Ok(Some(Down {
        child: node.child(index)?,
        level: node.level().checked_sub(1),
        low: fence(index.checked_sub(1))?,
        high: fence(Some(index))?,
    }))
}

/// Makes page `no` a node that cannot be read, whatever it was and whether it could be, for damage at `place`: a file and an offset
/// in it. Its number stays in use.
///
/// For a group whose pages are never written to disk: there the log has what is missing.
pub fn close_off(
    pages: &mut impl WritePages,
    no: PageNo,
    place: (&str, u64),
) -> Result<(), StorageError> {
    node::close_off(pages.page_anew(no)?, place);
    Ok(())
}
