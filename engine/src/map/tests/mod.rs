//! Behaviour of the map, one file a behaviour.

mod crash_disk;
mod model;

mod checkpoints;
mod crashes;
mod damage;
mod faults;
mod opening;
