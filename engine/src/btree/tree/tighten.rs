//! Filling leaves up, for a tree that has lost much: deletion leaves them a quarter full.

use super::cut;
use super::delete::{fill_up, merge, read_pair, recut};
use super::handle::Tree;
use super::path::Path;
use super::store::decode;
use crate::btree::node::Node;
use crate::error::StorageError;
use crate::pages::{ReadPages, WritePages};

/// A leaf is left alone from this part of its page on: less, and a table that was compacted keeps what splits left empty.
const FULL_ENOUGH: (usize, usize) = (19, 20);

/// What a step of filling up did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tightened {
    /// Whether entries were moved.
    pub changed: bool,
    /// A key of the leaf to go on with; none at the tree's end.
    pub next: Option<Vec<u8>>,
}

impl Tree {
    /// Joins the leaf that `key` leads to with the next one under the same node, or fills it up from that. The step after it
    /// begins at `next`; each either moves entries to the left or goes on to the right, so they come to an end.
    pub fn tighten(
        self,
        pages: &mut impl WritePages,
        key: &[u8],
    ) -> Result<Tightened, StorageError> {
        let path = Path::find(pages, self.root(), key)?;
        let depth = path.leaf_depth();
        let next = path.key_after(pages)?;
        let unchanged = |next| Tightened {
            changed: false,
            next,
        };
        let Some(above) = path.step_to(depth) else {
            return Ok(unchanged(None));
        };
        let mut parent = decode(pages, above.no)?;
        if above.child >= parent.n() || is_full_enough(pages, &path)? {
            return Ok(unchanged(next));
        }
        let pair = read_pair(pages, &parent, above.child)?;
        let fences = path.fences_of_pair(pages, depth, Some(pair.index))?;
        let again = Tightened {
            changed: true,
            next: Some(key.to_vec()),
        };
        if merge(pages, (&path, depth), (&mut parent, &pair), &fences)? {
            fill_up(pages, &path, depth - 1)?;
            return Ok(again);
        }
        let items = pair.entries.items();
        let row = pair.entries.row(&items);
        let Some(cut) = cut::choose_fullest(&row, fences.edges(), pair.boundary) else {
            return Ok(unchanged(next));
        };
        recut(pages, (&path, depth), (&mut parent, &pair), &cut)?;
        Ok(again)
    }
}

fn is_full_enough(pages: &impl ReadPages, path: &Path) -> Result<bool, StorageError> {
    let leaf = path.page(path.leaf_depth());
    let image = pages.page(leaf)?;
    let node = Node::open(leaf, &image)?;
    let (part, whole) = FULL_ENOUGH;
    Ok(node.used() * whole >= node.page_size() * part)
}
