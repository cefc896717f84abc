//! Reading and checking a whole database, while it is in use.
//!
//! First the files as the last checkpoint left them: every mapped page, compared with the map; the map with its
//! checksums; the superblock copies with each other; the log that recovery would read. Then the trees as a snapshot
//! sees them: every page and extent reached once, none lost; what was found damaged on disk is given its table and
//! keys there. It goes on behind damage. Nothing is held in memory but one bit a page, one page, and what is
//! wrong; a checkpoint waits for moments only.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::btree::{PageSet, Reached, Tree};
use crate::catalog;
use crate::engine::Engine;
use crate::error::{ReadError, StorageError};
use crate::ids::{LogPosition, Lsn, PageNo};
use crate::page_store::{FreePages, View};
use crate::recovery_report::Damage;
use crate::wal::verify_log;

/// What a verification looked at, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Tables walked.
    pub tables: u64,
    /// Pages in use, pieces of extents included.
    pub pages: u64,
    /// Pages read from the data file and compared with the map.
    pub pages_read: u64,
    /// Log read, in bytes of frames.
    pub log_bytes: u64,
    /// Every place that is wrong.
    pub damage: Vec<Damage>,
    /// The same, a line each.
    pub problems: Vec<String>,
    /// Whether it was ended before its end, by its caller.
    pub is_cut_short: bool,
}

impl VerifyReport {
    /// Whether nothing is wrong, of what was looked at.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn note(&mut self, damage: Damage) {
        self.problems.push(damage.to_string());
        self.damage.push(damage);
    }
}

/// What a verification looks at, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VerifyPhase {
    /// Pages in the data file.
    Data,
    /// The map's pages and the superblock copies.
    Map,
    /// The log.
    Log,
    /// The tables' trees.
    Tables,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// What it looks at.
    pub phase: VerifyPhase,
    /// Pages looked at in this phase; bytes, for the log.
    pub done: u64,
    /// How many there are, as far as that is known.
    pub total: u64,
    /// Places found wrong so far.
    pub problems: u64,
}

/// Pages between two reports of progress.
const STEP: u64 = 64;

/// What was allocated when the snapshot was taken.
struct Allocation {
    end: PageNo,
    free: FreePages,
    waiting: PageSet,
}

/// A verification under way.
struct Run<'a> {
    engine: &'a Engine,
    report: VerifyReport,
    /// Damaged pages of the data file.
    at_rest: BTreeMap<PageNo, Damage>,
    progress: &'a mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
}

/// Why a verification ends early.
enum Stop {
    Caller,
    Failure(ReadError),
}

impl<E: Into<ReadError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

