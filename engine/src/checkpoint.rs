//! A checkpoint: what was dirty at a commit boundary goes to free slots, then the map switches.
//!
//! See docs/design/map.md, "Checkpoint". Writers and readers go on meanwhile; they wait only while the
//! dirty set is taken and while the log is synced.

use std::sync::atomic::Ordering::Relaxed;

use tracing::{field, info_span, warn};

use crate::archive::Archiver;
use crate::disk_format::{PAGE_HEADER_LEN, mark_overflow};
use crate::engine::{Engine, SessionLog, Writer};
use crate::error::{CheckpointError, StorageError};
use crate::ids::{LogPosition, Lsn, PageNo, Version};
use crate::image::Image;
use crate::log_ahead;
use crate::map::Checkpoint;
use crate::page_store::{DirtyPage, DirtySet};
use crate::sync::{let_others_in, now};
use crate::telemetry;
use crate::wal::{Surplus, Wal};

/// Runs a checkpoint of everything committed so far. Does nothing if there is nothing to write.
pub fn run(engine: &Engine) -> Result<(), CheckpointError> {
    let _one_at_a_time = engine.checkpointing();
    refuse_if_poisoned(engine)?;
    let due = {
        let writer = engine.writer();
        match writer.log {
            SessionLog::ReadOnly => return Err(CheckpointError::ReadOnly),
            SessionLog::Idle(_) | SessionLog::Headed(_) => !writer.pages.dirty_is_empty(),
            SessionLog::Replaying(_) => true,
            SessionLog::Open(_) => writer.log.bytes_live() > 0 || !writer.pages.dirty_is_empty(),
        }
    };
    if !due {
        return Ok(());
    }
    head_log(engine)?;
    write(engine, None)
}

/// What a checkpoint writes besides the dirty set.
pub struct More<'a> {
    /// At most so many pages are moved.
    pub moves: u64,
    /// Moves them.
    pub write: &'a mut dyn FnMut(&mut Checkpoint<'_>) -> Result<(), StorageError>,
}

/// Runs a checkpoint even if nothing is dirty; `more` adds to it.
pub fn run_with(engine: &Engine, more: More<'_>) -> Result<(), CheckpointError> {
    let _one_at_a_time = engine.checkpointing();
    refuse_if_poisoned(engine)?;
    head_log(engine)?;
    write(engine, Some(more))
}

/// Gives back what `data` and `map` have free at their ends, and what the log has free but for `segments`.
pub fn give_back(engine: &Engine, segments: usize) {
    let _one_at_a_time = engine.checkpointing();
    let surplus = {
        let writer: &mut Writer = &mut engine.writer();
        writer.pages.end_grant();
        writer.pages.give_back_tail();
        let need = writer.pages.need();
        engine.map.cut(need.slots);
        engine.map.cut_map(need.page_end);
        match &mut writer.log {
            SessionLog::Open(wal) => wal.shrink(segments),
            _ => None,
        }
    };
    remove_segments(engine, surplus);
}

/// Removes segments that the log has given up, while nobody waits for that.
fn remove_segments(engine: &Engine, surplus: Option<Surplus>) {
    if let Some(left) = surplus.and_then(Surplus::remove)
        && let SessionLog::Open(wal) = &mut engine.writer().log
    {
        wal.take_back(left);
    }
}

/// Says that the double-write buffer is not needed, and gives back what it has more than it needs.
pub fn close_buffer(engine: &Engine) -> Result<(), StorageError> {
    let _one_at_a_time = engine.checkpointing();
    let writer: &mut Writer = &mut engine.writer();
    writer.pages.end_grant();
    engine.map.close_for(&writer.pages.need())
}

/// Runs a last checkpoint, and leaves nothing for the next opening to write.
pub fn close(engine: &Engine) -> Result<(), CheckpointError> {
    run(engine)?;
    failpoint!("close.checkpointed");
    // Everything is durable. If this fails the next opening makes the files whole once more, as after a crash.
    drop(close_buffer(engine));
    if engine.archive().is_some() {
        archive_log(engine)?;
    }
    Ok(())
}

/// Copies to the archive what is committed and not there yet. Returns the position up to which it has the log.
pub fn archive_log(engine: &Engine) -> Result<Lsn, CheckpointError> {
    let _one_at_a_time = engine.checkpointing();
    refuse_if_poisoned(engine)?;
    let to = durable_end(engine)?;
    archive_through(engine, to).map_err(CheckpointError::Archive)?;
    let surplus = {
        let mut writer = engine.writer();
        let surplus = match &mut writer.log {
            // The log starts where it did: only what was kept for the archive is freed.
            SessionLog::Open(wal) => wal.recycle(Lsn(0), Some(to.lsn)),
            _ => None,
        };
        engine.note_gauges(&writer);
        surplus
    };
    remove_segments(engine, surplus);
    Ok(to.lsn)
}

