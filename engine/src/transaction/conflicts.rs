//! What the recent commits wrote: first committer wins.
//!
//! Invariants:
//! 1. Every key written at a version above the floor is in the index with its newest version, and so is every table.
//! 2. What the index does not know it does not clear: below the floor, and below a table's last range delete, the
//!    answer for a key that is not in it is "unknown", and values have to be compared.
//!
//! Tables are known by their root pages, which renames leave as they are. Keys are held as 64-bit hashes. Two keys of
//! one hash make a false conflict, which costs a retry; they never hide a true one.

use std::collections::{HashMap, VecDeque};

use crate::ids::{PageNo, Version};

use super::key_hash::{Hashed, KeyHash};

/// Whether something was written after a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// It was not.
    Unwritten,
    /// It was, last at this version.
    Written(Version),
    /// The index cannot tell.
    Unknown,
}

/// What a commit group wrote.
#[derive(Debug, Default)]
pub struct Written {
    /// The keys.
    pub keys: Vec<KeyHash>,
    /// The tables, and how.
    pub tables: Vec<(PageNo, Touch)>,
}

/// How a table was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// By keys, all of which are known.
    Keys,
    /// By ranges too.
    Ranges,
}

/// The last writes to one table.
#[derive(Clone, Copy, Debug, Default)]
struct TableNote {
    written: Version,
    /// The last range delete: which keys that changed is not known.
    swept: Version,
}

/// The keys and tables written by commits that some open transaction may not have seen.
#[derive(Debug)]
pub struct Conflicts {
    newest: HashMap<KeyHash, Version, Hashed>,
    commits: VecDeque<(Version, Vec<KeyHash>)>,
    tables: HashMap<PageNo, TableNote>,
    keys: usize,
    /// Bounds the keys, and the tables.
    entries_max: usize,
    floor: Version,
    /// Makes hashes that nobody can foresee who does not know it.
    seed: u64,
}

impl Conflicts {
    /// An index of at most `entries_max` keys and as many tables, for snapshots at `floor` or above.
    pub fn new(entries_max: usize, floor: Version) -> Self {
        Self {
            newest: HashMap::default(),
            commits: VecDeque::new(),
            tables: HashMap::new(),
            keys: 0,
            entries_max,
            floor,
            seed: 0,
        }
    }

    /// Hashes keys with `seed`, as long as none are in it yet.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The hash of `key` of the table under `root`.
    pub fn hash(&self, root: PageNo, key: &[u8]) -> KeyHash {
        KeyHash::of(self.seed, root, key)
    }

    /// Whether a key of the table under `root` was written after `snapshot`.
    pub fn key(&self, snapshot: Version, root: PageNo, key: KeyHash) -> Since {
        let swept = self.tables.get(&root).map_or(Version(0), |note| note.swept);
        match self.newest.get(&key) {
            Some(version) if *version > snapshot => Since::Written(*version),
            _ if snapshot < self.floor || snapshot < swept => Since::Unknown,
            _ => Since::Unwritten,
        }
    }

    /// Whether the table under `root` was written to after `snapshot`.
    pub fn table(&self, snapshot: Version, root: PageNo) -> Since {
        match self.tables.get(&root) {
            Some(note) if note.written > snapshot => Since::Written(note.written),
            _ if snapshot < self.floor => Since::Unknown,
            _ => Since::Unwritten,
        }
    }

    /// Records what a group committed at `version`, and forgets what no snapshot at or above `oldest` can
    /// conflict with.
    pub fn record(&mut self, version: Version, written: Written, oldest: Version) {
        for (root, touch) in written.tables {
            let note = self.tables.entry(root).or_default();
            note.written = version;
            if touch == Touch::Ranges {
                note.swept = version;
            }
        }
        let keys = written.keys;
        for key in &keys {
            self.newest.insert(*key, version);
        }
        self.keys = self.keys.saturating_add(keys.len());
        if !keys.is_empty() {
            self.commits.push_back((version, keys));
        }
        self.forget_tables(version, oldest);
        while self
            .commits
            .front()
            .is_some_and(|(version, _)| *version <= oldest)
        {
            self.forget_first();
        }
        while self.keys > self.entries_max {
            self.forget_first();
        }
    }

    /// Records that a group was committed at `version` of which nothing is known, and forgets all: no transaction is open
    /// that has not seen it, but for one that began while it was written.
    pub fn record_unseen(&mut self, version: Version) {
        self.floor = self.floor.max(version);
        if !self.commits.is_empty() {
            self.commits.clear();
            self.newest.clear();
            self.keys = 0;
        }
        if !self.tables.is_empty() {
            self.tables.clear();
        }
    }

