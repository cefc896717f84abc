//! Where in a protocol a sync stands: what makes two syncs of a run the same one.
//!
//! Two syncs are the same if they are of the same kind of file (numbers in names don't count), while the target does the same for its clients, with the same
//! kinds of changes to cover, and both the first of their file in this boot or both not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::scenario::OperationKind;
use crate::trace::{DiskState, Event, Mark, Name, Operation};

/// A sync's place in a protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SyncPlace {
    /// Of a file or of a directory.
    pub operation: OperationKind,
    /// Its name, `*` for each number; `.` for the database's own directory.
    pub file: String,
    /// What else makes it what it is: `committing: again, after write`.
    pub place: String,
}

/// Follows a boot, and says where each of its syncs stands.
#[derive(Clone, Debug)]
pub struct SyncPlaces {
    is_new: bool,
    is_open: bool,
    in_flight: u32,
    doing: Option<&'static str>,
    changed: BTreeMap<Key, Changed>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    File(u32),
    Directory(Name),
}

/// What happened to a file, or to the names in a directory, since it was synced last.
#[derive(Clone, Debug, Default)]
struct Changed {
    by: BTreeSet<String>,
    was_synced: bool,
}

impl SyncPlaces {
    /// A boot on this disk.
    pub fn new(start: &DiskState) -> Self {
        Self {
            is_new: start.names().iter().next().is_none(),
            is_open: false,
            in_flight: 0,
            doing: None,
            changed: BTreeMap::new(),
        }
    }

    /// The place of a sync that is about to come; nothing for other operations.
    pub fn place_of(&self, operation: &Operation) -> Option<SyncPlace> {
        let (key, kind, file) = match operation {
            Operation::Sync(file) => {
                let name = without_numbers(&file.name);
                (Key::File(file.inode.0), OperationKind::Sync, name)
            }
            Operation::SyncDir { dir } => {
                let name = match &**dir {
                    "" => ".".to_owned(),
                    name => without_numbers(name),
                };
                let key = Key::Directory(Name::clone(dir));
                (key, OperationKind::SyncDir, name)
            }
            _ => return None,
        };
        let nothing = Changed::default();
        let changed = self.changed.get(&key).unwrap_or(&nothing);
        let by: Vec<&str> = changed.by.iter().map(String::as_str).collect();
        let by = if by.is_empty() {
            "nothing".to_owned()
        } else {
            by.join(" and ")
        };
        let again = if changed.was_synced { "again" } else { "first" };
        Some(SyncPlace {
            operation: kind,
            file,
            place: format!("{}: {again}, after {by}", self.phase()),
        })
    }

    fn phase(&self) -> &'static str {
        match self.doing {
            _ if !self.is_open && self.is_new => "creating",
            _ if !self.is_open => "opening",
            Some(doing) => doing,
            None if self.in_flight > 0 => "committing",
            None => "between transactions",
        }
    }

    /// Goes on after an event, whether or not it had an effect: the target believes that it had.
    pub fn follow(&mut self, event: &Event) {
        match event {
            Event::Mark(mark) => self.follow_mark(mark),
            Event::Operation { operation, .. } => self.follow_operation(operation),
        }
    }

    fn follow_mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Request(_) => (self.in_flight, self.doing) = (self.in_flight + 1, None),
            Mark::Acknowledged(_) | Mark::Failed(_) | Mark::Unknown(_) => {
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            Mark::Began(what) => self.doing = Some(*what),
            Mark::Ended(_) => self.doing = None,
            Mark::Opened => self.is_open = true,
            Mark::Note(note) if note == "checkpoint requested" => self.doing = Some("checkpoint"),
            Mark::Failure(_) | Mark::Note(_) | Mark::Failpoint(_) | Mark::Through(_) => {}
        }
    }

    fn follow_operation(&mut self, operation: &Operation) {
        let mut file = |inode: u32, what: &str| {
            let changed = self.changed.entry(Key::File(inode)).or_default();
            changed.by.insert(what.to_owned());
        };
        match operation {
            Operation::Write { file: of, .. } => file(of.inode.0, "write"),
            Operation::SetLen { file: of, .. } => file(of.inode.0, "set-len"),
            Operation::Allocate { file: of, .. } => file(of.inode.0, "allocate"),
            Operation::Create(of) => self.name(&of.name, "create"),
            Operation::CreateDir { name } => self.name(name, "create directory"),
            Operation::Remove { name } => self.name(name, "remove"),
            Operation::Rename { to, .. } => self.name(to, "rename to"),
            Operation::Sync(of) => self.synced(Key::File(of.inode.0)),
            Operation::SyncDir { dir } => self.synced(Key::Directory(Name::clone(dir))),
            Operation::FailSync { .. } => {}
        }
    }

    fn name(&mut self, name: &Name, what: &str) {
        let dir = name.rfind('/').map_or("", |at| &name[..at]);
        let key = Key::Directory(Name::from(dir));
        let by = &mut self.changed.entry(key).or_default().by;
        by.insert(format!("{what} {}", without_numbers(name)));
    }

    fn synced(&mut self, key: Key) {
        let changed = self.changed.entry(key).or_default();
        changed.by.clear();
        changed.was_synced = true;
    }
}

/// A name with `*` for each number: a pattern of all names that differ in numbers only.
fn without_numbers(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        match (c.is_ascii_digit(), plain.ends_with('*')) {
            (true, true) => {}
            (true, false) => plain.push('*'),
            (false, _) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Effect, FileRef, InodeId, TransactionId};

    #[test]
    fn syncs_are_told_apart_by_what_they_cover_and_when() {
        let mut places = SyncPlaces::new(&DiskState::default());
        let file = FileRef {
            inode: InodeId(1),
            name: Name::from("wal/000001"),
        };
        let write = Operation::Write {
            file: file.clone(),
            offset: 0,
            bytes: [0_u8; 1].as_slice().into(),
        };
        let dir = Operation::SyncDir {
            dir: Name::from("wal"),
        };
        let sync = Operation::Sync(file.clone());
        let mut texts = Vec::new();
        let mut done = |operation: &Operation| {
            if let Some(place) = places.place_of(operation) {
                let SyncPlace { file, place, .. } = place;
                texts.push(format!("{file} {place}"));
            }
            places.follow(&Event::Operation {
                operation: operation.clone(),
                effect: Effect::Elided,
            });
        };
        for operation in [&Operation::Create(file), &dir, &write, &sync] {
            done(operation);
        }
        places.follow(&Event::Mark(Mark::Opened));
        places.follow(&Event::Mark(Mark::Request(TransactionId(1))));
        let last = places.place_of(&sync).map(|place| place.place);
        assert_eq!(
            texts,
            [
                "wal creating: first, after create wal/*",
                "wal/* creating: first, after write"
            ]
        );
        assert_eq!(last.as_deref(), Some("committing: again, after nothing"));
    }
}