/// Where the log ends, synced up to there.
fn durable_end(engine: &Engine) -> Result<LogPosition, CheckpointError> {
    let mut writer = engine.writer();
    match &mut writer.log {
        SessionLog::Open(wal) => {
            let synced = wal.sync();
            synced.map_err(|error| CheckpointError::Poisoned(engine.poison(error)))?;
            Ok(wal.end())
        }
        SessionLog::Headed(wal) => Ok(wal.end()),
        SessionLog::Idle(end) => Ok(end.position),
        SessionLog::ReadOnly | SessionLog::Replaying(_) => Err(CheckpointError::ReadOnly),
    }
}

/// The caller holds the checkpoint's lock, and the log is durable up to `to`.
fn archive_through(engine: &Engine, to: LogPosition) -> Result<(), StorageError> {
    let mut archive = engine.archive();
    let Some(archiver) = archive.as_mut() else {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(StorageError::io("use", "the archive", error));
    };
    archiver.copy(&*engine.disk, &engine.wal_config(), to)
}

/// Archives what a completed checkpoint frees. Returns from where on the log must be kept: a failure loses nothing, and is tried
/// again at the next checkpoint.
fn archive_before_recycling(engine: &Engine, start: LogPosition) -> Option<Lsn> {
    engine.archive().as_ref()?;
    if let Err(error) = archive_through(engine, start) {
        warn!(%error, "the log was not archived, and is kept");
    }
    engine.archive().as_ref().map(Archiver::needs)
}

/// Makes the log ready for this session's first commit, if it is not (log.md, L4).
pub fn start_session(engine: &Engine) -> Result<(), CheckpointError> {
    if engine.session_is_open() {
        return Ok(());
    }
    let _one_at_a_time = engine.checkpointing();
    refuse_if_poisoned(engine)?;
    if engine.session_is_open() {
        return Ok(());
    }
    head_log(engine)?;
    write(engine, None)
}

fn refuse_if_poisoned(engine: &Engine) -> Result<(), CheckpointError> {
    engine
        .poisoned()
        .map_or(Ok(()), |cause| Err(CheckpointError::Poisoned(cause)))
}

/// Heads this session's first segment. No superblock names it yet.
fn head_log(engine: &Engine) -> Result<(), CheckpointError> {
    let mut writer = engine.writer();
    match &writer.log {
        SessionLog::ReadOnly => return Err(CheckpointError::ReadOnly),
        SessionLog::Replaying(_) | SessionLog::Headed(_) | SessionLog::Open(_) => {}
        SessionLog::Idle(end) => {
            let disk = std::sync::Arc::clone(&engine.disk);
            let wal = Wal::start_session(disk, engine.wal_config(), end.clone());
            writer.log = SessionLog::Headed(wal.map_err(|error| fail(engine, error))?);
        }
    }
    Ok(())
}

/// As `write_dirty`, and says so.
fn write(engine: &Engine, more: Option<More<'_>>) -> Result<(), CheckpointError> {
    let span = info_span!("checkpoint", bytes = field::Empty).entered();
    let began = now();
    match write_dirty(engine, more) {
        Ok(bytes) => {
            span.record("bytes", bytes);
            telemetry::checkpoint(began.until(now()), bytes);
            Ok(())
        }
        Err(error) => {
            telemetry::checkpoint_failed();
            warn!(%error, "not completed");
            Err(error)
        }
    }
}

/// Writes the dirty set and switches the map. The caller holds the checkpoint's lock. Returns how many bytes it was.
fn write_dirty(engine: &Engine, more: Option<More<'_>>) -> Result<u64, CheckpointError> {
    let (dirty, version, start, bytes) = {
        let mut writer = engine.writer_in_turn();
        // Whoever held the lock before may have failed, or panicked half-way.
        refuse_if_poisoned(engine)?;
        let Some(start) = writer.log.position() else {
            return Err(CheckpointError::ReadOnly);
        };
        let bytes = writer.pages.dirty_bytes();
        let version = engine.store.snapshots().published();
        engine.store.begin_writing(version);
        let dirty = writer.pages.take_dirty();
        if let Some(more) = &more {
            writer.pages.end_grant();
            engine.map.set_aside(more.moves, &writer.pages.need());
        }
        (dirty, version, start, bytes)
    };
    match write_out(engine, (&dirty, more), version, start) {
        Ok(()) => {
            failpoint!("checkpoint.switched");
            engine.store.after_switch(version, &dirty);
            {
                let mut writer = engine.writer_in_turn();
                writer.pages.drop_dirty();
                engine.map.trim(writer.pages.need().slots);
            }
            while engine.writer_in_turn().pages.clean(&engine.store) {
                let_others_in();
            }
            // Many images: no commit waits for that.
            drop(dirty);
            failpoint!("checkpoint.cleaned");
            let keep = archive_before_recycling(engine, start);
            failpoint!("checkpoint.archived");
            complete(engine, (start, keep));
            failpoint!("checkpoint.done");
            Ok(bytes)
        }
        Err(error) => {
            engine.store.switch_failed();
            engine.counters.checkpoint_failures.fetch_add(1, Relaxed);
            let mut writer = engine.writer_in_turn();
            writer.pages.put_back_dirty(dirty);
            engine.note_gauges(&writer);
            Err(fail(engine, error))
        }
    }
}

