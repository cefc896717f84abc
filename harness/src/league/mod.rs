//! One set of scenarios over several engines, and the table of how they fared.
//!
//! 1. An engine is judged by what its documentation promises at its setting, and the table cites it.
//! 2. A finding is an accusation only once somebody has confirmed it on a real file system, or in the engine's source: until then it is "to be
//!    confirmed", and no failure in the table. Nor is one that breaks no promise, or that no calibrated file system shows.
//! 3. An engine that is not there is listed as that, never as one that passed.
//!
//! This module knows engines by their entries in `harness/league/engines.toml` alone.

mod entry;
mod standing;

mod contest;

mod findings;
mod html;
mod markdown;
mod publish;

pub use contest::{Contest, hold};
pub use entry::{Check, Checked, Entry, Note, Promised, entries};
pub use publish::publish;
pub use standing::{Ends, League, Row, Standing};