pub(super) fn run(
    engine: &Engine,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<VerifyReport, ReadError> {
    let mut run = Run {
        engine,
        report: VerifyReport::default(),
        at_rest: BTreeMap::new(),
        progress,
    };
    let stopped = match run.files().and_then(|()| run.tables()) {
        Ok(()) => false,
        Err(Stop::Caller) => true,
        Err(Stop::Failure(error)) => return Err(error),
    };
    for damage in std::mem::take(&mut run.at_rest).into_values() {
        run.report.note(damage);
    }
    run.report.is_cut_short = stopped;
    Ok(run.report)
}

/// What damage costs that opening met and could not repair.
pub(super) fn tables_damaged(engine: &Engine) -> Result<Vec<Damage>, ReadError> {
    let mut run = Run {
        engine,
        report: VerifyReport::default(),
        at_rest: BTreeMap::new(),
        progress: &mut |_| ControlFlow::Continue(()),
    };
    match run.tables() {
        Ok(()) | Err(Stop::Caller) => Ok(run.report.damage),
        Err(Stop::Failure(error)) => Err(error),
    }
}

impl Run<'_> {
    fn tell(&mut self, phase: VerifyPhase, done: u64, total: u64) -> Result<(), Stop> {
        let problems = self.report.damage.len().saturating_add(self.at_rest.len()) as u64;
        let progress = VerifyProgress {
            phase,
            done,
            total,
            problems,
        };
        match (self.progress)(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::Caller),
        }
    }

    fn files(&mut self) -> Result<(), Stop> {
        self.data()?;
        self.map()?;
        self.log()
    }

    fn data(&mut self) -> Result<(), Stop> {
        let map = &self.engine.map;
        let mut page = vec![0; self.engine.store.page_size()];
        for no in (1..map.page_count()).map(PageNo) {
            match map.page_at_rest(no, &mut page) {
                Ok(is_mapped) => self.report.pages_read += u64::from(is_mapped),
                Err(damage) => {
                    self.report.pages_read += 1;
                    self.at_rest.insert(no, *damage);
                }
            }
            let done = u64::from(no.get());
            if done.is_multiple_of(STEP) {
                self.tell(VerifyPhase::Data, done, map.page_count().into())?;
            }
        }
        let count = u64::from(map.page_count());
        self.tell(VerifyPhase::Data, count, count)
    }

    fn map(&mut self) -> Result<(), Stop> {
        let (mut after, mut done) = (None, 0_u64);
        loop {
            let next = {
                let _map_stays = self.engine.checkpointing();
                let report = &mut self.report;
                let part = self
                    .engine
                    .map
                    .verify_part(after, &mut |damage| report.note(damage));
                part?
            };
            let total = self.engine.map.map_page_count();
            if next.is_none() {
                return self.tell(VerifyPhase::Map, total, total);
            }
            after = next;
            done = done.saturating_add(STEP).min(total);
            self.tell(VerifyPhase::Map, done, total)?;
        }
    }

    /// Reads the log beside its writer. What looks like damage may be a segment that was recycled meanwhile: then once
    /// more, while no checkpoint can do that.
    fn log(&mut self) -> Result<(), Stop> {
        let mut found = Vec::new();
        let mut bytes = self.read_log(&mut found);
        if bytes.is_err() || !found.is_empty() {
            found.clear();
            let _log_stays = self.engine.checkpointing();
            bytes = self.read_log(&mut found);
        }
        found.extend(bytes.as_ref().err().cloned());
        for error in found {
            let damage = self.located(None, &error);
            self.report.note(damage);
        }
        self.report.log_bytes = bytes.unwrap_or(0);
        self.tell(
            VerifyPhase::Log,
            self.report.log_bytes,
            self.report.log_bytes,
        )
    }

    fn read_log(&self, found: &mut Vec<StorageError>) -> Result<u64, StorageError> {
        let span: Option<(LogPosition, Lsn)> = {
            let writer = self.engine.writer();
            let end = self.engine.log_to_verify(&writer);
            end.map(|end| (self.engine.map.superblock().log_start, end))
        };
        let Some(span) = span else { return Ok(0) };
        let config = self.engine.wal_config();
        verify_log(self.engine.disk.as_ref(), &config, span, &mut |error| {
            found.push(error);
        })
    }

    fn tables(&mut self) -> Result<(), Stop> {
        let (view, allocation) = snapshot(self.engine)?;
        let mut walk = Walk {
            reached: PageSet::default(),
            is_whole: true,
            stop: None,
            total: allocation.end.get().into(),
        };
        self.tree(&view, ("", catalog::catalog()), &mut walk)?;
        match catalog::tables(&view) {
            Ok(tables) => {
                for (name, tree) in tables {
                    self.report.tables += 1;
                    self.tree(&view, (&name, tree), &mut walk)?;
                }
            }
            Err(error @ StorageError::SnapshotTooOld(_)) => return Err(error.into()),
            // The catalog's own walk has said so.
            Err(_) => walk.is_whole = false,
        }
        self.report.pages = walk.reached.len();
        compare(&allocation, &walk, &mut self.report);
        self.tell(VerifyPhase::Tables, walk.total, walk.total)
    }

    fn tree(
        &mut self,
        view: &View,
        (name, tree): (&str, Tree),
        walk: &mut Walk,
    ) -> Result<(), Stop> {
        let mut twice = Vec::new();
        let store = &self.engine.store;
        let mut blamed = PageSet::default();
        let problems = tree.check_with(view, |found| {
            let (first, count) = match found {
                Reached::Page(no) => (no, 1),
                Reached::Extent { first, len } => (first, store.extent_pages(len).unwrap_or(1)),
            };
            let end = first.get().saturating_add(count);
            let pages = (first.get()..end).map(PageNo);
            twice.extend(pages.filter(|page| !walk.reached.insert(*page)));
            let seen = walk.reached.len();
            if seen.is_multiple_of(STEP) && walk.stop.is_none() {
                walk.stop = self.tell(VerifyPhase::Tables, seen, walk.total).err();
            }
            let (no, damage) = self.at_rest.range(first..PageNo(end)).next()?;
            blamed.insert(*no);
            Some(as_error(damage))
        });
        for problem in problems {
            // What the snapshot saw may be gone: that says nothing of the tree.
            if matches!(problem.error, StorageError::SnapshotTooOld(_)) {
                return Err(Stop::Failure(problem.error.into()));
            }
            walk.is_whole = false;
            let mut damage = self.located(Some(problem.page), &problem.error);
            damage.table = Some(name.to_owned());
            damage.keys = problem.keys;
            self.report.note(damage);
        }
        for page in blamed.iter() {
            self.at_rest.remove(&page);
        }
        for page in twice {
            let what = format!("page {page} is used twice");
            self.report.note(structure(page, Some(name), what));
        }
        walk.stop.take().map_or(Ok(()), Err)
    }

    /// A damage in file and offset. A tree knows pages only.
    fn located(&self, page: Option<PageNo>, error: &StorageError) -> Damage {
        let StorageError::Corruption(c) = error else {
            return Damage {
                file: "data".to_owned(),
                page,
                what: error.to_string(),
                ..Damage::default()
            };
        };
        let page = c.page.or(page);
        let known = page.filter(|_| c.offset == 0 && c.file == "data");
        let offset = known.and_then(|page| self.engine.map.offset_of(page));
        Damage {
            file: c.file.clone(),
            offset: offset.unwrap_or(c.offset),
            page,
            what: format!("expected {}, found {}", c.expected, c.actual),
            ..Damage::default()
        }
    }
}

