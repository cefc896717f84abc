//! Faults at named places of the engine.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CrashModel, IoError, Occurrence, OneOrMany, PowerLoss, Reaction};
use crate::failpoints::{self, Place};

/// Something happens where the engine reaches a named place of its protocols. `chaos failpoints` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailpointFault {
    /// The places by name; `*` stands for any run of characters. Each must be reached, or the scenario is inconclusive.
    pub name: OneOrMany<String>,
    /// Places that are left out, by name or pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<OneOrMany<String>>,
    /// What happens there.
    pub action: FailpointAction,
    /// At which of the times that a place is reached in a life.
    #[serde(default)]
    pub hit: Occurrence,
    /// With `hit = "every"` and a crash: at how many of them at most in each life, the first among them, others drawn by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<NonZeroU32>,
    /// With a crash: how many times in a row the machine crashes at such a place.
    #[serde(default = "one")]
    #[schemars(range(max = 4))]
    pub generations: NonZeroU32,
    /// With `power-loss`: survivals drawn at each crash.
    #[serde(default = "samples_by_default")]
    pub samples: NonZeroU32,
    /// With `error`: what the clients do then. A list is swept.
    #[serde(default = "go_on")]
    pub then: OneOrMany<Reaction>,
    /// With `error`: how often the database is opened again in the middle of the workload.
    #[serde(default)]
    #[schemars(range(max = 16))]
    pub reopenings: u32,
}

/// What happens at a place.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FailpointAction {
    /// The power is cut.
    PowerLoss,
    /// The process ends; what it wrote stays in the cache.
    ProcessDeath,
    /// The step fails with an error of the device. Only where it can: a pattern passes over other places.
    Error,
    /// Other threads may run there. Beside a power loss, where clients have threads of their own.
    Yield,
}

/// The moments of a life at which an action comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtFailpoints {
    /// The places.
    pub names: Vec<&'static str>,
    /// Which of the times that each is reached.
    pub hit: Occurrence,
    /// How many of them at most.
    pub points: Option<NonZeroU32>,
}

impl FailpointAction {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Error,
        Self::PowerLoss,
        Self::ProcessDeath,
        Self::Yield,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::PowerLoss => "power-loss",
            Self::ProcessDeath => "process-death",
            Self::Error => "error",
            Self::Yield => "yield",
        }
    }

    /// What reports call faults with this action.
    pub fn fault_name(self) -> &'static str {
        match self {
            Self::PowerLoss => "failpoint: power-loss",
            Self::ProcessDeath => "failpoint: process-death",
            Self::Error => "failpoint: error",
            Self::Yield => "failpoint: yield",
        }
    }

    /// What a crash at a place leaves; nothing if it is none.
    pub fn model(self) -> Option<CrashModel> {
        match self {
            Self::PowerLoss => Some(CrashModel::Posix),
            Self::ProcessDeath => Some(CrashModel::ProcessCrash),
            Self::Error | Self::Yield => None,
        }
    }
}

impl fmt::Display for FailpointAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FailpointFault {
    /// The places that are meant, by name, as far as this build has them.
    pub fn places(&self) -> Vec<&'static str> {
        let wants = |place: &Place| {
            let fits = self.action != FailpointAction::Error || place.can_fail;
            let covered = |patterns: &[String]| {
                let mut patterns = patterns.iter();
                patterns.any(|pattern| covers(pattern, place.name))
            };
            let left_out = self.except.as_ref().map_or(&[][..], OneOrMany::as_slice);
            fits && covered(self.name.as_slice()) && !covered(left_out)
        };
        let all = failpoints::catalogue().into_iter();
        all.filter(wants).map(|place| place.name).collect()
    }

    /// The crashes that are meant; nothing if it is another action.
    pub fn as_power_loss(&self) -> Option<PowerLoss> {
        let model = self.action.model()?;
        Some(PowerLoss {
            model: OneOrMany::one(model),
            generations: self.generations,
            samples: self.samples,
            at_failpoints: Some(AtFailpoints {
                names: self.places(),
                hit: self.hit,
                points: self.points,
            }),
            ..PowerLoss::default()
        })
    }

    /// The errors that are meant; nothing if it is another action.
    pub fn as_io_error(&self) -> Option<IoError> {
        (self.action == FailpointAction::Error).then(|| IoError {
            then: self.then.clone(),
            reopenings: self.reopenings,
            failpoints: self.places(),
            only_hit: match self.hit {
                Occurrence::Every => None,
                Occurrence::Nth(nth) => Some(nth),
            },
            ..IoError::default()
        })
    }
}

/// Whether a pattern covers a name.
pub(super) fn covers(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            let ends = (0..=name.len()).filter(|&at| name.is_char_boundary(at));
            ends.map(|at| &name[at..]).any(|tail| covers(rest, tail))
        }),
    }
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn samples_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(7)
}

fn go_on() -> OneOrMany<Reaction> {
    OneOrMany::one(Reaction::GoOn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, is_covered) in [
            ("wal.sync.before", "wal.sync.before", true),
            ("wal.sync.before", "wal.sync.after", false),
            ("*", "wal.sync.before", true),
            ("wal.*", "wal.sync.before", true),
            ("wal.*", "map.sealed", false),
            ("*.before", "wal.sync.before", true),
            ("*.before", "wal.sync.after", false),
            ("wal.*.after", "wal.sync.after", true),
        ] {
            assert_eq!(covers(pattern, name), is_covered, "{pattern} {name}");
        }
    }
}
