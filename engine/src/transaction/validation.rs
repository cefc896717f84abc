//! Whether a transaction may commit after what others committed since its snapshot.
//!
//! It is judged against what the group's private pages hold when its turn comes: everything committed before, and the
//! earlier members of its own group. It passes if
//!
//! 1. every table name that it created, dropped or renamed stands for the same tree, or none, as in its snapshot; and
//!    the contents of a table that it drops are the same;
//! 2. every table that it writes to is the same tree as in its snapshot, or was created since;
//! 3. nobody wrote a key that it writes, nor changed anything in a range that it deletes;
//! 4. if it is serializable: nobody wrote a key that it looked up, nor changed anything in a range that it scanned.
//!
//! What the conflict index cannot clear is proven by comparing what the snapshot shows with what is there now; see
//! docs/design/transactions.md for why that is sound.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use crate::btree::{Tree, first_difference};
use crate::catalog::{self, Applier, Roots};
use crate::error::{CommitError, Conflict, ConflictKind, ConflictPlace, StorageError};
use crate::ids::{PageNo, Version};
use crate::page_store::Group;

use super::commit_queue::Member;
use super::conflicts::{Conflicts, Since, Touch, Written};
use super::key_hash::{Hashed, KeyHash};
use super::key_ranges::{Bounds, to_owned};
use super::read_set::TableReads;
use super::table_writes::TableWrites;

/// What the accepted members of one group wrote, so far.
#[derive(Debug, Default)]
pub struct Earlier {
    keys: HashSet<KeyHash, Hashed>,
    written: Written,
    tables: BTreeMap<PageNo, Touch>,
    is_any: bool,
}

/// Who will ask what a member wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Members of its group that follow, and later groups.
    Group,
    /// Later groups.
    Later,
    /// Nobody.
    None,
}

/// One member's judgement.
pub struct Judge<'j, 'w> {
    /// What earlier groups wrote.
    pub conflicts: &'j Conflicts,
    /// What earlier members of this one wrote.
    pub earlier: &'j Earlier,
    /// The pages with all of that.
    pub group: &'j Group<'w>,
    /// Where tables are.
    pub roots: &'j Roots,
    /// Who is judged.
    pub member: &'j Member,
}

/// A table, as the snapshot has it and as it is now.
#[derive(Clone, Copy)]
struct Both {
    then: Option<Tree>,
    now: Option<Tree>,
}

type Verdict = Result<(), CommitError>;

impl Earlier {
    /// Notes what a member wrote, which has just been applied.
    pub fn note(
        &mut self,
        member: &Member,
        applier: &mut Applier<'_>,
        group: &Group<'_>,
        (conflicts, audience): (&Conflicts, Audience),
    ) -> Result<(), StorageError> {
        self.is_any = true;
        if audience == Audience::None {
            return Ok(());
        }
        for (name, writes) in member.writes.tables() {
            let tree = applier.tree(group, name)?;
            let Some(tree) = tree.filter(|_| !writes.is_untouched()) else {
                continue;
            };
            let root = tree.root();
            let touch = if writes.swept.is_empty() {
                Touch::Keys
            } else {
                Touch::Ranges
            };
            let noted = self.tables.entry(root).or_insert(touch);
            *noted = touch.max(*noted);
            let known = self.written.keys.len();
            let keys = writes.writes.iter().map(|(key, _)| key);
            let hashes = keys.map(|key| conflicts.hash(root, key));
            self.written.keys.extend(hashes);
            if audience == Audience::Group {
                self.keys.extend(self.written.keys.iter().skip(known));
            }
        }
        Ok(())
    }

    /// All of it.
    pub fn into_written(mut self) -> Written {
        self.written.tables = self.tables.into_iter().collect();
        self.written
    }
}

