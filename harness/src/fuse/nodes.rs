//! Which inode numbers of the mount stand for what.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sim::SimDisk;
use crate::trace::{Entry, InodeId, Name};

/// The mount's own directory, which holds one directory a disk.
pub(super) const ROOT: u64 = 1;

/// A disk that is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VolumeId(u64);

/// What an inode number stands for.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A file of a disk, with a name that it had.
    File {
        disk: SimDisk,
        volume: VolumeId,
        inode: InodeId,
        name: Name,
    },
    /// A directory of a disk.
    Dir {
        disk: SimDisk,
        volume: VolumeId,
        path: Name,
    },
}

impl Node {
    fn volume(&self) -> VolumeId {
        match self {
            Self::File { volume, .. } | Self::Dir { volume, .. } => *volume,
        }
    }
}

/// What a number is looked up by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    File(InodeId),
    Dir(Name),
}

/// All inode numbers. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// How many numbers and disks there ever were.
    issued: u64,
    /// The disk in each directory of the mount, with the number of its own directory.
    slots: Vec<Option<(VolumeId, u64)>>,
    nodes: BTreeMap<u64, Node>,
    known: BTreeMap<(VolumeId, Key), u64>,
    /// Disks whose syncs take time, with how many there were.
    slow: BTreeMap<VolumeId, u64>,
}

impl Nodes {
    /// Mounts a disk under the lowest free name.
    pub(super) fn attach(&self, disk: SimDisk) -> (VolumeId, String) {
        let mut table = self.table();
        let volume = VolumeId(table.next());
        let path = Name::from("");
        let root = table.add(
            Key::Dir(Name::clone(&path)),
            Node::Dir { disk, volume, path },
        );
        let free = table.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or(table.slots.len());
        if slot == table.slots.len() {
            table.slots.push(None);
        }
        table.slots[slot] = Some((volume, root));
        (volume, slot_name(slot))
    }

    /// Puts another disk, which holds the same, in the place of one: whoever works on it goes on without a change.
    pub(super) fn replace(&self, volume: VolumeId, by: &SimDisk) {
        let mut table = self.table();
        let nodes = table.nodes.values_mut();
        for node in nodes.filter(|node| node.volume() == volume) {
            let (Node::File { disk, .. } | Node::Dir { disk, .. }) = node;
            *disk = by.clone();
        }
    }

    /// Forgets a disk: whatever still asks for something on it is answered with an error.
    pub(super) fn detach(&self, volume: VolumeId) {
        let mut table = self.table();
        let held = |slot: &&mut Option<(VolumeId, u64)>| slot.is_some_and(|(at, _)| at == volume);
        if let Some(slot) = table.slots.iter_mut().find(held) {
            *slot = None;
        }
        table.slow.remove(&volume);
        table.nodes.retain(|_, node| node.volume() != volume);
        table.known.retain(|(of, _), _| *of != volume);
    }

    /// Lets the syncs of a disk take time.
    pub(super) fn let_syncs_take_time(&self, volume: VolumeId) {
        self.table().slow.entry(volume).or_default();
    }

    /// How many syncs of its disk came before this one, if they take time.
    pub(super) fn slow_syncs_before(&self, number: u64) -> Option<u64> {
        let mut table = self.table();
        let volume = table.nodes.get(&number)?.volume();
        let count = table.slow.get_mut(&volume)?;
        *count += 1;
        Some(*count - 1)
    }

    /// What a number stands for.
    pub(super) fn get(&self, number: u64) -> Option<Node> {
        self.table().nodes.get(&number).cloned()
    }

    /// The number of a disk's own directory, by its name in the mount.
    pub(super) fn root_of(&self, name: &Path) -> Option<u64> {
        let table = self.table();
        let mut slots = table.slots.iter().enumerate();
        slots.find_map(|(slot, held)| {
            let (_, root) = (*held)?;
            (Path::new(&slot_name(slot)) == name).then_some(root)
        })
    }

    /// The number of what a name in a directory of `parent`'s disk stands for.
    pub(super) fn number(&self, parent: &Node, path: &Name, entry: Entry) -> u64 {
        let (Node::File { disk, volume, .. } | Node::Dir { disk, volume, .. }) = parent;
        let (disk, volume) = (disk.clone(), *volume);
        let mut table = self.table();
        match entry {
            Entry::File(inode) => {
                let name = Name::clone(path);
                let node = Node::File {
                    disk,
                    volume,
                    inode,
                    name,
                };
                table.add(Key::File(inode), node)
            }
            Entry::Directory => {
                let path = Name::clone(path);
                table.add(
                    Key::Dir(Name::clone(&path)),
                    Node::Dir { disk, volume, path },
                )
            }
        }
    }

    /// Lets a directory's number stand for it no more: one that is created under its name is another.
    pub(super) fn forget_dir(&self, parent: &Node, path: &Name) {
        let mut table = self.table();
        let key = (parent.volume(), Key::Dir(Name::clone(path)));
        if let Some(number) = table.known.remove(&key) {
            table.nodes.remove(&number);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A poisoned table is whole: nothing in it panics half-way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn next(&mut self) -> u64 {
        self.issued += 1;
        ROOT + self.issued
    }

    /// The number of something, which gets one if it has none.
    fn add(&mut self, key: Key, node: Node) -> u64 {
        let key = (node.volume(), key);
        if let Some(&number) = self.known.get(&key) {
            return number;
        }
        let number = self.next();
        self.known.insert(key, number);
        self.nodes.insert(number, node);
        number
    }
}

fn slot_name(slot: usize) -> String {
    format!("db{slot}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimConfig;

    #[test]
    fn numbers_are_never_used_again_and_names_of_disks_are() {
        let nodes = Nodes::default();
        let disk = SimDisk::new(SimConfig::default());
        let (first, name) = nodes.attach(disk.clone());
        assert_eq!(name, "db0");
        let root = nodes.root_of(Path::new("db0")).unwrap();
        let parent = nodes.get(root).unwrap();
        let file = nodes.number(&parent, &Name::from("f"), Entry::File(InodeId(0)));
        let again = nodes.number(&parent, &Name::from("g"), Entry::File(InodeId(0)));
        assert_eq!(file, again, "an inode has one number whatever it is called");
        assert_eq!(nodes.attach(disk.clone()).1, "db1");
        nodes.detach(first);
        assert!(nodes.get(root).is_none() && nodes.get(file).is_none());
        assert_eq!(nodes.attach(disk).1, "db0");
        assert!(nodes.root_of(Path::new("db0")).unwrap() > file);
    }
}
