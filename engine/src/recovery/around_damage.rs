//! Replaying a group whose operations meet damage: what they do beside it is done, what they would do behind it is left out.
//!
//! Invariants:
//! 1. What an operation was left out for cannot be read in this session, even if the disk changes its mind: the leaf, or the name
//!    of the table, is closed off in memory. So neither does what was deleted come back, nor is what was put missing unnoticed.
//! 2. Once anything was left out nothing is written to disk (the caller's promise), so the log stays, and the next opening tries
//!    again.
//!
//! The drop of a damaged table leaves nothing out: all its rows go with its name, and only space is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeBounds};

use super::replay::Payload;
use crate::btree::{Reach, Tree, close_off, keys_of_leaf};
use crate::catalog::{self, Applier};
use crate::disk_format::commit_group::{Action, Operation};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::page_store::{PageStore, PageWriter};
use crate::pages::WritePages;
use crate::recovery_report::{Damage, KeyRange};

/// What damage cost a replay.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Where something was left out: once for each table and page.
    pub(super) left_out: BTreeMap<(String, PageNo), Damage>,
    /// Where pages of dropped tables could not be found.
    pub(super) remains: Vec<Damage>,
}

/// The group's operation, and the leaf that cannot take it.
type Isolated = BTreeSet<(usize, PageNo)>;

/// Why a pass ends early.
struct Stop {
    error: StorageError,
    /// The leaf that is to be closed off before the next one; none if that is of no use.
    leaf: Option<PageNo>,
}

/// One attempt to apply a group.
struct Pass<'p> {
    applier: Applier<'static>,
    isolated: &'p Isolated,
    /// Of the operation under way.
    index: usize,
    losses: Losses,
}

/// Where a table's name stands in the catalog, and what it stands for.
#[derive(Clone, Copy)]
struct Named {
    leaf: PageNo,
    tree: Option<Tree>,
}

/// Applies and publishes a group. Each failure that nothing foretells closes off one leaf more, so this ends.
pub(super) fn apply(
    writer: &mut PageWriter,
    store: &PageStore,
    logged: Payload<'_>,
    losses: &mut Losses,
) -> Result<(), StorageError> {
    let mut isolated = Isolated::new();
    loop {
        let mut group = writer.begin(store);
        let version = group.next_version();
        let mut pass = Pass {
            applier: Applier::new(u64::MAX),
            isolated: &isolated,
            index: 0,
            losses: Losses::default(),
        };
        match pass.operations(&mut group, logged) {
            Ok(()) => {
                losses.add(pass.losses);
                group.publish(version);
                return Ok(());
            }
            Err(Stop { error, leaf }) => {
                let at = leaf.map(|leaf| (pass.index, leaf));
                if !at.is_some_and(|at| isolated.insert(at)) {
                    return Err(error);
                }
            }
        }
    }
}

impl Losses {
    fn add(&mut self, more: Self) {
        for (place, damage) in more.left_out {
            self.left_out.entry(place).or_insert(damage);
        }
        self.remains.extend(more.remains);
    }
}

