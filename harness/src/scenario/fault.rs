//! The faults a scenario can ask for.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AtFailpoints, Damage, DevicePowerLoss, FailpointFault, IoError, Kill, Latency, OneOrMany,
    Plane, Resource,
};

/// Survivals tried at a crash point that is to be covered, where the scenario does not say how many.
const LEAVES_BY_DEFAULT: u64 = 4096;

/// A fault: one way in which the world under the target breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(tag = "kind")]
pub enum Fault {
    /// The machine loses power, or the process ends, at chosen operations.
    PowerLoss(PowerLoss),
    /// Operations on storage fail while the workload runs. Beside a power loss: the power is cut after they did.
    IoError(IoError),
    /// Files are damaged while nobody has the database open.
    Damage(Damage),
    /// Something happens at named places of the engine.
    Failpoint(FailpointFault),
    /// The disk under a real file system loses power. On the plane `block` only.
    DevicePowerLoss(DevicePowerLoss),
    /// A process that has the database open is killed. Plane `process`.
    Kill(Kill),
    /// Something that a process needs runs out. Plane `process`.
    Resource(Resource),
    /// Operations of storage take long.
    Latency(Latency),
}

impl Fault {
    /// The name used in files and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PowerLoss(_) => "power-loss",
            Self::IoError(_) => "io-error",
            Self::Damage(_) => "damage",
            Self::Failpoint(failpoint) => failpoint.action.fault_name(),
            Self::DevicePowerLoss(_) => "device-power-loss",
            Self::Latency(_) => "latency",
            Self::Kill(_) => "kill",
            Self::Resource(_) => "resource",
        }
    }

    /// The plane that has it.
    pub fn plane(&self) -> Plane {
        match self {
            Self::DevicePowerLoss(_) => Plane::Block,
            Self::Kill(_) | Self::Resource(_) => Plane::Process,
            _ => Plane::Sim,
        }
    }
}

/// A power cut, and what may survive it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerLoss {
    /// What may survive: one model for every generation, or a list with one for each.
    pub model: OneOrMany<CrashModel>,
    /// Where the power is cut.
    #[serde(default)]
    pub at: CrashPoints,
    /// With `at = "sampled"`: how many crash points are drawn in each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<NonZeroU32>,
    /// How many times in a row: crash, recover, commit more, crash again.
    #[serde(default = "one")]
    #[schemars(range(max = 4))]
    pub generations: NonZeroU32,
    /// Survivals drawn at each crash point, where the model leaves a choice.
    #[serde(default = "samples_by_default")]
    pub samples: NonZeroU32,
    /// Whether the first crash's survivals are drawn, or covered.
    #[serde(default)]
    pub coverage: SurvivalCoverage,
    /// With `coverage = "lazy"`: survivals tried at a crash point before it is sampled instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<NonZeroU32>,
    /// Where the power is cut if that is at named places of the engine, which a file asks for by a fault of its own.
    #[serde(skip)]
    pub at_failpoints: Option<AtFailpoints>,
}

impl Default for PowerLoss {
    fn default() -> Self {
        Self {
            model: OneOrMany::one(CrashModel::Posix),
            at: CrashPoints::default(),
            points: None,
            generations: one(),
            samples: samples_by_default(),
            coverage: SurvivalCoverage::default(),
            leaves: None,
            at_failpoints: None,
        }
    }
}

impl PowerLoss {
    /// Survivals tried at a crash point of generation `generation`, counted from 0, to cover it; nothing if they
    /// are drawn.
    pub fn leaves_of(&self, generation: usize) -> Option<u64> {
        let is_lazy = self.coverage == SurvivalCoverage::Lazy && generation == 0;
        let leaves = self
            .leaves
            .map_or(LEAVES_BY_DEFAULT, |leaves| u64::from(leaves.get()));
        is_lazy.then_some(leaves)
    }

    /// The model of generation `generation`, counted from 0.
    pub fn model_of(&self, generation: usize) -> CrashModel {
        let models = self.model.as_slice();
        let index = generation.min(models.len().saturating_sub(1));
        models.get(index).copied().unwrap_or(CrashModel::Posix)
    }
}

/// How survivals are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SurvivalCoverage {
    /// They are drawn: `samples` at each crash point.
    #[default]
    Sampled,
    /// What survives is decided where the target looks, and every answer is tried.
    Lazy,
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn samples_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(7)
}

/// What may survive a crash.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CrashModel {
    /// Any choice that POSIX allows: unsynced sectors, sizes and names survive each for itself.
    Posix,
    /// As journaling file systems such as ext4 and xfs narrow it: names and lengths survive in order, and what a file grew by is
    /// on disk before its length.
    Journaled,
    /// A prefix of the operations: the disk keeps their order.
    Prefix,
    /// Only the process ends: everything survives but part of the write in flight.
    ProcessCrash,
    /// As `posix`, on worse media: a write may be torn at any byte of a sector, and what a file grew by may be garbage. Only
    /// targets that promise something there are tested.
    Media,
}

impl CrashModel {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Posix,
        Self::Journaled,
        Self::Prefix,
        Self::ProcessCrash,
        Self::Media,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Posix => "posix",
            Self::Journaled => "journaled",
            Self::Prefix => "prefix",
            Self::Media => "media",
            Self::ProcessCrash => "process-crash",
        }
    }
}

impl fmt::Display for CrashModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the power is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrashPoints {
    /// Before each operation that changes the disk, and after the last.
    #[default]
    EveryOperation,
    /// Before each sync, where most is at stake.
    EverySync,
    /// At `points` operations drawn by the seed.
    Sampled,
}
