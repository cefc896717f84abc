//! The tables of a database: a tree of its own that names the others' roots.
//!
//! The catalog's root is page 1, for life. An entry's key is the table's name, its value the root's
//! page number (u32). A table comes into being with its first key, or by being created; emptied it stays.

mod around_damage;
mod roots;

use std::collections::BTreeMap;

use crate::btree::{Foreseen, Tree, Write};
use crate::disk_format::commit_group::{Action, Operation};
use crate::error::StorageError;
use crate::ids::{PageNo, Version};
use crate::pages::{ExtentImage, PageImage, ReadPages, WritePages};

pub use around_damage::reach;
pub use roots::Roots;

/// The page that a new database allocates first.
const CATALOG_ROOT: PageNo = PageNo(1);

/// The tree that names the tables.
pub fn catalog() -> Tree {
    Tree::open(CATALOG_ROOT)
}

/// Makes the catalog of a new database.
pub fn create(pages: &mut impl WritePages) -> Result<(), StorageError> {
    let tree = Tree::create(pages)?;
    pages.note_tables_changed();
    if tree.root() == CATALOG_ROOT {
        return Ok(());
    }
    let actual = format!("page {}", tree.root());
    Err(StorageError::corruption(
        "data",
        0,
        None,
        "page 1 for the catalog",
        actual,
    ))
}

/// The table called `name`, if it exists.
pub fn find(pages: &impl ReadPages, name: &str) -> Result<Option<Tree>, StorageError> {
    let Some(root) = catalog().get(pages, name.as_bytes())? else {
        return Ok(None);
    };
    decode_root(name.as_bytes(), &root).map(Some)
}

/// All tables, by name.
pub fn tables(pages: &impl ReadPages) -> Result<Vec<(String, Tree)>, StorageError> {
    let mut tables = Vec::new();
    for entry in catalog().range(pages, ..) {
        let (name, root) = entry?;
        let tree = decode_root(&name, &root)?;
        tables.push((String::from_utf8_lossy(&name).into_owned(), tree));
    }
    Ok(tables)
}

fn decode_root(name: &[u8], root: &[u8]) -> Result<Tree, StorageError> {
    let number = root.try_into().map(u32::from_le_bytes);
    match number {
        Ok(number) if number > CATALOG_ROOT.get() => Ok(Tree::open(PageNo(number))),
        _ => {
            let expected = format!(
                "the root page of table {:?}",
                name.escape_ascii().to_string()
            );
            let actual = root.escape_ascii().to_string();
            Err(StorageError::corruption(
                "data",
                0,
                Some(CATALOG_ROOT),
                expected,
                actual,
            ))
        }
    }
}

/// Bytes of an extent that one page holds at most.
const LARGEST_PAGE_BYTES: u64 = 65_536;
/// Applies operations to the tables, remembering where these are.
#[derive(Debug)]
pub struct Applier<'r> {
    /// Those that it looked up, made or renamed.
    trees: BTreeMap<String, Tree>,
    /// Where others remember tables to be, and as of when, as long as that holds for the pages changed here.
    known: Option<(&'r Roots, Version)>,
    freed_pages_left: u64,
}

impl<'r> Applier<'r> {
    /// An applier that refuses to free more than `freed_pages_max` pages by drops and range deletes.
    pub fn new(freed_pages_max: u64) -> Self {
        Self {
            trees: BTreeMap::new(),
            known: None,
            freed_pages_left: freed_pages_max,
        }
    }

    /// Looks tables up in `roots`: the catalog was last changed at `as_of`.
    #[must_use]
    pub fn knowing(mut self, roots: &'r Roots, as_of: Version) -> Self {
        self.known = Some((roots, as_of));
        self
    }

    /// Begins counting anew: from here on `freed_pages_max` pages may be freed.
    pub fn may_free(&mut self, freed_pages_max: u64) {
        self.freed_pages_left = freed_pages_max;
    }