impl Pass<'_> {
    fn operations(&mut self, pages: &mut impl WritePages, logged: Payload<'_>) -> Result<(), Stop> {
        for (index, operation) in logged.decode()?.enumerate() {
            self.index = index;
            self.operation(pages, operation.map_err(|m| logged.malformed(m))?)?;
        }
        Ok(())
    }

    fn operation(
        &mut self,
        pages: &mut impl WritePages,
        operation: Operation<'_>,
    ) -> Result<(), Stop> {
        let table = operation.table;
        let named = self.find(pages, table)?;
        if let Action::Rename { to } = operation.action {
            return self.rename(pages, operation, (named, to));
        }
        let Some(named) = named else {
            return Ok(());
        };
        match operation.action {
            Action::Put { key, .. } | Action::Delete { key } => {
                self.write(pages, operation, (named, key))
            }
            Action::Drop if named.tree.is_some() => self.drop_table(pages, (table, named)),
            Action::DeleteRange { low, high } => {
                let bounds = (low, high);
                named.tree.map_or(Ok(()), |tree| {
                    self.delete_range(pages, (table, tree), bounds)
                })
            }
            Action::Create => self.apply(pages, operation, named.leaf),
            // There is no such table, and no damage that hides it: the log is of another database.
            Action::Drop | Action::Rename { .. } => Ok(self.applier.apply(pages, operation)?),
        }
    }

    fn apply(
        &mut self,
        pages: &mut impl WritePages,
        operation: Operation<'_>,
        leaf: PageNo,
    ) -> Result<(), Stop> {
        let applied = self.applier.apply(pages, operation);
        applied.map_err(|error| Stop::at(leaf, error))
    }

    /// Where `table` stands in the catalog; nothing if damage hides that.
    fn find(
        &mut self,
        pages: &mut impl WritePages,
        table: &str,
    ) -> Result<Option<Named>, StorageError> {
        let reach = catalog::reach(pages, table)?;
        let Some(leaf) = self.enter(pages, ("", reach))? else {
            return Ok(None);
        };
        match self.applier.tree(pages, table) {
            Ok(tree) => Ok(Some(Named { leaf, tree })),
            Err(error @ StorageError::Corruption(_)) => {
                self.note(table, (leaf, KeyRange::default()), Some(&error));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The leaf that is reached; nothing if it is, or has to be, closed off.
    fn enter(
        &mut self,
        pages: &mut impl WritePages,
        (table, reach): (&str, Reach),
    ) -> Result<Option<PageNo>, StorageError> {
        let Reach { page, keys, damage } = reach;
        if damage.is_none() && !self.isolated.contains(&(self.index, page)) {
            return Ok(Some(page));
        }
        let place = match &damage {
            Some(StorageError::Corruption(place)) => (&*place.file, place.offset),
            _ => ("data", 0),
        };
        close_off(pages, page, place)?;
        self.note(table, (page, keys), damage.as_ref());
        Ok(None)
    }

    fn write(
        &mut self,
        pages: &mut impl WritePages,
        operation: Operation<'_>,
        (named, key): (Named, &[u8]),
    ) -> Result<(), Stop> {
        let leaf = match named.tree {
            None => Some(named.leaf),
            Some(tree) => {
                let reach = tree.reach(pages, key)?;
                self.enter(pages, (operation.table, reach))?
            }
        };
        leaf.map_or(Ok(()), |leaf| self.apply(pages, operation, leaf))
    }

    fn drop_table(
        &mut self,
        pages: &mut impl WritePages,
        (table, named): (&str, Named),
    ) -> Result<(), Stop> {
        let dropped = self.applier.drop_remains(pages, table);
        let hidden = dropped.map_err(|error| Stop::at(named.leaf, error))?;
        let remains = hidden.into_iter().map(|(page, error)| {
            let what = "what this led to, of a table that was dropped, is lost space";
            damage_at(table, page, (what, Some(&error)))
        });
        self.losses.remains.extend(remains);
        Ok(())
    }

    /// Where one of the names cannot be found neither can be any more: what was one table's is the other's now.
    fn rename(
        &mut self,
        pages: &mut impl WritePages,
        operation: Operation<'_>,
        (from, to): (Option<Named>, &str),
    ) -> Result<(), Stop> {
        let there = self.find(pages, to)?;
        if let (Some(from), Some(there)) = (from, there) {
            if from.tree.is_some() && there.tree.is_none() {
                return self.apply(pages, operation, from.leaf);
            }
            return Ok(self.applier.apply(pages, operation)?);
        }
        for (name, named) in [(operation.table, from), (to, there)] {
            if let Some(named) = named {
                let lost = self.applier.lose(pages, name);
                lost.map_err(|error| Stop::at(named.leaf, error))?;
                self.note(name, (named.leaf, KeyRange::default()), None);
            }
        }
        Ok(())
    }

    /// Leaf by leaf; those that cannot be read are closed off.
    fn delete_range(
        &mut self,
        pages: &mut impl WritePages,
        (table, tree): (&str, Tree),
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<(), Stop> {
        let mut from = match bounds.0 {
            Bound::Included(key) | Bound::Excluded(key) => key.to_vec(),
            Bound::Unbounded => Vec::new(),
        };
        loop {
            let reach = tree.reach(pages, &from)?;
            let (page, next) = (reach.page, reach.keys.high.clone());
            if let Some(leaf) = self.enter(pages, (table, reach))? {
                let deleted = delete_within(pages, (tree, leaf), bounds);
                deleted.map_err(|error| Stop::at(leaf, error))?;
            }
            match next {
                Some(next) if next <= from => {
                    let (expected, actual) = ("keys that ascend", "others");
                    let error = StorageError::corruption("data", 0, Some(page), expected, actual);
                    return Err(error.into());
                }
                Some(next) if is_before_end(&next, bounds.1) => from = next,
                _ => return Ok(()),
            }
        }
    }

    fn note(
        &mut self,
        table: &str,
        (page, keys): (PageNo, KeyRange),
        error: Option<&StorageError>,
    ) {
        let what = "not all that the log has for it was replayed";
        let damage = Damage {
            keys: Some(keys),
            ..damage_at(table, page, (what, error))
        };
        let place = (table.to_owned(), page);
        self.losses.left_out.entry(place).or_insert(damage);
    }
}

impl Stop {
    fn at(leaf: PageNo, error: StorageError) -> Self {
        let leaf = matches!(error, StorageError::Corruption(_)).then_some(leaf);
        Self { error, leaf }
    }
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        Self { error, leaf: None }
    }
}

/// Deletes those keys of a leaf that are within `bounds`.
fn delete_within(
    pages: &mut impl WritePages,
    (tree, leaf): (Tree, PageNo),
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
) -> Result<(), StorageError> {
    let mut keys = keys_of_leaf(pages, leaf)?;
    keys.retain(|key| bounds.contains::<[u8]>(key));
    tree.apply(pages, keys.iter().map(|key| (&**key, None)))?;
    Ok(())
}

fn is_before_end(key: &[u8], end: Bound<&[u8]>) -> bool {
    match end {
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
        Bound::Unbounded => true,
    }
}

fn damage_at(table: &str, page: PageNo, (what, error): (&str, Option<&StorageError>)) -> Damage {
    let mut damage = Damage {
        file: "data".to_owned(),
        page: Some(page),
        table: Some(table.to_owned()),
        what: what.to_owned(),
        ..Damage::default()
    };
    if let Some(error) = error {
        damage.what = format!("{what}: {error}");
    }
    if let Some(StorageError::Corruption(place)) = error {
        (damage.file, damage.offset) = (place.file.clone(), place.offset);
    }
    damage
}