fn write_out(
    engine: &Engine,
    (dirty, more): (&DirtySet, Option<More<'_>>),
    version: Version,
    start: LogPosition,
) -> Result<(), StorageError> {
    let mut checkpoint = engine.map.begin()?.beside(&engine.counters.log_syncs);
    failpoint!("checkpoint.begun", fails);
    for (page, state) in dirty.iter() {
        // The thread that would do it runs this checkpoint.
        log_ahead::make_if_wanted(engine);
        match state {
            DirtyPage::Page(version, image) => {
                checkpoint.write_page(page, *version, image)?;
            }
            DirtyPage::Extent(version, image, _) => {
                write_extent(engine, &mut checkpoint, page, *version, image)?;
            }
            DirtyPage::Freed => checkpoint.free_page(page),
        }
    }
    if let Some(more) = more {
        (more.write)(&mut checkpoint)?;
    }
    failpoint!("checkpoint.pages-written", fails);
    checkpoint.sync_data()?;
    failpoint!("checkpoint.data-synced", fails);
    sync_log(engine, start)?;
    checkpoint.synced_the_log();
    failpoint!("checkpoint.log-synced", fails);
    engine.store.before_switch(dirty);
    checkpoint.commit(version, start)
}

/// M2: what the checkpoint holds is durable in the log before the map can point at it.
fn sync_log(engine: &Engine, through: LogPosition) -> Result<(), StorageError> {
    let mut writer = engine.writer_in_turn();
    match &mut writer.log {
        SessionLog::Open(wal) if wal.durable() < through.lsn => {
            engine.counters.log_syncs.fetch_add(1, Relaxed);
            wal.sync().map_err(|error| engine.poison(error))
        }
        _ => Ok(()),
    }
}

fn write_extent(
    engine: &Engine,
    checkpoint: &mut Checkpoint<'_>,
    first: PageNo,
    version: Version,
    value: &Image,
) -> Result<(), StorageError> {
    let mut page = vec![0; engine.store.page_size()];
    let piece_len = page.len().saturating_sub(PAGE_HEADER_LEN).max(1);
    for (number, piece) in (first.get()..).zip(value.chunks(piece_len)) {
        page.fill(0);
        mark_overflow(&mut page);
        if let Some(room) = page
            .get_mut(PAGE_HEADER_LEN..)
            .and_then(|p| p.get_mut(..piece.len()))
        {
            room.copy_from_slice(piece);
        }
        checkpoint.write_page(PageNo(number), version, &page)?;
    }
    Ok(())
}

fn complete(engine: &Engine, (start, keep): (LogPosition, Option<Lsn>)) {
    engine.counters.checkpoints.fetch_add(1, Relaxed);
    let surplus = {
        let writer: &mut Writer = &mut engine.writer_in_turn();
        let log = std::mem::replace(&mut writer.log, SessionLog::ReadOnly);
        let (log, surplus) = match log {
            SessionLog::Headed(mut wal) | SessionLog::Open(mut wal) => {
                let surplus = wal.recycle(start.lsn, keep);
                engine.note_session_open();
                (SessionLog::Open(wal), surplus)
            }
            other => (other, None),
        };
        writer.log = log;
        engine.note_gauges(writer);
        surplus
    };
    remove_segments(engine, surplus);
}

/// A full disk abandons the attempt, unless it was met where the map could not go back any more; anything
/// else may have left the disk and the memory apart.
fn fail(engine: &Engine, error: StorageError) -> CheckpointError {
    if error.is_full() && engine.poisoned().is_none() && !engine.map.is_poisoned() {
        return CheckpointError::Full(error);
    }
    CheckpointError::Poisoned(engine.poison(error))
}
