//! A scenario as a value.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Check, CheckKind, Damage, DevicePowerLoss, FailpointAction, FailpointFault, Fault, IoError,
    Latency, Plant, PowerLoss, TargetOptions, TimeSpan, Workload,
};

/// A scenario: one purpose, one workload, the faults it meets and the checks that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The version of the file format.
    pub format: Format,
    /// The name that reports and replay lines use: lower-case letters, digits and hyphens.
    #[schemars(regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub id: String,
    /// What the scenario shows, as a sentence without a full stop.
    pub title: String,
    /// Tiers and themes to select by. `smoke` is what runs when nothing is named.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether the checks must hold, or must see the planted bug.
    #[serde(default)]
    pub expect: Expect,
    /// With `expect = "fail"`: the check that must see the planted bug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caught_by: Option<CheckKind>,
    /// Where the target's bytes go.
    #[serde(default)]
    pub plane: Plane,
    /// What the clients do.
    pub workload: Workload,
    /// Options per target. A list is drawn from by the seed, anew in every run.
    #[serde(default)]
    pub options: BTreeMap<String, TargetOptions>,
    /// What is done to the target.
    #[serde(rename = "fault", default)]
    pub faults: Vec<Fault>,
    /// Bugs planted under the target.
    #[serde(rename = "plant", default)]
    pub plants: Vec<Plant>,
    /// What must hold in every state.
    #[serde(rename = "check", default)]
    pub checks: Vec<Check>,
    /// When it is enough.
    pub budget: Budget,
}

impl Scenario {
    /// Whether the scenario asks for this check.
    pub fn asks_for(&self, kind: CheckKind) -> bool {
        self.checks.iter().any(|check| check.kind == kind)
    }

    /// The power loss, if there is one, with its place in the file.
    pub fn power_loss(&self) -> Option<(usize, &PowerLoss)> {
        let mut faults = self.faults.iter().enumerate();
        faults.find_map(|(place, fault)| match fault {
            Fault::PowerLoss(power_loss) => Some((place, power_loss)),
            _ => None,
        })
    }

    /// The damage, if there is any.
    pub fn damage(&self) -> Option<&Damage> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Damage(damage) => Some(damage),
            _ => None,
        })
    }

    /// The power loss of a disk under a real file system, if there is one.
    pub fn device_power_loss(&self) -> Option<&DevicePowerLoss> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::DevicePowerLoss(fault) => Some(fault),
            _ => None,
        })
    }

    /// What is slow, if anything is.
    pub fn latency(&self) -> Option<&Latency> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Latency(latency) => Some(latency),
            _ => None,
        })
    }

    /// The errors of storage, if there are any, with their place in the file.
    pub fn io_error(&self) -> Option<(usize, &IoError)> {
        let mut faults = self.faults.iter().enumerate();
        faults.find_map(|(place, fault)| match fault {
            Fault::IoError(io_error) => Some((place, io_error)),
            _ => None,
        })
    }

    /// What happens at named places of the engine.
    pub fn failpoints(&self) -> impl Iterator<Item = &FailpointFault> {
        self.faults.iter().filter_map(|fault| match fault {
            Fault::Failpoint(failpoint) => Some(failpoint),
            _ => None,
        })
    }

    /// Whether operations or steps of the target fail.
    pub fn has_errors(&self) -> bool {
        let mut failpoints = self.failpoints();
        self.io_error().is_some() || failpoints.any(|one| one.action == FailpointAction::Error)
    }

    /// Whether something runs out that a process needs.
    pub fn is_short_of_anything(&self) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|fault| matches!(fault, Fault::Resource(_)))
    }

    /// Whether the scenario carries this tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|have| have == tag)
    }
}

/// The version of the scenario format. There is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Format;

impl Format {
    /// The number that files carry.
    pub const CURRENT: u64 = 1;
}

impl TryFrom<u64> for Format {
    type Error = String;

    fn try_from(format: u64) -> Result<Self, String> {
        if format == Self::CURRENT {
            Ok(Self)
        } else {
            Err(format!(
                "format {format} is not known here: expected {}",
                Self::CURRENT
            ))
        }
    }
}

impl From<Format> for u64 {
    fn from(_: Format) -> Self {
        Format::CURRENT
    }
}

impl JsonSchema for Format {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Format".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "const": Self::CURRENT })
    }
}

/// What the verdicts of the checks should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Every check holds in every state.
    #[default]
    Pass,
    /// The check named by `caught_by` sees the planted bug, and nothing is seen without it.
    Fail,
}

/// Where the target's bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Plane {
    /// A simulated disk in the same process.
    #[default]
    Sim,
    /// A real file system on a disk that this process serves. Needs root, `/dev/fuse` and loop devices.
    Block,
    /// A real file system, the target in a process of its own.
    Process,
}

impl Plane {
    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Block => "block",
            Self::Process => "process",
        }
    }
}

/// When a scenario has run enough. It ends at `cases` or `runs`, whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Distinct crash states to check.
    pub cases: NonZeroU64,
    /// Runs of the workload, each with options and transactions of its own.
    #[serde(default = "runs_by_default")]
    pub runs: NonZeroU32,
    /// A ceiling for bad days, not a goal: reaching it makes the scenario inconclusive.
    #[serde(default = "time_by_default")]
    pub time: TimeSpan,
}

fn runs_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(9_999)
}

fn time_by_default() -> TimeSpan {
    TimeSpan::from_seconds(600)
}
