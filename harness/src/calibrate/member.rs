//! Whether what a disk holds after a power cut is a state of the model.
//!
//! Names are tried by all subsets of their pending changes, which are few in a program; each file that has one is then compared by itself:
//! its length must be one of its lengths, and each sector one of its versions there.

use std::collections::BTreeMap;

use super::tree::{Node, Tree};
use crate::crash::is_journaled;
use crate::trace::{DiskState, Entry, FileState, InodeId, Order};

/// Pending changes of names whose subsets are tried.
const CHANGES_MAX: usize = 14;

/// The narrowest model that has a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// `journaled`, and so `posix`.
    Journaled,
    /// `posix` alone.
    Posix,
    /// None.
    Outside,
    /// More changes of names were pending than are tried.
    Undecided,
}

/// Looks for `tree` among the states that a power cut at `state` may leave.
pub(super) fn membership(state: &DiskState, tree: &Tree) -> Membership {
    let count = state.names().pending().len();
    if count > CHANGES_MAX {
        return Membership::Undecided;
    }
    let mut widest = Membership::Outside;
    for subset in (0..1_u32 << count).rev() {
        match with_names(state, tree, subset) {
            Some(left) if is_journaled(state, &left) => return Membership::Journaled,
            Some(_) => widest = Membership::Posix,
            None => {}
        }
    }
    widest
}

/// The disk on which just these changes of names survived, if it can hold `tree`.
fn with_names(state: &DiskState, tree: &Tree, subset: u32) -> Option<DiskState> {
    let mut place = 0;
    let names = state.names().survivor(|_| {
        place += 1;
        subset >> (place - 1) & 1 == 1
    });
    let mut files = BTreeMap::new();
    let mut count = 0;
    for (name, entry) in names.iter() {
        count += 1;
        match (entry, tree.get(&**name)?) {
            (Entry::Directory, Node::Directory) => {}
            (Entry::File(inode), Node::File(bytes)) => {
                files.insert(inode, resolved(state.file(inode)?, bytes)?);
            }
            _ => return None,
        }
    }
    let resolve = |inode: InodeId, file: &FileState| {
        files.get(&inode).cloned().unwrap_or_else(|| file.clone())
    };
    (count == tree.len()).then(|| state.survivor(names, resolve))
}

/// The file after a power cut that left it these bytes, if `posix` allows them.
fn resolved(file: &FileState, bytes: &[u8]) -> Option<FileState> {
    let mut sizes = file.sizes().filter(|size| size.len == bytes.len() as u64);
    sizes.find_map(|size| {
        let cuts = file.cuts_after(size.order);
        let mut chosen: BTreeMap<u64, Order> = BTreeMap::new();
        for (offset, versions) in file.pending_sectors() {
            let start = usize::try_from(offset).ok()?.min(bytes.len());
            let end = (start + file.sector().bytes()).min(bytes.len());
            let shown = &bytes[start..end];
            let allowed = versions.all().iter();
            let mut allowed = allowed.filter(|&&(order, _)| !cuts.took(offset, order));
            let (order, _) = allowed.find(|(_, version)| version.starts_with(shown))?;
            chosen.insert(offset, *order);
        }
        let keeps = |offset: u64, order: Order| chosen.get(&offset) == Some(&order);
        let left = file.survivor(size.len, keeps);
        (left.bytes() == bytes).then_some(left)
    })
}

#[cfg(test)]
mod tests {
    use lightning_db::disk::{Disk, OpenMode};

    use super::*;
    use crate::sim::{SimConfig, SimDisk};

    fn is_member(disk: &SimDisk, tree: &[(&str, Node)]) -> bool {
        let tree = tree
            .iter()
            .map(|(name, node)| ((*name).to_owned(), node.clone()));
        match membership(&disk.state(), &tree.collect()) {
            Membership::Journaled | Membership::Posix => true,
            Membership::Outside => false,
            Membership::Undecided => panic!("few names are pending"),
        }
    }

    fn file(parts: &[(u8, usize)]) -> Node {
        Node::File(
            parts
                .iter()
                .flat_map(|&(byte, len)| vec![byte; len])
                .collect(),
        )
    }

    #[test]
    fn states_that_the_model_has_are_members_and_others_are_not() {
        let disk = SimDisk::new(SimConfig::default());
        let a = disk.open("a", OpenMode::Create).unwrap();
        a.write_at(0, &[1; 1024]).unwrap();
        a.sync().unwrap();
        disk.sync_dir("").unwrap();
        a.write_at(0, &[2; 1024]).unwrap();
        disk.rename("a", "b").unwrap();
        let old = file(&[(1, 1024)]);
        let torn = file(&[(1, 512), (2, 512)]);
        assert!(is_member(&disk, &[("a", old.clone())]));
        assert!(is_member(&disk, &[("b", torn.clone())]));
        assert!(!is_member(&disk, &[("a", old.clone()), ("b", old.clone())]));
        assert!(!is_member(&disk, &[]));
        assert!(!is_member(&disk, &[("a", file(&[(1, 256), (2, 768)]))]));
        assert!(!is_member(&disk, &[("a", file(&[(1, 512)]))]));
        a.sync().unwrap();
        assert!(!is_member(&disk, &[("b", torn)]));
        assert!(!is_member(&disk, &[("a", old)]));
        assert!(is_member(&disk, &[("b", file(&[(2, 1024)]))]));
    }

    #[test]
    fn a_length_without_its_bytes_shows_zeroes() {
        let disk = SimDisk::new(SimConfig::default());
        let a = disk.open("a", OpenMode::Create).unwrap();
        disk.sync_dir("").unwrap();
        a.write_at(0, &[7; 700]).unwrap();
        assert!(is_member(&disk, &[("a", file(&[]))]));
        assert!(is_member(&disk, &[("a", file(&[(0, 700)]))]));
        assert!(is_member(&disk, &[("a", file(&[(7, 512), (0, 188)]))]));
        assert!(!is_member(&disk, &[("a", file(&[(7, 512)]))]));
    }
}
