//! The names in the directories, and which of them are durable.
//!
//! 1. Each name's entry is a variable of its own. A power cut leaves one of its versions, and is legal if
//!    for every change that survived, all earlier pending changes of the same names survived too: nothing is renamed
//!    away from where it never was, and a rename changes both names or neither.
//! 2. Syncing a directory makes durable the changes of its names, with those that they rest on.
//! 3. An entry whose directory did not survive is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::event::Name;
use super::disk::{InodeId, Order};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A file.
    File(InodeId),
    /// A directory.
    Directory,
}

/// What happened to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Set {
        name: Name,
        entry: Entry,
    },
    Rename {
        from: Name,
        to: Name,
        inode: InodeId,
    },
    Remove {
        name: Name,
    },
}

/// A change of names that no sync has covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameChange {
    /// The operation.
    pub order: Order,
    pub(super) change: Change,
}

impl NameChange {
    /// The names that it changes.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let (first, second) = match &self.change {
            Change::Set { name, .. } | Change::Remove { name } => (name, None),
            Change::Rename { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }

    fn touches(&self, dir: &str) -> bool {
        self.names().any(|name| parent(name) == dir)
    }

    fn apply(&self, entries: &mut BTreeMap<Name, Entry>) {
        match &self.change {
            Change::Set { name, entry } => {
                entries.insert(Arc::clone(name), *entry);
            }
            Change::Rename { from, to, inode } => {
                entries.remove(from);
                entries.insert(Arc::clone(to), Entry::File(*inode));
            }
            Change::Remove { name } => {
                entries.remove(name);
            }
        }
    }
}

/// All names of a disk.
#[derive(Clone, Debug, Default)]
pub struct Names {
    visible: Arc<BTreeMap<Name, Entry>>,
    base: Arc<BTreeMap<Name, Entry>>,
    pending: Vec<NameChange>,
}

impl Names {
    /// Names of which all are durable.
    fn durable(entries: BTreeMap<Name, Entry>) -> Self {
        let visible = Arc::new(entries);
        Self {
            base: Arc::clone(&visible),
            visible,
            pending: Vec::new(),
        }
    }

    /// What a name stands for now. `""` is a directory.
    pub fn get(&self, name: &str) -> Option<Entry> {
        if name.is_empty() {
            Some(Entry::Directory)
        } else {
            self.visible.get(name).copied()
        }
    }

    /// All names with what they stand for, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, Entry)> {
        self.visible.iter().map(|(name, &entry)| (name, entry))
    }

    /// The names in a directory, without its own, in order.
    pub fn list(&self, dir: &str) -> Vec<String> {
        self.visible
            .keys()
            .filter(|name| parent(name) == dir)
            .map(|name| name[name.rfind('/').map_or(0, |at| at + 1)..].to_owned())
            .collect()
    }

    /// The changes that no sync has covered, oldest first.
    pub fn pending(&self) -> &[NameChange] {
        &self.pending
    }

    /// The newest pending change of a name in a directory.
    pub(super) fn newest_in(&self, dir: &str) -> Option<Order> {
        let mut changes = self.pending.iter().rev();
        changes
            .find(|change| change.touches(dir))
            .map(|change| change.order)
    }

    /// The pending creation of a file.
    pub(super) fn creation_of(&self, inode: InodeId) -> Option<Order> {
        let is_it = |change: &&NameChange| matches!(change.change, Change::Set { entry: Entry::File(made), .. } if made == inode);
        self.pending.iter().find(is_it).map(|change| change.order)
    }

    /// The durable names with what they stand for, in order.
    pub(super) fn base(&self) -> impl Iterator<Item = (&Name, Entry)> {
        self.base.iter().map(|(name, &entry)| (name, entry))
    }

    /// The names after a power cut which the changes that `keeps` accepts survived, as far as all that they rest
    /// on survived.
    #[must_use]
    pub fn survivor(&self, mut keeps: impl FnMut(&NameChange) -> bool) -> Self {
        if self.pending.is_empty() {
            return Self::durable(rooted(&self.base));
        }
        let mut lost = BTreeSet::new();
        let mut entries = BTreeMap::clone(&self.base);
        for change in &self.pending {
            if keeps(change) && !change.names().any(|name| lost.contains(name)) {
                change.apply(&mut entries);
            } else {
                lost.extend(change.names());
            }
        }
        Self::durable(rooted(&entries))
    }

    pub(super) fn change(&mut self, change: Change, order: Order) {
        let change = NameChange { order, change };
        change.apply(Arc::make_mut(&mut self.visible));
        self.pending.push(change);
    }

    /// Makes a directory's names durable. The newest change that this covered, if it covered any.
    pub(super) fn sync_dir(&mut self, dir: &str) -> Option<Order> {
        let covered = self.covered_by(dir);
        let newest = covered.last().copied();
        if covered.len() == self.pending.len() {
            self.base = Arc::clone(&self.visible);
            self.pending.clear();
        } else if !covered.is_empty() {
            let base = Arc::make_mut(&mut self.base);
            self.pending.retain(|change| {
                let durable = covered.contains(&change.order);
                if durable {
                    change.apply(base);
                }
                !durable
            });
        }
        newest
    }

    /// The pending changes of a directory's names and those that they rest on, oldest first.
    fn covered_by(&self, dir: &str) -> Vec<Order> {
        let mut names = BTreeSet::new();
        let mut covered = Vec::new();
        for change in self.pending.iter().rev() {
            if change.touches(dir) || change.names().any(|name| names.contains(name)) {
                names.extend(change.names());
                covered.push(change.order);
            }
        }
        covered.reverse();
        covered
    }
}

/// The directory that a name is in.
pub(super) fn parent(name: &str) -> &str {
    name.rfind('/').map_or("", |at| &name[..at])
}

/// The entries whose directories exist.
fn rooted(entries: &BTreeMap<Name, Entry>) -> BTreeMap<Name, Entry> {
    let mut kept: BTreeMap<Name, Entry> = BTreeMap::new();
    for (name, &entry) in entries {
        let dir = parent(name);
        if dir.is_empty() || kept.get(dir) == Some(&Entry::Directory) {
            kept.insert(Arc::clone(name), entry);
        }
    }
    kept
}
