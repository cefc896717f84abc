//! Creating a database, and bringing one back to the state of its last commit.
//!
//! See docs/design/map.md, "Recovery". A crash at any point of either is met by the same code again.

mod around_damage;
mod replay;

use std::io;
use std::sync::Arc;

use tracing::{error, info, info_span, warn};

use crate::archive::{Archiver, Reached};
use crate::catalog;
use crate::checkpoint;
use crate::disk::{Disk, DiskLock, OpenMode, QuotaDisk};
use crate::disk_format::Geometry;
use crate::engine::{Engine, SessionLog, Writer};
use crate::error::{CheckpointError, OpenError, StorageError};
use crate::ids::{LogPosition, Lsn, PageNo, Version};
use crate::map::{Access, Map, MapOpenError, MapRecovery, Need, Purpose};
use crate::options::Options;
use crate::page_store::{PageStore, PageWriter};
use crate::recovery_report::{Damage, Phase, Progress, RecoveryReport};
use crate::sync::{entropy, now};
use crate::telemetry;
use crate::wal::{self, Wal, WalConfig};

use around_damage::Losses;
use replay::replay;

pub use replay::{apply_payload, make_room};

/// Held while the database is open.
const LOCK: &str = "lock";
/// Exists, durably, exactly while a create is under way (R15).
const CREATING: &str = "creating";
/// Exists, durably, exactly while a restore is under way: what else is here is no database yet.
const RESTORING: &str = "restoring";
/// The files that make a database, besides the log's.
const FILES: [&str; 3] = ["data", "map", "doublewrite"];
/// The log's directory.
const WAL_DIR: &str = "wal";

/// Creates a database in an empty or missing place, durable when this returns.
pub fn create(disk: &Arc<dyn Disk>, options: Options) -> Result<Engine, OpenError> {
    options.check().map_err(OpenError::Options)?;
    let disk = &limited(disk, &options)?;
    let disk_lock = take_lock(disk.as_ref())?;
    match state(disk)? {
        State::Nothing => {}
        State::CutOffCreate => Map::remove_cut_off_create(disk).map_err(open_error)?,
        State::CutOffRestore => return Err(OpenError::RestoreCutOff),
        State::Something => return Err(OpenError::AlreadyExists),
    }
    if !exists(disk.as_ref(), CREATING)? {
        disk.open(CREATING, OpenMode::Create)
            .map_err(|e| StorageError::io("create", CREATING, e))?;
    }
    sync_root(disk.as_ref())?;
    failpoint!("create.marked", fails);
    let salt = options.salt.unwrap_or_else(entropy);
    let geometry = Geometry {
        page_size: options.page_size,
        segment_len: options.log_segment,
        salt,
    };
    let wal = Wal::create(
        Arc::clone(disk),
        WalConfig {
            segment_len: options.log_segment,
            salt,
        },
    )?;
    failpoint!("create.log-headed", fails);
    let map = Map::create(disk, geometry, wal.start())?;
    // The catalog's first page, which the first checkpoint writes.
    let need = Need {
        slots: 1,
        entries: 1,
        page_end: PageNo(2),
    };
    map.reserve(&need, Purpose::Add)?;
    failpoint!("create.map-written", fails);
    disk.remove(CREATING)
        .map_err(|e| StorageError::io("remove", CREATING, e))?;
    failpoint!("create.unmarked", fails);
    sync_root(disk.as_ref())?;
    let log_start = wal.start();
    let log = SessionLog::Open(wal);
    let engine = assemble(disk, options, map, log, Some(disk_lock))?;
    begin_archive(&engine, log_start);
    Ok(engine)
}

/// What a restore puts into the map of a new database whose log starts at a position.
pub type Fill<'a> = dyn FnMut(&Map, LogPosition) -> Result<(), StorageError> + 'a;

