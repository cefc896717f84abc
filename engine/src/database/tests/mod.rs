//! What the whole database does when the storage below it fails, or when much happens between two steps.

mod backups;
mod compaction;
mod faults;
mod full_disk;
mod full_sweep;
mod hooked_disk;
mod hostile;
mod interleavings;
mod pieces;
mod point_in_time;
mod space;
mod support;