impl Judge<'_, '_> {
    /// `Conflict` if the member must not commit, `Refused` if that cannot be found out.
    pub fn judge(&self, applier: &mut Applier<'_>) -> Verdict {
        if self.snapshot() == self.group.base() && !self.earlier.is_any {
            // What it sees is what there is.
            return Ok(());
        }
        self.names(applier)?;
        for (name, writes) in self.member.writes.tables() {
            if !writes.is_untouched() {
                self.table(applier, name, writes)?;
            }
        }
        let Some(reads) = &self.member.reads else {
            return Ok(());
        };
        if reads.listing {
            self.listing()?;
        }
        for name in &reads.names {
            let both = self.both(applier, name)?;
            if both.then.is_some() != both.now.is_some() {
                return Err(table_conflict(name));
            }
        }
        for (name, reads) in &reads.tables {
            self.reads(applier, name, reads)?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Version {
        self.member.view.version()
    }

    fn both(&self, applier: &mut Applier<'_>, name: &str) -> Result<Both, CommitError> {
        let sight = self.member.view.sight();
        let then = self.roots.find(&sight, sight.tables_as_of(), name);
        let then = then.map_err(CommitError::Refused)?;
        let now = applier.tree(self.group, name);
        Ok(Both {
            then,
            now: now.map_err(CommitError::Refused)?,
        })
    }

    /// Rule 1.
    fn names(&self, applier: &mut Applier<'_>) -> Verdict {
        for name in self.member.writes.names_changed() {
            let both = self.both(applier, name)?;
            if both.then != both.now {
                return Err(table_conflict(name));
            }
        }
        for name in self.member.writes.dropped() {
            let both = self.both(applier, name)?;
            let everything = (Bound::Unbounded, Bound::Unbounded);
            self.range(name, both, everything, ConflictKind::WriteWrite)?;
        }
        Ok(())
    }

    /// Rules 2 and 3.
    fn table(&self, applier: &mut Applier<'_>, name: &str, writes: &TableWrites) -> Verdict {
        // A table of its own: rule 1 has cleared the name.
        let Some(base) = writes.base(name) else {
            return Ok(());
        };
        let both = self.both(applier, base)?;
        if both.then.is_some() && both.then != both.now {
            return Err(table_conflict(name));
        }
        for bounds in writes.swept.iter() {
            self.range(name, both, bounds, ConflictKind::WriteWrite)?;
        }
        for (key, _) in writes.writes.iter() {
            self.key(name, both, key, ConflictKind::WriteWrite)?;
        }
        Ok(())
    }

    /// Rule 4.
    fn reads(&self, applier: &mut Applier<'_>, name: &str, reads: &TableReads) -> Verdict {
        let both = self.both(applier, name)?;
        for key in &reads.keys {
            self.key(name, both, key, ConflictKind::ReadWrite)?;
        }
        for bounds in reads.ranges.iter() {
            self.range(name, both, bounds, ConflictKind::ReadWrite)?;
        }
        Ok(())
    }

    /// Rule 4, for the list of tables.
    fn listing(&self) -> Verdict {
        let tree = Some(catalog::catalog());
        let found = first_difference(
            (&self.member.view, tree),
            (self.group, tree),
            (Bound::Unbounded, Bound::Unbounded),
        );
        match found.map_err(CommitError::Refused)? {
            None => Ok(()),
            Some(name) => Err(table_conflict(&String::from_utf8_lossy(&name))),
        }
    }

    fn key(&self, table: &str, both: Both, key: &[u8], kind: ConflictKind) -> Verdict {
        let (since, winner) = match both.now {
            Some(now) => self.key_since(both, now, key),
            None => (Since::Unknown, None),
        };
        let is_changed = match since {
            Since::Unwritten => false,
            Since::Written(_) => true,
            Since::Unknown => self.key_differs(both, key).map_err(CommitError::Refused)?,
        };
        if !is_changed {
            return Ok(());
        }
        Err(CommitError::Conflict(Box::new(Conflict {
            table: table.to_owned(),
            place: ConflictPlace::Key(key.to_owned()),
            kind,
            winner,
        })))
    }

    /// What is known of `key` in the tree `now` without looking at it, and who wrote it.
    fn key_since(&self, both: Both, now: Tree, key: &[u8]) -> (Since, Option<Version>) {
        let root = now.root();
        let hash = self.conflicts.hash(root, key);
        if self.earlier.keys.contains(&hash) {
            let version = self.group.next_version();
            return (Since::Written(version), Some(version));
        }
        match self.conflicts.key(self.snapshot(), root, hash) {
            Since::Written(version) => (Since::Written(version), Some(version)),
            Since::Unwritten
                if both.then == Some(now)
                    && self.earlier.tables.get(&root) != Some(&Touch::Ranges) =>
            {
                (Since::Unwritten, None)
            }
            _ => (Since::Unknown, None),
        }
    }

    fn key_differs(&self, both: Both, key: &[u8]) -> Result<bool, StorageError> {
        let view = &self.member.view;
        let then = both.then.map(|tree| tree.get(view, key)).transpose()?;
        let now = both.now.map(|tree| tree.get(self.group, key)).transpose()?;
        Ok(then.flatten().as_deref() != now.flatten().as_deref())
    }

    fn range(&self, table: &str, both: Both, bounds: Bounds<'_>, kind: ConflictKind) -> Verdict {
        if both.then == both.now && both.now.is_none_or(|now| self.is_unwritten(now)) {
            return Ok(());
        }
        let found = first_difference(
            (&self.member.view, both.then),
            (self.group, both.now),
            bounds,
        );
        let Some(key) = found.map_err(CommitError::Refused)? else {
            return Ok(());
        };
        let known = both.now.map(|now| self.key_since(both, now, &key));
        let (low, high) = to_owned(bounds);
        Err(CommitError::Conflict(Box::new(Conflict {
            table: table.to_owned(),
            place: ConflictPlace::Range {
                low,
                high,
                key: key.into_vec(),
            },
            kind,
            winner: known.and_then(|(_, winner)| winner),
        })))
    }

    fn is_unwritten(&self, tree: Tree) -> bool {
        let root = tree.root();
        !self.earlier.tables.contains_key(&root)
            && self.conflicts.table(self.snapshot(), root) == Since::Unwritten
    }
}

fn table_conflict(table: &str) -> CommitError {
    CommitError::Conflict(Box::new(Conflict {
        table: table.to_owned(),
        place: ConflictPlace::Table,
        kind: ConflictKind::Table,
        winner: None,
    }))
}
