//! Which keys the recent commits wrote: first committer wins.
//!
//! Invariants:
//! 1. Every key written at a version above the floor is in the index with its newest version.
//! 2. A transaction whose snapshot is below the floor conflicts: the index can no longer clear it.
//!
//! Keys are held as 64-bit hashes. Two keys of one hash make a false conflict, which costs a retry; they
//! never hide a true one.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::ids::Version;

/// The hash of one key of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash(u64);

impl KeyHash {
    /// Hashes `key` of `table`. The same for the same bytes, always.
    pub fn of(table: &str, key: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        table.hash(&mut hasher);
        key.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The keys written by commits that some open transaction may not have seen.
#[derive(Debug)]
pub struct Conflicts {
    newest: HashMap<KeyHash, Version>,
    commits: VecDeque<(Version, Vec<KeyHash>)>,
    keys: usize,
    keys_max: usize,
    floor: Version,
}

impl Conflicts {
    /// An index of at most `keys_max` keys, for snapshots at `floor` or above.
    pub fn new(keys_max: usize, floor: Version) -> Self {
        Self {
            newest: HashMap::new(),
            commits: VecDeque::new(),
            keys: 0,
            keys_max,
            floor,
        }
    }

    /// The position in `keys` of one that was written after `snapshot`, if any; the first one where
    /// `snapshot` is too old to tell.
    pub fn find(
        &self,
        snapshot: Version,
        mut keys: impl Iterator<Item = KeyHash>,
    ) -> Option<usize> {
        if snapshot < self.floor {
            return Some(0);
        }
        keys.position(|key| {
            self.newest
                .get(&key)
                .is_some_and(|version| *version > snapshot)
        })
    }

    /// Records what a commit at `version` wrote, and forgets what no snapshot at or above `oldest` can
    /// conflict with.
    pub fn record(&mut self, version: Version, keys: Vec<KeyHash>, oldest: Version) {
        for key in &keys {
            self.newest.insert(*key, version);
        }
        self.keys = self.keys.saturating_add(keys.len());
        if !keys.is_empty() {
            self.commits.push_back((version, keys));
        }
        while self
            .commits
            .front()
            .is_some_and(|(version, _)| *version <= oldest)
        {
            self.forget_first();
        }
        while self.keys > self.keys_max {
            self.forget_first();
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

    fn key(n: u8) -> KeyHash {
        KeyHash::of("t", &[n])
    }

    #[test]
    fn a_key_written_after_the_snapshot_conflicts() {
        let mut index = Conflicts::new(100, Version(1));
        index.record(Version(2), vec![key(1), key(2)], Version(1));
        assert_eq!(
            index.find(Version(1), [key(9), key(2)].into_iter()),
            Some(1)
        );
        assert_eq!(index.find(Version(2), [key(9), key(2)].into_iter()), None);
        assert_eq!(index.find(Version(1), [key(9)].into_iter()), None);
    }

    #[test]
    fn forgotten_commits_raise_the_floor_and_conflict_with_everything_older() {
        let mut index = Conflicts::new(2, Version(1));
        index.record(Version(2), vec![key(1), key(2)], Version(1));
        index.record(Version(3), vec![key(1)], Version(1));
        assert_eq!(index.find(Version(1), [key(9)].into_iter()), Some(0));
        assert_eq!(index.find(Version(2), [key(1)].into_iter()), Some(0));
        assert_eq!(index.find(Version(2), [key(2)].into_iter()), None);
    }

    #[test]
    fn what_every_snapshot_has_seen_is_forgotten() {
        let mut index = Conflicts::new(100, Version(1));
        index.record(Version(2), vec![key(1)], Version(1));
        index.record(Version(3), vec![key(2)], Version(3));
        assert_eq!((index.newest.len(), index.keys), (0, 0));
    }

    #[test]
    fn a_group_that_wrote_nothing_takes_no_room() {
        let mut index = Conflicts::new(100, Version(1));
        index.record(Version(2), Vec::new(), Version(1));
        assert_eq!(index.commits.len(), 0);
    }

    #[test]
    fn the_same_key_in_two_tables_is_two_keys() {
        assert_ne!(KeyHash::of("a", b"k"), KeyHash::of("b", b"k"));
    }
}
