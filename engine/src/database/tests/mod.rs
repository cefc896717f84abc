//! What the whole database does when the storage below it fails, or when much happens between two steps.

mod compaction;
mod faults;
mod hooked_disk;
mod hostile;
mod interleavings;
mod space;
mod support;
