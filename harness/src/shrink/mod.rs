//! From a case that shows a finding to the smallest one found that shows the same.
//!
//! 1. Whatever is left out, what remains shows a finding with the same fingerprint: each step is tried, and kept only if it does.
//! 2. What comes out is a case file that needs nothing else, and it was run once more by itself.
//! 3. It is a function of the case and the number of tries; time is a ceiling, and who hits it is told.
//!
//! It does not know targets, disks or traces: it sends cases to workers, so a case that ends its process ends only that.

mod limits;

mod shrinker;

mod ask;

mod exact;
mod scenario;

pub use limits::{Limits, ShrinkEnd, ShrinkError, Shrunk, Size};
pub use shrinker::{Shrinker, same_job};
