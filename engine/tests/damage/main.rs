//! Files that are not as they were written: nothing wrong is read, what is lost is named, and all else is there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod flips;
mod map;
mod newer_format;
mod quarantine;
mod replay;
mod resealed;
mod salvage;
mod sweep;