/// What the trees reach.
struct Walk {
    reached: PageSet,
    /// Whether no page was met that could not be read: else much may seem lost.
    is_whole: bool,
    stop: Option<Stop>,
    total: u64,
}

fn snapshot(engine: &Engine) -> Result<(View, Allocation), ReadError> {
    let writer = engine.writer();
    let pages = &writer.pages;
    let mut waiting = PageSet::default();
    for page in pages.waiting() {
        waiting.insert(page);
    }
    let allocation = Allocation {
        end: pages.page_end(),
        free: pages.free_pages().clone(),
        waiting,
    };
    Ok((View::new(&engine.store)?, allocation))
}

fn as_error(damage: &Damage) -> StorageError {
    let found = damage.what.split_once(", found ");
    let (expected, actual) = found.unwrap_or(("", &damage.what));
    let expected = expected.strip_prefix("expected ").unwrap_or(expected);
    StorageError::corruption(&damage.file, damage.offset, damage.page, expected, actual)
}

fn structure(page: PageNo, table: Option<&str>, what: String) -> Damage {
    Damage {
        file: "data".to_owned(),
        page: Some(page),
        table: table.map(str::to_owned),
        what,
        ..Damage::default()
    }
}

fn compare(allocation: &Allocation, walk: &Walk, report: &mut VerifyReport) {
    for page in walk.reached.iter() {
        if page >= allocation.end || allocation.free.contains(page) {
            let what = format!("page {page} is used, and free to be given out again");
            report.note(structure(page, None, what));
        }
    }
    if !walk.is_whole {
        return;
    }
    for page in (1..allocation.end.get()).map(PageNo) {
        let is_lost = !walk.reached.contains(page)
            && !allocation.free.contains(page)
            && !allocation.waiting.contains(page);
        if is_lost {
            let what = format!("page {page} is allocated, and no table reaches it");
            report.note(structure(page, None, what));
        }
    }
}
