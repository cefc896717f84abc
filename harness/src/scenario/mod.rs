//! Scenario files: what to run, what to break, what must hold.
//!
//! Text becomes a [`Scenario`] by [`Scenario::parse`] and in no other way, so a value of this type is
//! always one that makes sense. Errors show the line. This module knows no target, no plane and no
//! workload code: only what a file may say.

mod model;

mod check;
mod chore;
mod damage;
mod device;
mod failpoint;
mod fault;
mod feature;
mod io_error;
mod lasts;
mod latency;
mod option_values;
mod plant;
mod process;
mod workload;

mod glob;
mod one_or_many;
mod units;

mod digest;
mod error;
mod parse;
mod schema;
mod suggest;
mod validate;
mod validate_failpoint;
mod validate_faults;
mod validate_plane;
mod write;

pub use check::{Check, CheckKind};
pub use chore::Chore;
pub use damage::{CLIENTS_BESIDE_DAMAGE_MAX, Damage, DamageKind, DamagePlaces, Owes};
pub use device::{DevicePowerLoss, FileSystem};
pub use digest::ScenarioDigest;
pub use error::{ScenarioError, ScenarioReadError};
pub use failpoint::{AtFailpoints, FailpointAction, FailpointFault};
pub use fault::{CrashModel, CrashPoints, Fault, PowerLoss, SurvivalCoverage};
pub use feature::Feature;
pub use glob::FileGlob;
pub use io_error::{
    CacheAfter, FirstFailure, IoError, IoErrorVariant, IoOperation, Reaction, SystemError,
};
pub use lasts::Lasts;
pub use latency::Latency;
pub use model::{Budget, Expect, Format, Plane, Scenario};
pub use one_or_many::OneOrMany;
pub use option_values::{OptionValues, TargetOptions};
pub use plant::{
    Bug, Elision, IgnoredFailure, NoBarriers, Occurrence, OperationKind, Plant, PlantedBug,
};
pub use process::{Kill, KillMoment, Resource, ResourceKind};
pub use schema::schema;
pub use suggest::did_you_mean;
pub use units::{ByteSize, Percent, TimeSpan, UnitError};
pub use workload::{BankWorkload, ContendedWorkload, DurabilityLevel, KvWorkload, Workload};
