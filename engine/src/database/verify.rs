//! Reading and checking a whole database, while it is in use.
//!
//! Two halves: the trees as a snapshot sees them (every page and extent reached once, none lost), and the
//! files as the last checkpoint left them (every mapped page read and compared with the map, the map with
//! its checksums, the superblock copies with each other).

use std::collections::BTreeSet;

use crate::btree::{Reached, Tree};
use crate::catalog;
use crate::error::ReadError;
use crate::ids::PageNo;
use crate::page_store::{FreePages, View};
use crate::transaction::Session;

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
    /// What is wrong, a line each: the table or file, the place, expected and found.
    pub problems: Vec<String>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What was allocated when the snapshot was taken.
struct Allocation {
    end: PageNo,
    free: FreePages,
    waiting: BTreeSet<PageNo>,
}

pub(super) fn run(session: &Session) -> Result<VerifyReport, ReadError> {
    let engine = &session.engine;
    let (view, allocation) = {
        let writer = engine.writer();
        let pages = &writer.pages;
        let (end, free) = (pages.page_end(), pages.free_pages().clone());
        let allocation = Allocation {
            end,
            free,
            waiting: pages.waiting().collect(),
        };
        (View::new(&engine.store)?, allocation)
    };
    let mut report = VerifyReport::default();
    let reached = walk(session, &view, &mut report);
    compare(&allocation, &reached, &mut report);
    drop(view);
    let _map_stays = engine.checkpointing();
    report.problems.extend(engine.map.verify()?);
    let mut page = vec![0; engine.store.page_size()];
    for no in (1..engine.map.page_count()).map(PageNo) {
        if engine.map.lookup(no).is_some() {
            report.pages_read += 1;
            if let Err(error) = engine.map.read_page(no, &mut page) {
                report.problems.push(error.to_string());
            }
        }
    }
    Ok(report)
}

fn walk(session: &Session, view: &View, report: &mut VerifyReport) -> BTreeSet<PageNo> {
    let mut reached = BTreeSet::new();
    check_tree(
        session,
        view,
        ("the catalog", catalog::catalog()),
        &mut reached,
        report,
    );
    match catalog::tables(view) {
        Ok(tables) => {
            for (name, tree) in tables {
                report.tables += 1;
                check_tree(
                    session,
                    view,
                    (&format!("table {name:?}"), tree),
                    &mut reached,
                    report,
                );
            }
        }
        Err(error) => report.problems.push(format!("the catalog: {error}")),
    }
    report.pages = reached.len() as u64;
    reached
}

fn check_tree(
    session: &Session,
    view: &View,
    (name, tree): (&str, Tree),
    reached: &mut BTreeSet<PageNo>,
    report: &mut VerifyReport,
) {
    let mut twice = Vec::new();
    let problems = tree.check(view, |found| {
        let (first, count) = match found {
            Reached::Page(no) => (no, 1),
            Reached::Extent { first, len } => {
                (first, session.engine.store.extent_pages(len).unwrap_or(1))
            }
        };
        let pages = (first.get()..first.get().saturating_add(count)).map(PageNo);
        twice.extend(pages.filter(|page| !reached.insert(*page)));
    });
    for problem in problems {
        report
            .problems
            .push(format!("{name}: page {}: {}", problem.page, problem.error));
    }
    for page in twice {
        report
            .problems
            .push(format!("{name}: page {page} is used twice"));
    }
}

fn compare(allocation: &Allocation, reached: &BTreeSet<PageNo>, report: &mut VerifyReport) {
    for page in reached {
        if *page >= allocation.end || allocation.free.contains(*page) {
            report.problems.push(format!(
                "page {page} is used, and free to be given out again"
            ));
        }
    }
    for page in (1..allocation.end.get()).map(PageNo) {
        let lost = !reached.contains(&page)
            && !allocation.free.contains(page)
            && !allocation.waiting.contains(&page);
        if lost {
            report
                .problems
                .push(format!("page {page} is allocated, and no table reaches it"));
        }
    }
}