/// Creates a database for a restore: no opening takes it for one before [`finish_rebuild`].
pub fn rebuild(
    disk: &Arc<dyn Disk>,
    (options, geometry): (Options, Geometry),
    fill: &mut Fill<'_>,
) -> Result<Engine, OpenError> {
    options.check().map_err(OpenError::Options)?;
    let disk = &limited(disk, &options)?;
    let disk_lock = take_lock(disk.as_ref())?;
    if let State::Something = state(disk)? {
        return Err(OpenError::AlreadyExists);
    }
    if !exists(disk.as_ref(), RESTORING)? {
        disk.open(RESTORING, OpenMode::Create)
            .map_err(|e| StorageError::io("create", RESTORING, e))?;
    }
    sync_root(disk.as_ref())?;
    abandon_rebuild(disk)?;
    if exists(disk.as_ref(), CREATING)? {
        disk.remove(CREATING)
            .map_err(|e| StorageError::io("remove", CREATING, e))?;
    }
    let config = WalConfig {
        segment_len: geometry.segment_len,
        salt: geometry.salt,
    };
    let wal = Wal::create(Arc::clone(disk), config)?;
    let map = Map::create(disk, geometry, wal.start())?;
    fill(&map, wal.start())?;
    let log = SessionLog::Open(wal);
    Ok(assemble(disk, options, map, log, Some(disk_lock))?)
}

