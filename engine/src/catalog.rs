//! The tables of a database: a tree of its own that names the others' roots.
//!
//! The catalog's root is page 1, for life. An entry's key is the table's name, its value the root's
//! page number (u32). A table comes into being with its first key.

use std::collections::BTreeMap;

use crate::btree::Tree;
use crate::disk_format::commit_group::Operation;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{ReadPages, WritePages};

/// The page that a new database allocates first.
const CATALOG_ROOT: PageNo = PageNo(1);

/// The tree that names the tables.
pub fn catalog() -> Tree {
    Tree::open(CATALOG_ROOT)
}

/// Makes the catalog of a new database.
pub fn create(pages: &mut impl WritePages) -> Result<(), StorageError> {
    let tree = Tree::create(pages)?;
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

/// Applies operations to the tables, remembering where these are.
#[derive(Debug, Default)]
pub struct Applier {
    trees: BTreeMap<String, Tree>,
}

impl Applier {
    /// Applies one operation. After an error the pages are in an unknown state: drop the group.
    pub fn apply(
        &mut self,
        pages: &mut impl WritePages,
        operation: Operation<'_>,
    ) -> Result<(), StorageError> {
        match (operation.value, self.tree(pages, operation)?) {
            (Some(value), Some(tree)) => tree.insert(pages, operation.key, value),
            (None, Some(tree)) => tree.delete(pages, operation.key).map(drop),
            (_, None) => Ok(()),
        }
    }

    /// The operation's table. Only a put creates one.
    fn tree(
        &mut self,
        pages: &mut impl WritePages,
        operation: Operation<'_>,
    ) -> Result<Option<Tree>, StorageError> {
        if let Some(tree) = self.trees.get(operation.table) {
            return Ok(Some(*tree));
        }
        let tree = match find(pages, operation.table)? {
            Some(tree) => tree,
            None if operation.value.is_none() => return Ok(None),
            None => {
                let tree = Tree::create(pages)?;
                let root = tree.root().get().to_le_bytes();
                catalog().insert(pages, operation.table.as_bytes(), &root)?;
                tree
            }
        };
        self.trees.insert(operation.table.to_owned(), tree);
        Ok(Some(tree))
    }
}
