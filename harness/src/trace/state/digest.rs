//! A disk's digest: what tells crash states apart.
//!
//! 1. It covers what readers see, by name, and what is pending: base, versions and their order.
//! 2. It does not cover inode numbers, nor which operations made the content: two ways to the same image are one.
//! 3. Equal on every platform, in every run.

use xxhash_rust::xxh3::Xxh3;

use super::chunk::Chunk;
use super::disk::{DiskState, Order};
use super::file::FileState;
use super::names::{Change, Entry};

impl DiskState {
    /// The digest of what readers see and of what is pending.
    pub fn digest(&self) -> u128 {
        let mut hasher = Xxh3::new();
        for (name, entry) in self.names.iter() {
            put_name(&mut hasher, name);
            self.put_entry(&mut hasher, entry);
        }
        if self.is_pending() {
            self.put_pending(&mut hasher);
        }
        hasher.digest128()
    }

    fn put_entry(&self, hasher: &mut Xxh3, entry: Entry) {
        match entry {
            Entry::Directory => put(hasher, 1),
            Entry::File(inode) => {
                put(hasher, 2);
                let hash = self.file(inode).map_or(0, FileState::hash);
                hasher.update(&hash.to_le_bytes());
            }
        }
    }

    fn put_pending(&self, hasher: &mut Xxh3) {
        put(hasher, self.newest.0 - self.durable.0);
        put(hasher, self.newest.0 - self.journaled.0);
        put(hasher, self.names.base().count() as u64);
        for (name, entry) in self.names.base() {
            put_name(hasher, name);
            self.put_content(hasher, entry);
        }
        for change in self.names.pending() {
            self.put_age(hasher, change.order);
            self.put_change(hasher, &change.change);
        }
    }

    fn put_change(&self, hasher: &mut Xxh3, change: &Change) {
        match change {
            Change::Set { name, entry } => {
                put(hasher, 3);
                put_name(hasher, name);
                self.put_content(hasher, *entry);
            }
            Change::Rename { from, to, .. } => {
                put(hasher, 4);
                put_name(hasher, from);
                put_name(hasher, to);
            }
            Change::Remove { name } => {
                put(hasher, 5);
                put_name(hasher, name);
            }
        }
    }

    /// What an entry shows, and what of it is pending.
    fn put_content(&self, hasher: &mut Xxh3, entry: Entry) {
        self.put_entry(hasher, entry);
        if let Entry::File(inode) = entry
            && let Some(file) = self.file(inode)
            && file.is_pending()
        {
            self.put_versions(hasher, file);
        }
    }

    fn put_versions(&self, hasher: &mut Xxh3, file: &FileState) {
        put(hasher, file.base_len);
        if let Some(abandoned) = file.abandoned {
            self.put_age(hasher, abandoned);
        }
        put(hasher, file.sizes.len() as u64);
        for size in &file.sizes {
            self.put_age(hasher, size.order);
            put(hasher, size.len);
        }
        for (&at, pending) in &file.pending {
            put(hasher, at as u64);
            put(hasher, pending.versions.len() as u64);
            hasher.update(&pending.base.hash().to_le_bytes());
            for version in &pending.versions {
                self.put_age(hasher, version.order);
                put(hasher, version.sector as u64);
                hasher.update(version.bytes(file.sector));
            }
        }
    }

    /// How old an operation is: the same wherever in a history the same operations stand.
    fn put_age(&self, hasher: &mut Xxh3, order: Order) {
        put(hasher, self.newest.0 - order.0);
    }
}

impl FileState {
    /// The hash of what readers see.
    pub(super) fn hash(&self) -> u128 {
        *self.hash.get_or_init(|| {
            let mut hasher = Xxh3::new();
            put(&mut hasher, self.len);
            let filled = (0..)
                .zip(self.chunks.iter().map(Chunk::hash))
                .filter(|&(_, hash)| hash != 0);
            for (at, hash) in filled {
                put(&mut hasher, at);
                hasher.update(&hash.to_le_bytes());
            }
            hasher.digest128()
        })
    }
}

fn put(hasher: &mut Xxh3, number: u64) {
    hasher.update(&number.to_le_bytes());
}

fn put_name(hasher: &mut Xxh3, name: &str) {
    put(hasher, name.len() as u64);
    hasher.update(name.as_bytes());
}