/// Removes what a restore has written so far. The marker stays.
pub fn abandon_rebuild(disk: &Arc<dyn Disk>) -> Result<(), StorageError> {
    if !exists(disk.as_ref(), RESTORING)? {
        return Ok(());
    }
    for name in FILES {
        match disk.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StorageError::io("remove", name, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    sync_root(disk.as_ref())
}

/// From now on it is a database: all of it is durable.
pub fn finish_rebuild(disk: &Arc<dyn Disk>) -> Result<(), StorageError> {
    disk.remove(RESTORING)
        .map_err(|e| StorageError::io("remove", RESTORING, e))?;
    sync_root(disk.as_ref())
}

/// Sets the archive up for a log that ends, durably, at `to`. Returns from where on log is missing in it, if any is.
fn begin_archive(engine: &Engine, to: LogPosition) -> Option<Lsn> {
    let disk = engine.options.archive.as_ref()?;
    let superblock = engine.map.superblock();
    let start = Reached {
        position: superblock.log_start,
        version: Version(superblock.version.get().max(1)),
    };
    let log = (&*engine.disk, &engine.wal_config());
    let (archiver, gap) = Archiver::begin(disk, log, (start, to));
    *engine.archive() = Some(archiver);
    gap
}

/// As `begin_archive`, for a log that was just read. What was replayed of it may be in the page cache only; the archive must
/// not have what a crash may yet take from the log.
fn go_on_archiving(engine: &Engine, report: &mut RecoveryReport) -> Result<(), StorageError> {
    if engine.options.archive.is_none() {
        return Ok(());
    }
    let to = {
        let writer = engine.writer();
        let SessionLog::Idle(end) = &writer.log else {
            return Ok(());
        };
        if end.groups > 0 {
            wal::rewrite(&*engine.disk, &engine.wal_config(), end)?;
        }
        end.position
    };
    report.archive_gap = begin_archive(engine, to);
    let needs = engine.archive().as_ref().map(Archiver::needs);
    if let (SessionLog::Idle(end), Some(needs)) = (&mut engine.writer().log, needs) {
        end.keep_from(needs);
    }
    Ok(())
}

/// Opens a database: recovers it, if it was not closed.
pub fn open(disk: &Arc<dyn Disk>, options: Options) -> Result<(Engine, RecoveryReport), OpenError> {
    let _span = info_span!("recovery").entered();
    let began = now();
    match recover(disk, options) {
        Ok((engine, report)) => {
            telemetry::recovery(began.until(now()), report.groups, report.bytes);
            info!(groups = report.groups, bytes = report.bytes, cut = ?report.cut, "open");
            for repair in &report.repairs {
                warn!(repair, "repaired");
            }
            for damage in &report.damage {
                error!(%damage, "damaged");
            }
            Ok((engine, report))
        }
        Err(error) => {
            error!(%error, "not opened");
            Err(error)
        }
    }
}

fn recover(
    disk: &Arc<dyn Disk>,
    mut options: Options,
) -> Result<(Engine, RecoveryReport), OpenError> {
    options.check().map_err(OpenError::Options)?;
    let disk = &limited(disk, &options)?;
    match state(disk)? {
        State::Nothing | State::CutOffCreate => {
            let why = "the directory holds none, or one whose creation was cut off".to_owned();
            return Err(OpenError::NotFound(why));
        }
        State::CutOffRestore => return Err(OpenError::RestoreCutOff),
        State::Something => {}
    }
    let disk_lock = match take_lock(disk.as_ref()) {
        Ok(held) => Some(held),
        // A read-only medium has no room for a lock, and nobody to lock out.
        Err(OpenError::Storage(_)) if options.read_only => None,
        Err(error) => return Err(error),
    };
    let progress = options.progress.clone();
    let tell = |phase, groups, bytes| {
        if let Some(progress) = &progress {
            progress(Progress {
                phase,
                groups,
                bytes,
            });
        }
    };
    tell(Phase::Map, 0, 0);
    let access = if options.read_only {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    };
    failpoint!("recovery.begun", fails);
    let (map, found) = Map::recover(disk, access).map_err(open_error)?;
    failpoint!("recovery.map-whole", fails);
    let mut report = report_of(found, &mut options);
    let start = map.superblock().log_start;
    let mut engine = assemble(disk, options, map, SessionLog::Replaying(start), disk_lock)?;
    let losses = replay(&engine, &mut report, &tell).map_err(replay_error)?;
    failpoint!("recovery.replayed", fails);
    note_losses(&mut engine, &mut report, losses);
    if !engine.options.read_only {
        go_on_archiving(&engine, &mut report)?;
    }
    if report.groups > 0 && !engine.options.read_only {
        failpoint!("recovery.settle.before", fails);
        tell(Phase::Checkpoint, report.groups, report.bytes);
        settle(&engine, &mut report)?;
        failpoint!("recovery.settled", fails);
    }
    if engine.options.read_only {
        engine.writer().log = SessionLog::ReadOnly;
    } else if exists(disk.as_ref(), CREATING)? {
        // The create was cut off after its last step but one, or a sync of that step failed: then what is seen here may not be on disk.
        engine.map.rewrite_superblocks()?;
        disk.remove(CREATING)
            .map_err(|e| StorageError::io("remove", CREATING, e))?;
        sync_root(disk.as_ref())?;
    }
    failpoint!("recovery.done", fails);
    tell(Phase::Done, report.groups, report.bytes);
    Ok((engine, report))
}

/// What was found of the map. Where a part of it is lost, nothing may be written.
fn report_of(found: MapRecovery, options: &mut Options) -> RecoveryReport {
    let mut report = RecoveryReport {
        checkpoint: found.checkpoint,
        repairs: repairs(&found),
        damage: found.lost,
        ..RecoveryReport::default()
    };
    if let Some(first) = report.damage.first().filter(|_| !options.read_only) {
        report.read_only = Some(format!(
            "a map page is lost, nothing may be written: {first}"
        ));
        options.read_only = true;
    }
    report
}

/// Notes what the log has for damaged pages. It must stay there for the next opening, and for whoever salvages the database.
fn note_losses(engine: &mut Engine, report: &mut RecoveryReport, losses: Losses) {
    let geometry = engine.map.superblock().geometry;
    let map = &engine.map;
    let with_offset = |mut damage: Damage| {
        let page = damage.page.filter(|_| damage.offset == 0);
        if let Some(address) = page.and_then(|page| map.lookup(page)) {
            damage.offset = geometry.slot_offset(address.slot);
        }
        damage
    };
    let left_out = losses.left_out.into_values().map(with_offset);
    let left_out: Vec<_> = left_out.collect();
    let remains: Vec<_> = losses.remains.into_iter().map(with_offset).collect();
    if let Some(first) = left_out.first().filter(|_| !engine.options.read_only) {
        report.read_only = Some(format!("the log could not be replayed in full: {first}"));
        engine.options.read_only = true;
    }
    report.damage.extend(left_out);
    report.damage.extend(remains);
}

/// Makes durable what was replayed: it may have been in the page cache only (R14), and once it has been
/// seen it must stay.
fn settle(engine: &Engine, report: &mut RecoveryReport) -> Result<(), OpenError> {
    match checkpoint::start_session(engine) {
        Ok(()) | Err(CheckpointError::ReadOnly) => Ok(()),
        Err(CheckpointError::Full(cause)) => {
            engine.writer().log = SessionLog::ReadOnly;
            report.read_only = Some(cause.to_string());
            Ok(())
        }
        Err(CheckpointError::Poisoned(cause) | CheckpointError::Archive(cause)) => {
            Err(cause.into())
        }
    }
}

fn assemble(
    disk: &Arc<dyn Disk>,
    options: Options,
    map: Map,
    log: SessionLog,
    disk_lock: Option<Box<dyn DiskLock>>,
) -> Result<Engine, StorageError> {
    let map = Arc::new(map);
    let superblock = map.superblock();
    let page_size = superblock.geometry.page_size as usize;
    let version = Version(superblock.version.get().max(1));
    let store = PageStore::new(Arc::clone(&map), page_size, version, &options.limits);
    let mut pages = PageWriter::new(map.free_pages(), PageNo(map.page_count()));
    if map.page_count() <= 1 {
        let mut group = pages.begin(&store);
        catalog::create(&mut group)?;
        group.publish(version);
    }
    let writer = Writer { pages, log };
    Ok(Engine::new(
        Arc::clone(disk),
        options,
        map,
        Arc::new(store),
        writer,
        disk_lock,
    ))
}

fn repairs(found: &MapRecovery) -> Vec<String> {
    let copies = found.damaged_superblocks.iter();
    let copies =
        copies.map(|copy| format!("superblock copy in {} at offset {}", copy.file, copy.offset));
    copies
        .chain(found.rebuilt.iter().map(|id| format!("map page {id:?}")))
        .collect()
}

/// What is in a directory.
enum State {
    /// None of our files.
    Nothing,
    /// A create that did not get as far as its first superblock.
    CutOffCreate,
    /// A restore that is not complete.
    CutOffRestore,
    /// A database, or what is left of one.
    Something,
}

fn state(disk: &Arc<dyn Disk>) -> Result<State, OpenError> {
    let names = disk.list("").or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(Vec::new()),
        _ => Err(StorageError::io("list", "the directory", error)),
    })?;
    let has = |name: &str| names.iter().any(|n| n == name);
    if has(RESTORING) {
        return Ok(State::CutOffRestore);
    }
    if has(CREATING) {
        // A superblock is written only when everything else is durable.
        return match Map::recover(disk, Access::ReadOnly) {
            Err(MapOpenError::NoDatabase | MapOpenError::NoSuperblock(_)) => {
                Ok(State::CutOffCreate)
            }
            Ok(_) | Err(_) => Ok(State::Something),
        };
    }
    let ours = FILES.iter().any(|name| has(name)) || has(WAL_DIR);
    Ok(if ours {
        State::Something
    } else {
        State::Nothing
    })
}

