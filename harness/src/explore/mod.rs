//! From a batch to the crash states that can follow from it, and the verdict on each.
//!
//! 1. A batch's result depends on the batch alone: every choice comes from a generator split by the place
//!    where it is made, so any case can be run again by itself.
//! 2. Equal states with equal obligations are checked once.
//! 3. What is only evidence is made only for states that fail.
//!
//! A *life* is one boot of the target: what it was opened on, what was asked of it, and the trace of it. A crash of
//! a life gives a state; recovering that state begins another life.

mod batch;
mod crowd;
mod device;
mod device_checks;
mod lazy;
mod live;
mod setup;

mod case;
mod exact;
mod exact_case;
mod search;
mod syncs;

mod assumptions;
mod difference;
mod explain;
mod life;
mod ordering;
mod repair;
mod trials;

mod hardship;
mod harm;
mod ordeal;
mod sweep;

mod kept;
mod leaks;

mod examine;
mod trial;

mod points;

mod failpoint;

mod evidence;
mod timeline;

mod caught;

#[cfg(test)]
mod tests;

pub use batch::{hunt, promise_texts, run_batch, run_case};
pub use exact::{ExactResult, Reach, Searched, exact_of, run_exact};
pub use exact_case::{ExactCase, ExactCut, ExactLife, Pieces, Survives};
pub use explain::{Explanation, explain};
pub use search::{least_survival, search_exact};
pub use setup::draw_options;
pub use syncs::{IssuedSyncs, issued_syncs};