    /// Makes writes to one table, whose keys ascend strictly. It is created if anything is put there. After an error the pages are in an
    /// unknown state: drop the group.
    pub fn apply_writes<'o>(
        &mut self,
        pages: &mut impl WritePages,
        table: &str,
        writes: impl Iterator<Item = Write<'o>> + Clone,
    ) -> Result<(), StorageError> {
        let tree = match self.tree(pages, table)? {
            // What is deleted from a table that is not there is gone already.
            None if writes.clone().all(|(_, value)| value.is_none()) => return Ok(()),
            None => self.made(pages, table)?,
            Some(tree) => tree,
        };
        tree.apply(pages, writes).map(drop)
    }

    /// As `apply_writes`, of one write. `foreseen` is the way to where it goes in the table's tree, as `Tree::apply_one` asks for it.
    pub fn apply_write(
        &mut self,
        pages: &mut impl WritePages,
        table: &str,
        write: Write<'_>,
        foreseen: Option<&Foreseen>,
    ) -> Result<(), StorageError> {
        let (tree, foreseen) = match self.tree(pages, table)? {
            None if write.1.is_none() => return Ok(()),
            None => (self.made(pages, table)?, None),
            Some(tree) => (tree, foreseen),
        };
        tree.apply_one(pages, write, foreseen).map(drop)
    }

    /// Applies one operation. After an error the pages are in an unknown state: drop the group.
    pub fn apply(
        &mut self,
        pages: &mut impl WritePages,
        operation: Operation<'_>,
    ) -> Result<(), StorageError> {
        let table = operation.table;
        match operation.action {
            Action::Put { key, value } => self.made(pages, table)?.insert(pages, key, value),
            Action::Delete { key } => match self.tree(pages, table)? {
                Some(tree) => tree.delete(pages, key).map(drop),
                None => Ok(()),
            },
            Action::Create => self.made(pages, table).map(drop),
            Action::Drop => self.drop_table(pages, table),
            Action::Rename { to } => self.rename(pages, table, to),
            Action::DeleteRange { low, high } => match self.tree(pages, table)? {
                Some(tree) => {
                    self.within_limit(pages, |pages| tree.delete_range(pages, (low, high)))
                }
                None => Ok(()),
            },
        }
    }

    /// The table called `table`, if it exists.
    pub fn tree(
        &mut self,
        pages: &impl ReadPages,
        table: &str,
    ) -> Result<Option<Tree>, StorageError> {
        if let Some(tree) = self.trees.get(table) {
            return Ok(Some(*tree));
        }
        if let Some((roots, as_of)) = self.known {
            return roots.find(pages, Some(as_of), table);
        }
        let tree = find(pages, table)?;
        if let Some(tree) = tree {
            self.trees.insert(table.to_owned(), tree);
        }
        Ok(tree)
    }

    /// The table called `table`, created if it does not exist.
    fn made(&mut self, pages: &mut impl WritePages, table: &str) -> Result<Tree, StorageError> {
        if let Some(tree) = self.tree(pages, table)? {
            return Ok(tree);
        }
        let tree = Tree::create(pages)?;
        self.enter(pages, table, tree)?;
        Ok(tree)
    }

    fn enter(
        &mut self,
        pages: &mut impl WritePages,
        table: &str,
        tree: Tree,
    ) -> Result<(), StorageError> {
        self.known = None;
        let root = tree.root().get().to_le_bytes();
        catalog().insert(pages, table.as_bytes(), &root)?;
        pages.note_tables_changed();
        self.trees.insert(table.to_owned(), tree);
        Ok(())
    }

    /// Takes a table's name away from it.
    fn leave(&mut self, pages: &mut impl WritePages, table: &str) -> Result<Tree, StorageError> {
        let tree = self.tree(pages, table)?;
        let tree = tree.ok_or_else(|| misnamed(table, "a table of this name", "none"))?;
        self.trees.remove(table);
        self.known = None;
        catalog().delete(pages, table.as_bytes())?;
        pages.note_tables_changed();
        Ok(tree)
    }

    fn drop_table(&mut self, pages: &mut impl WritePages, table: &str) -> Result<(), StorageError> {
        let tree = self.leave(pages, table)?;
        let left = self.freed_pages_left;
        self.within_limit(pages, |pages| tree.destroy(pages, left))
    }

    fn rename(
        &mut self,
        pages: &mut impl WritePages,
        table: &str,
        to: &str,
    ) -> Result<(), StorageError> {
        if self.tree(pages, to)?.is_some() {
            return Err(misnamed(to, "no table of this name", "one"));
        }
        let tree = self.leave(pages, table)?;
        self.enter(pages, to, tree)
    }

    /// What a drop or a range delete frees is remembered until no snapshot sees it any more, so it is limited.
    fn within_limit<P: WritePages>(
        &mut self,
        pages: &mut P,
        change: impl FnOnce(&mut FewFreed<'_, P>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut few = FewFreed {
            pages,
            allowed: self.freed_pages_left,
            freed: 0,
        };
        let result = change(&mut few);
        self.freed_pages_left = self.freed_pages_left.saturating_sub(few.freed);
        result
    }
}

fn misnamed(table: &str, expected: &str, actual: &str) -> StorageError {
    let expected = format!("{expected}: {table:?}");
    StorageError::corruption("data", 0, Some(CATALOG_ROOT), expected, actual)
}

/// Pages of which no more than a number may be freed.
struct FewFreed<'p, P> {
    pages: &'p mut P,
    allowed: u64,
    freed: u64,
}

impl<P: ReadPages> FewFreed<'_, P> {
    fn count(&mut self, pages: u64) -> Result<(), StorageError> {
        self.freed = self.freed.saturating_add(pages);
        if self.freed <= self.allowed {
            return Ok(());
        }
        Err(StorageError::limit("freed_pages", self.freed, self.allowed))
    }
}

impl<P: ReadPages> ReadPages for FewFreed<'_, P> {
    type Held<'h>
        = P::Held<'h>
    where
        Self: 'h;

    fn hold(&self) -> Self::Held<'_> {
        self.pages.hold()
    }

    fn page(&self, no: PageNo) -> Result<PageImage, StorageError> {
        self.pages.page(no)
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<ExtentImage, StorageError> {
        self.pages.extent(first, len)
    }
}

impl<P: WritePages> WritePages for FewFreed<'_, P> {
    fn page_mut(&mut self, no: PageNo) -> Result<&mut [u8], StorageError> {
        self.pages.page_mut(no)
    }

    fn page_anew(&mut self, no: PageNo) -> Result<&mut [u8], StorageError> {
        self.pages.page_anew(no)
    }

    fn page_mut_of(&mut self, no: PageNo, image: PageImage) -> Result<&mut [u8], StorageError> {
        self.pages.page_mut_of(no, image)
    }

    fn allocate(&mut self) -> Result<PageNo, StorageError> {
        self.pages.allocate()
    }

    fn free(&mut self, no: PageNo) -> Result<(), StorageError> {
        self.count(1)?;
        self.pages.free(no)
    }

    fn allocate_extent(&mut self, value: &[u8]) -> Result<PageNo, StorageError> {
        self.pages.allocate_extent(value)
    }

    fn note_tables_changed(&mut self) {
        self.pages.note_tables_changed();
    }

    fn free_extent(&mut self, first: PageNo, len: u64) -> Result<(), StorageError> {
        // A lower bound: what a page holds beside its header is this store's business, not the catalog's.
        self.count(len.div_ceil(LARGEST_PAGE_BYTES))?;
        self.pages.free_extent(first, len)
    }
}
