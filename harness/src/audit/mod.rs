//! Which syncs of a target are needed: each is left out by itself, and what follows is explored.
//!
//! 1. A sync is *needed* if without it an invariant breaks, and the smallest case found of that is its witness.
//! 2. Of any other it is said how much was explored, and that it was *not shown to be needed*: no more follows.

mod place;

mod lane;

pub use lane::{AuditConfig, audit};
pub use place::{Audit, Audited, Need};