    fn forget_tables(&mut self, version: Version, oldest: Version) {
        if self.tables.len() > self.entries_max {
            self.tables.retain(|_, note| note.written > oldest);
        }
        if self.tables.len() > self.entries_max {
            self.tables.clear();
            self.floor = self.floor.max(version);
        }
    }

    fn forget_first(&mut self) {
        let Some((version, keys)) = self.commits.pop_front() else {
            return;
        };
        self.keys = self.keys.saturating_sub(keys.len());
        self.floor = self.floor.max(version);
        for key in keys {
            if self.newest.get(&key) == Some(&version) {
                self.newest.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: PageNo = PageNo(9);

    fn hash(n: u8) -> KeyHash {
        KeyHash::of(0, ROOT, &[n])
    }

    fn keys(keys: &[u8]) -> Written {
        Written {
            keys: keys.iter().copied().map(hash).collect(),
            tables: vec![(ROOT, Touch::Keys)],
        }
    }

    fn index(entries_max: usize) -> Conflicts {
        Conflicts::new(entries_max, Version(1))
    }

    #[test]
    fn a_key_written_after_the_snapshot_conflicts() {
        let mut index = index(100);
        index.record(Version(2), keys(&[1, 2]), Version(1));
        let key = |snapshot, n| index.key(Version(snapshot), ROOT, hash(n));
        assert_eq!(key(1, 2), Since::Written(Version(2)));
        assert_eq!(key(2, 2), Since::Unwritten);
        assert_eq!(key(1, 9), Since::Unwritten);
        let table = |snapshot| index.table(Version(snapshot), ROOT);
        assert_eq!(table(1), Since::Written(Version(2)));
        assert_eq!(table(2), Since::Unwritten);
    }

    #[test]
    fn forgotten_commits_raise_the_floor_and_nothing_older_is_cleared() {
        let mut index = index(2);
        index.record(Version(2), keys(&[1, 2]), Version(1));
        index.record(Version(3), keys(&[1]), Version(1));
        let key = |snapshot, n| index.key(Version(snapshot), ROOT, hash(n));
        assert_eq!(key(1, 9), Since::Unknown);
        assert_eq!(key(1, 1), Since::Written(Version(3)));
        assert_eq!(key(2, 2), Since::Unwritten);
    }

    #[test]
    fn what_every_snapshot_has_seen_is_forgotten() {
        let mut index = index(100);
        index.record(Version(2), keys(&[1]), Version(1));
        index.record(Version(3), keys(&[2]), Version(3));
        assert_eq!((index.newest.len(), index.keys), (0, 0));
    }

    #[test]
    fn a_group_that_wrote_nothing_takes_no_room() {
        let mut index = index(100);
        index.record(Version(2), Written::default(), Version(1));
        assert_eq!(index.commits.len(), 0);
    }

    #[test]
    fn a_range_delete_leaves_the_keys_of_its_table_unknown() {
        let mut index = index(100);
        let swept = Written {
            keys: Vec::new(),
            tables: vec![(ROOT, Touch::Ranges)],
        };
        index.record(Version(2), swept, Version(1));
        assert_eq!(index.key(Version(1), ROOT, hash(1)), Since::Unknown);
        assert_eq!(index.key(Version(2), ROOT, hash(1)), Since::Unwritten);
        assert_eq!(index.key(Version(1), PageNo(8), hash(1)), Since::Unwritten);
    }

    #[test]
    fn more_tables_than_the_index_holds_raise_the_floor() {
        let mut index = index(2);
        for root in 10..13_u32 {
            let written = Written {
                keys: Vec::new(),
                tables: vec![(PageNo(root), Touch::Keys)],
            };
            index.record(Version(u64::from(root)), written, Version(1));
        }
        assert_eq!(index.tables.len(), 0);
        assert_eq!(index.table(Version(11), ROOT), Since::Unknown);
        assert_eq!(index.table(Version(12), ROOT), Since::Unwritten);
    }

    #[test]
    fn what_was_committed_unseen_is_cleared_for_nobody_who_began_before() {
        let mut index = index(100);
        index.record(Version(2), keys(&[1]), Version(1));
        index.record_unseen(Version(3));
        assert_eq!((index.newest.len(), index.keys), (0, 0));
        let both = |snapshot| {
            let snapshot = Version(snapshot);
            (
                index.key(snapshot, ROOT, hash(1)),
                index.table(snapshot, ROOT),
            )
        };
        assert_eq!(both(2), (Since::Unknown, Since::Unknown));
        assert_eq!(both(3), (Since::Unwritten, Since::Unwritten));
    }
}
