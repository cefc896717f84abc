//! The trees: those that the catalog names, and those that nothing names any more.

use std::cell::RefCell;

use crate::btree::{Harvest, Key, Loss, PageSet, harvest};
use crate::disk_format::expect_overflow;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{NothingHeld, ReadPages};
use crate::recovery_report::Damage;

use super::output::{Output, Trust};
use super::pages::Pages;
use super::report::SalvageError;

/// The catalog's root.
const CATALOG: PageNo = PageNo(1);

/// Trees, and what was met while walking them.
#[derive(Debug, Default)]
pub(super) struct Trees {
    /// Name and root page.
    tables: Vec<(String, PageNo)>,
    /// Everything that a tree reaches.
    pub(super) reached: PageSet,
    /// Whether something is lost that other nodes hang on.
    has_orphans: bool,
    pub(super) lost: Vec<Damage>,
}

/// First and last key of a subtree.
type Span = (Key, Key);

/// A table of orphans: its name, their level, and their spans.
type Gathered = (String, u8, Vec<Span>);

/// Finds the trees and everything that they reach; takes no row.
pub(super) fn survey(pages: &Pages) -> Trees {
    let mut trees = Trees::default();
    if pages.addresses.is_of_nothing() {
        return trees;
    }
    let mut tables = Vec::new();
    let mut note = |key: &[u8], value: &[u8]| {
        if let Ok(root) = <[u8; 4]>::try_from(value) {
            let root = PageNo(u32::from_le_bytes(root));
            tables.push((String::from_utf8_lossy(key).into_owned(), root));
        }
    };
    trees.walk(pages, CATALOG, &mut note);
    for (_, root) in &tables {
        trees.walk(pages, *root, &mut |_, _| {});
    }
    trees.tables = tables;
    trees
}

impl Trees {
    fn walk(&mut self, pages: &Pages, root: PageNo, entry: &mut dyn FnMut(&[u8], &[u8])) {
        let mut nodes = std::mem::take(&mut self.reached);
        let mut has_orphans = false;
        let recorder = Recorder::new(pages);
        let walked: Result<(), std::convert::Infallible> =
            harvest(&recorder, (root, None), &mut nodes, &mut |found| {
                match found {
                    Harvest::Entry(key, value) => entry(&key, &value),
                    // A leaf has nothing below it.
                    Harvest::Lost(loss) => has_orphans |= loss.level != Some(0),
                    Harvest::Enter(_) | Harvest::Leave(_) => {}
                }
                Ok(())
            });
        match walked {
            Ok(()) => {}
        }
        self.has_orphans |= has_orphans;
        self.reached = nodes;
        for page in recorder.extents.borrow().iter() {
            self.reached.insert(page);
        }
    }

    /// Takes the rows of all trees.
    pub(super) fn take_rows(
        &mut self,
        pages: &Pages,
        output: &mut Output,
    ) -> Result<(), SalvageError> {
        for (name, _) in &self.tables {
            output.note_name(name);
        }
        if pages.addresses.is_of_nothing() {
            return Ok(());
        }
        let mut seen = PageSet::default();
        // The catalog's own losses; its rows are the tables.
        self.take_tree(pages, (CATALOG, ""), &mut seen, None)?;
        for (name, root) in self.tables.clone() {
            if !pages.addresses.has_uncertain() {
                output.make((&name, Trust::Certain))?;
            }
            self.take_tree(pages, (root, &name), &mut seen, Some(output))?;
        }
        if self.has_orphans {
            self.take_orphans(pages, &mut seen, output)?;
        }
        Ok(())
    }

    fn take_tree(
        &mut self,
        pages: &Pages,
        (root, name): (PageNo, &str),
        seen: &mut PageSet,
        mut output: Option<&mut Output>,
    ) -> Result<(), SalvageError> {
        let mut uncertain_above = 0_usize;
        pages.take_uncertain_extent();
        let losses = &mut self.lost;
        harvest(pages, (root, None), seen, &mut |found| {
            match found {
                Harvest::Enter(no) if pages.addresses.is_uncertain(no) => uncertain_above += 1,
                Harvest::Leave(no) if pages.addresses.is_uncertain(no) => {
                    uncertain_above = uncertain_above.saturating_sub(1);
                }
                Harvest::Enter(_) | Harvest::Leave(_) => {}
                Harvest::Entry(key, value) => {
                    let is_uncertain = pages.take_uncertain_extent() || uncertain_above > 0;
                    let trust = if is_uncertain {
                        Trust::Uncertain
                    } else {
                        Trust::Certain
                    };
                    if let Some(output) = &mut output {
                        output.put((name, trust), &key, &value)?;
                    }
                }
                Harvest::Lost(loss) => losses.push(damage(pages, name, loss)),
            }
            Ok(())
        })
    }

