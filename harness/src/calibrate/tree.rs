//! What a directory of the operating system's holds.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// A file's bytes, or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(Vec<u8>),
    Directory,
}

/// Everything below a directory, by its path there.
pub(super) type Tree = BTreeMap<String, Node>;

/// Reads all that is below `root`; nothing if it is not there.
pub(super) fn read(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    if root.exists() {
        read_into(&mut tree, root, "")?;
    }
    Ok(tree)
}

fn read_into(tree: &mut Tree, dir: &Path, prefix: &str) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            tree.insert(name.clone(), Node::Directory);
            read_into(tree, &entry.path(), &format!("{name}/"))?;
        } else {
            tree.insert(name, Node::File(std::fs::read(entry.path())?));
        }
    }
    Ok(())
}
