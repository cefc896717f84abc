//! Online compaction: pages from the tail of `data` go to free slots further down, then the file is cut.
//!
//! Each step is a checkpoint that, besides what is dirty, rewrites a bounded number of pages as they are: same image, same
//! version. So a crash at any point leaves one checkpoint or the next, readers and writers go on, and pinned slots stay.
//! A page that cannot be read stays where it is. It knows nothing of trees.

use std::ops::ControlFlow;

use crate::checkpoint::{self, More};
use crate::engine::Engine;
use crate::error::CheckpointError;
use crate::map::{Checkpoint, Moved};

/// Bytes of pages that one step moves.
const STEP_BYTES: usize = 4 << 20;
/// Writers may free and take slots all the while: so often the tail is looked at anew.
const PASSES_MAX: u32 = 8;

/// What a compaction has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Pages moved towards the start of the data file.
    pub pages_moved: u64,
    /// Nodes of tables that were joined with a neighbour or filled up from it.
    pub nodes_filled: u64,
    /// Checkpoints that it took.
    pub steps: u64,
    /// Length of the data file before, in bytes.
    pub data_bytes_before: u64,
    /// Its length now.
    pub data_bytes: u64,
    /// Whether the caller ended it before it was done.
    pub was_ended: bool,
}

/// Moves pages and cuts the files, as long as `go_on` says so after each step. What was done stays done.
pub fn run(
    engine: &Engine,
    report: &mut CompactReport,
    go_on: &mut dyn FnMut(&CompactReport) -> ControlFlow<()>,
) -> Result<(), CheckpointError> {
    checkpoint::run(engine)?;
    for _ in 0..PASSES_MAX {
        let before = report.pages_moved;
        pass(engine, report, go_on)?;
        if report.was_ended || report.pages_moved == before {
            break;
        }
    }
    if !report.was_ended && engine.map.has_spare_map_pages() {
        let mut lower = |checkpoint: &mut Checkpoint<'_>| {
            checkpoint.lower_ends();
            Ok(())
        };
        let more = More {
            moves: 0,
            write: &mut lower,
        };
        checkpoint::run_with(engine, more)?;
        report.steps += 1;
    }
    failpoint!("compaction.give-back.before");
    checkpoint::give_back(engine, 1);
    failpoint!("compaction.give-back.after");
    // If it fails the next opening does what is left to do.
    drop(checkpoint::close_buffer(engine));
    report.data_bytes = engine.map.stats().data_len;
    Ok(())
}

/// Moves what is in the tail now.
fn pass(
    engine: &Engine,
    report: &mut CompactReport,
    go_on: &mut dyn FnMut(&CompactReport) -> ControlFlow<()>,
) -> Result<(), CheckpointError> {
    let mut tail = engine.map.tail_pages();
    let count = (STEP_BYTES / engine.store.page_size().max(1)).max(1);
    while !tail.is_empty() {
        let mut moved = 0;
        let mut has_room = true;
        let write = &mut |checkpoint: &mut Checkpoint<'_>| {
            while moved < count
                && has_room
                && let Some((slot, page)) = tail.pop()
            {
                match checkpoint.move_down(page, slot)? {
                    Moved::Yes => moved += 1,
                    Moved::NoRoom => has_room = false,
                    Moved::Enough => {
                        // A later step may move it.
                        tail.push((slot, page));
                        break;
                    }
                    Moved::Skipped => {}
                }
            }
            Ok(())
        };
        let more = More {
            moves: count as u64,
            write,
        };
        failpoint!("compaction.step.before");
        checkpoint::run_with(engine, more)?;
        report.steps += 1;
        failpoint!("compaction.step.after");
        report.pages_moved += moved as u64;
        report.data_bytes = engine.map.stats().data_len;
        if go_on(report).is_break() {
            report.was_ended = true;
            return Ok(());
        }
        if !has_room || moved == 0 {
            return Ok(());
        }
    }
    Ok(())
}
