//! The first state of the files.

use std::io;
use std::sync::Arc;

use super::choose::{Choice, choose};
use super::files::{DATA, DOUBLEWRITE, Files, MAP, NamedFile};
use super::load::Overlay;
use super::page_map::{Access, Map, Writer, invalid};
use super::recover::MapOpenError;
use super::state::State;
use crate::disk::{Disk, OpenMode};
use crate::disk_format::{Digest, Geometry, Root, Superblock};
use crate::error::StorageError;
use crate::ids::{CheckpointId, LogPosition, Version};

impl Map {
    /// Creates the files, none of which may exist, and writes checkpoint 1, in which nothing is mapped.
    ///
    /// With its superblock the database exists: the log must be in place, and durable, before. On return
    /// everything is durable, the names too. A cut-off creation leaves files without a superblock, or with
    /// one: see [`Map::remove_cut_off_create`].
    pub fn create(
        disk: &Arc<dyn Disk>,
        geometry: Geometry,
        log_start: LogPosition,
    ) -> Result<Self, StorageError> {
        if !geometry.is_valid() {
            return Err(invalid(format!("a page size of {}", geometry.page_size)));
        }
        let create = |name| NamedFile::open(disk.as_ref(), name, OpenMode::Create);
        let files = Files {
            data: create(DATA)?,
            map: create(MAP)?,
            doublewrite: create(DOUBLEWRITE)?,
        };
        disk.sync_dir("")
            .map_err(|e| StorageError::io("sync", "", e))?;
        failpoint!("create.files-named", fails);
        let superblock = first_superblock(geometry, log_start);
        for file in [&files.map, &files.data] {
            file.write_superblocks(&superblock)?;
            failpoint!("create.superblock-written", fails);
            file.sync()?;
        }
        let writer = Writer {
            access: Access::ReadWrite,
            highest_id: superblock.checkpoint,
            busy: false,
            closed: false,
            poison: None,
            data_len: files.data.len()?,
            buffer_len: 0,
            homes_end: 0,
            set_aside: 0,
            last_freed: None,
        };
        Ok(Self::new(
            files,
            State::empty(superblock),
            writer,
            Overlay::new(),
        ))
    }

    /// Removes, durably, what a cut-off creation left. Refuses where a superblock or a sealed buffer says that a
    /// database exists.
    pub fn remove_cut_off_create(disk: &Arc<dyn Disk>) -> Result<(), MapOpenError> {
        match choose(disk.as_ref(), Access::ReadOnly) {
            Err(MapOpenError::NoDatabase | MapOpenError::NoSuperblock(_)) => {}
            Err(error) => return Err(error),
            Ok(Choice { superblock, .. }) => {
                let expected = "a creation that was cut off";
                let actual = format!("checkpoint {}", superblock.checkpoint);
                return Err(StorageError::corruption(MAP, 0, None, expected, actual).into());
            }
        }
        for name in [DATA, MAP, DOUBLEWRITE] {
            match disk.remove(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::io("remove", name, error).into());
                }
                Ok(()) | Err(_) => {}
            }
        }
        disk.sync_dir("")
            .map_err(|e| StorageError::io("sync", "", e))?;
        Ok(())
    }
}

fn first_superblock(geometry: Geometry, log_start: LogPosition) -> Superblock {
    Superblock {
        geometry,
        checkpoint: CheckpointId(1),
        version: Version(0),
        log_start,
        map: Root::default(),
        bitmap: Root::default(),
        page_count: 0,
        slot_count: 0,
        predecessor: Digest::default(),
    }
}
