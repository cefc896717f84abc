//! Space: how much each table takes, and giving back what none does.

use std::ops::ControlFlow;

use crate::btree::{Tree, TreeSpace};
use crate::catalog;
use crate::checkpoint;
use crate::compaction::{self, CompactReport};
use crate::error::{CheckpointError, CommitError, ReadError, StorageError};
use crate::page_store::{Group, View};
use crate::transaction::{Reorganized, Session, reorganize};

use super::handle::Database;

/// Leaves that one commit group looks at, if there is room for so many.
const LEAVES: u32 = 64;

/// What one table takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSpace {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Its pages, those of large values among them.
    pub pages: u64,
    /// Bytes of these pages.
    pub page_bytes: u64,
    /// Bytes of them that are in use.
    pub used_bytes: u64,
    /// Bytes of its values.
    pub value_bytes: u64,
}

impl TableSpace {
    /// Which part of its pages' bytes is in use, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a part, to some digits")]
    pub fn fill(&self) -> f64 {
        self.used_bytes as f64 / self.page_bytes.max(1) as f64
    }
}

impl Database {
    /// What each table takes, by name. Reads each table's nodes once, and no large value.
    pub fn space(&self) -> Result<Vec<TableSpace>, ReadError> {
        let store = &self.session().engine.store;
        let view = View::new(store)?;
        let pages_of = |len| store.extent_pages(len).map_or(0, u64::from);
        let mut tables = Vec::new();
        for (table, tree) in catalog::tables(&view)? {
            let space = tree.space(&view, pages_of)?;
            tables.push(table_space(table, &space, store.page_size() as u64));
        }
        Ok(tables)
    }

    /// Gives back the space that nothing uses: joins nodes that deletions left half empty, moves pages from the end of the data
    /// file into gaps, and cuts the files. Runs beside readers and writers, in steps of a few milliseconds; a crash leaves a
    /// sound database, compacted as far as it got.
    ///
    /// What an open snapshot sees is kept until it ends, so its space is not given back.
    pub fn compact(&self) -> Result<CompactReport, CheckpointError> {
        self.compact_while(|_| ControlFlow::Continue(()))
    }

    /// As [`compact`](Self::compact), as long as `go_on`, called after each step, says so.
    pub fn compact_while(
        &self,
        mut go_on: impl FnMut(&CompactReport) -> ControlFlow<()>,
    ) -> Result<CompactReport, CheckpointError> {
        let session = self.session();
        let mut report = CompactReport::default();
        report.data_bytes_before = session.engine.map.stats().data_len;
        report.data_bytes = report.data_bytes_before;
        checkpoint::start_session(&session.engine)?;
        fill_tables(session, &mut report, &mut go_on)?;
        if !report.was_ended {
            compaction::run(&session.engine, &mut report, &mut go_on)?;
        }
        Ok(report)
    }
}

fn table_space(table: String, space: &TreeSpace, page_size: u64) -> TableSpace {
    let pages = space.nodes.saturating_add(space.extent_pages);
    TableSpace {
        table,
        rows: space.entries,
        pages,
        page_bytes: pages.saturating_mul(page_size),
        used_bytes: space.used_bytes.saturating_add(space.extent_bytes),
        value_bytes: space.value_bytes,
    }
}

type GoOn<'a> = dyn FnMut(&CompactReport) -> ControlFlow<()> + 'a;

fn fill_tables(
    session: &Session,
    report: &mut CompactReport,
    go_on: &mut GoOn<'_>,
) -> Result<(), CheckpointError> {
    // A catalog or a table that is damaged stays as it is: `verify` says so.
    let view = View::new(&session.engine.store);
    let Ok(tables) = view.and_then(|view| catalog::tables(&view)) else {
        return Ok(());
    };
    for (name, _) in tables {
        fill_table(session, &name, (report, go_on))?;
        if report.was_ended {
            return Ok(());
        }
    }
    Ok(())
}

fn fill_table(
    session: &Session,
    name: &str,
    (report, go_on): (&mut CompactReport, &mut GoOn<'_>),
) -> Result<(), CheckpointError> {
    let engine = &session.engine;
    let mut leaves = LEAVES;
    let mut key = Some(Vec::new());
    while let Some(from) = key {
        let again = from.clone();
        if engine.counters.dirty_bytes() > engine.options.limits.dirty_share() / 2 {
            checkpoint::run(engine)?;
        }
        let filled = reorganize(engine, |group| match catalog::find(group, name)? {
            Some(tree) => fill_leaves(group, tree, (from, leaves)),
            None => Ok(Reorganized::Unchanged((None, 0))),
        });
        let filled = match filled {
            Ok((next, filled)) => {
                key = next;
                filled
            }
            Err(CommitError::Full(_)) => {
                // With nothing dirty there is no more room than now. What cannot be filled can be moved.
                if engine.counters.dirty_bytes() == 0 {
                    leaves /= 4;
                }
                if leaves == 0 {
                    return Ok(());
                }
                checkpoint::run(engine)?;
                key = Some(again);
                continue;
            }
            Err(CommitError::ReadOnly) => return Err(CheckpointError::ReadOnly),
            Err(CommitError::Poisoned(cause)) => return Err(CheckpointError::Poisoned(cause)),
            Err(_) => return Ok(()),
        };
        report.nodes_filled += filled;
        if filled > 0 && go_on(report).is_break() {
            report.was_ended = true;
            return Ok(());
        }
    }
    Ok(())
}

/// The key to go on with, and the nodes that were filled.
type Filled = (Option<Vec<u8>>, u64);

fn fill_leaves(
    group: &mut Group<'_>,
    tree: Tree,
    (from, leaves): (Vec<u8>, u32),
) -> Result<Reorganized<Filled>, StorageError> {
    let mut key = from;
    let mut filled = 0;
    for _ in 0..leaves {
        let step = tree.tighten(group, &key)?;
        filled += u64::from(step.changed);
        match step.next {
            Some(next) => key = next,
            None if filled == 0 => return Ok(Reorganized::Unchanged((None, 0))),
            None => return Ok(Reorganized::Changed((None, filled))),
        }
    }
    let result = (Some(key), filled);
    Ok(if filled == 0 {
        Reorganized::Unchanged(result)
    } else {
        Reorganized::Changed(result)
    })
}