/// The disk, below `Limits::disk_bytes` if that is set.
fn limited(disk: &Arc<dyn Disk>, options: &Options) -> Result<Arc<dyn Disk>, StorageError> {
    let allowed = options.limits.disk_bytes;
    if allowed == u64::MAX {
        return Ok(Arc::clone(disk));
    }
    let quota = QuotaDisk::new(Arc::clone(disk), &["", WAL_DIR], allowed)
        .map_err(|e| StorageError::io("list", "the directory", e))?;
    Ok(Arc::new(quota))
}

fn exists(disk: &dyn Disk, name: &str) -> Result<bool, StorageError> {
    let names = disk
        .list("")
        .map_err(|e| StorageError::io("list", "the directory", e))?;
    Ok(names.iter().any(|n| n == name))
}

fn sync_root(disk: &dyn Disk) -> Result<(), StorageError> {
    disk.sync_dir("")
        .map_err(|e| StorageError::io("sync", "the directory", e))
}

fn take_lock(disk: &dyn Disk) -> Result<Box<dyn DiskLock>, OpenError> {
    disk.lock(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked,
        _ => StorageError::io("lock", LOCK, error).into(),
    })
}

fn replay_error(error: StorageError) -> OpenError {
    match error {
        StorageError::Unsupported(format) => OpenError::Unsupported {
            found: format.found,
            supported: format.supported,
        },
        other => other.into(),
    }
}

fn open_error(error: MapOpenError) -> OpenError {
    match error {
        MapOpenError::NoDatabase => OpenError::NotFound("its files are not there".to_owned()),
        MapOpenError::UnsupportedFormat { found, supported } => {
            OpenError::Unsupported { found, supported }
        }
        MapOpenError::NoSuperblock(error) | MapOpenError::Storage(error) => error.into(),
    }
}
