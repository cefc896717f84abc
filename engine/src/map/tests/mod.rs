//! Behaviour of the map, one file a behaviour.

pub(crate) mod crash_disk;
pub(crate) mod model;

mod checkpoints;
mod crashes;
mod damage;
mod faults;
mod opening;
