//! What an applier does where damage keeps an operation from being applied as it is.

use super::{Applier, catalog};
use crate::btree::Reach;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{ReadPages, WritePages};

/// No root is as short.
const NO_ROOT: &[u8] = &[];

impl Applier<'_> {
    /// As `Action::Drop`: the name goes, and what of the table can be found is freed. Returns where damage hides the rest, which
    /// stays allocated.
    pub fn drop_remains(
        &mut self,
        pages: &mut impl WritePages,
        table: &str,
    ) -> Result<Vec<(PageNo, StorageError)>, StorageError> {
        self.leave(pages, table)?.destroy_remains(pages)
    }

    /// Makes a name stand for a table that cannot be found: whoever looks for it meets `Corruption`. For a group whose pages are
    /// never written to disk.
    pub fn lose(&mut self, pages: &mut impl WritePages, table: &str) -> Result<(), StorageError> {
        self.trees.remove(table);
        pages.note_tables_changed();
        catalog().insert(pages, table.as_bytes(), NO_ROOT)
    }
}

/// Where in the catalog `table` stands, or would.
pub fn reach(pages: &impl ReadPages, table: &str) -> Result<Reach, StorageError> {
    catalog().reach(pages, table.as_bytes())
}
