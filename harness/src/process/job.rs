//! What a child is told: one JSON value on its standard input.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::small_disk::SmallDisk;
use crate::scenario::ResourceKind;
use crate::target::Options;

/// One life of a target in a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ChildJob {
    /// The process that started this one.
    pub(super) parent: i32,
    /// Where the database is.
    pub(super) dir: PathBuf,
    /// The scenario, for its workload and its plants.
    pub(super) scenario: serde_json::Value,
    /// Whether the plants are active.
    pub(super) is_planted: bool,
    pub(super) target: String,
    pub(super) options: Options,
    /// All that is drawn follows from these.
    pub(super) seed: u64,
    pub(super) run: u32,
    pub(super) case: u64,
    pub(super) life: u32,
    /// Transactions before it have lower sequence numbers.
    pub(super) first_sequence: u32,
    /// Whether the database must be there.
    pub(super) exists: bool,
    pub(super) transactions: u32,
    /// Whether others are planned by this life.
    pub(super) is_measured: bool,
    pub(super) end: End,
    pub(super) limit: Option<Limit>,
    /// A small file system, if the case has one.
    pub(super) image: Option<SmallDisk>,
}

/// How a life ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// When its workload does, with a clean close.
    Close,
    /// When its workload does, as if the process had been killed.
    Leave,
    /// It kills itself at this operation on storage, counted from 1: before it if that is even, after it if not.
    AtOperation(u64),
    /// It stops itself before this operation.
    StopsAt(u64),
    /// It stops itself before this operation; when it is told to it goes on, and ends when its workload does, as if it had been killed.
    PausesAt(u64),
    /// It kills itself at a place of the engine, the n-th time that it is there.
    AtFailpoint { name: String, hit: u64 },
    /// Somebody else ends it.
    FromOutside,
}

/// What a process has little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limit {
    pub(super) what: ResourceKind,
    /// How much it has: bytes, descriptors beside those in use, the number of an allocation, or threads beside it.
    pub(super) amount: u64,
}