    /// Nodes that no tree reaches, the highest first: what hung on a lost node. Which table they were of is not known;
    /// those whose keys lie apart may be of one, and go together.
    fn take_orphans(
        &mut self,
        pages: &Pages,
        seen: &mut PageSet,
        output: &mut Output,
    ) -> Result<(), SalvageError> {
        let mut found: Vec<Gathered> = Vec::new();
        for (level, no) in self.orphans(pages, seen) {
            if seen.contains(no) {
                continue;
            }
            let Some((first, last)) = span(pages, no, seen) else {
                // An empty node, or one of which nothing can be read: noted where it is taken.
                self.take_tree(pages, (no, "lost"), seen, None)?;
                continue;
            };
            let fits = |spans: &[Span]| {
                let is_apart = |(low, high): &Span| **high < *first || *last < **low;
                spans.iter().all(is_apart)
            };
            let place = found
                .iter()
                .position(|(_, of, spans)| *of == level && fits(spans));
            let place = place.unwrap_or_else(|| {
                found.push((output.fresh_name(), level, Vec::new()));
                found.len() - 1
            });
            if let Some((name, _, spans)) = found.get_mut(place) {
                spans.push((first, last));
                let name = name.clone();
                self.take_tree(pages, (no, &name), seen, Some(output))?;
            }
        }
        Ok(())
    }

    fn orphans(&self, pages: &Pages, seen: &PageSet) -> Vec<(u8, PageNo)> {
        let unreached = pages
            .addresses
            .pages()
            .filter(|no| !seen.contains(*no) && !self.reached.contains(*no));
        let mut orphans: Vec<(u8, PageNo)> = unreached
            .filter_map(|no| {
                let image = pages.page(no).ok()?;
                let is_node = expect_overflow(&image).is_err();
                is_node.then(|| (image.get(12).copied().unwrap_or(0), no))
            })
            .collect();
        orphans.sort_by_key(|(level, no)| (std::cmp::Reverse(*level), *no));
        orphans
    }
}

/// The first and last key that can be read under a node.
fn span(pages: &Pages, no: PageNo, seen: &PageSet) -> Option<Span> {
    let mut seen = seen.clone();
    let (mut first, mut last) = (None, None);
    let walked: Result<(), std::convert::Infallible> =
        harvest(pages, (no, None), &mut seen, &mut |found| {
            if let Harvest::Entry(key, _) = found {
                first.get_or_insert_with(|| key.clone());
                last = Some(key);
            }
            Ok(())
        });
    match walked {
        Ok(()) => first.zip(last),
    }
}

fn damage(pages: &Pages, table: &str, loss: Loss) -> Damage {
    let Loss {
        page, keys, error, ..
    } = loss;
    let StorageError::Corruption(place) = error else {
        return Damage {
            file: "data".to_owned(),
            page: Some(page),
            table: Some(table.to_owned()),
            keys: Some(keys),
            what: error.to_string(),
            ..Damage::default()
        };
    };
    let no = place.page.unwrap_or(page);
    let offset = if place.offset == 0 {
        pages.offset_of(no)
    } else {
        place.offset
    };
    Damage {
        offset,
        page: Some(no),
        table: Some(table.to_owned()),
        keys: Some(keys),
        what: format!("expected {}, found {}", place.expected, place.actual),
        file: place.file,
    }
}

/// Pages that note which extents were read.
struct Recorder<'a> {
    pages: &'a Pages,
    extents: RefCell<PageSet>,
}

impl<'a> Recorder<'a> {
    fn new(pages: &'a Pages) -> Self {
        Self {
            pages,
            extents: RefCell::default(),
        }
    }
}

impl ReadPages for Recorder<'_> {
    type Held<'h>
        = NothingHeld
    where
        Self: 'h;

    fn hold(&self) -> NothingHeld {
        NothingHeld
    }

    fn page(&self, no: PageNo) -> Result<crate::pages::PageImage, StorageError> {
        self.pages.page(no)
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<crate::pages::ExtentImage, StorageError> {
        let extent = self.pages.extent(first, len)?;
        let count = self.pages.extent_pages(len).unwrap_or(0);
        let end = first.get().saturating_add(count);
        let mut extents = self.extents.borrow_mut();
        for page in (first.get()..end).map(PageNo) {
            extents.insert(page);
        }
        Ok(extent)
    }
}
