//! Where a trace can be cut, and what a disk can hold after the cut.

mod chosen;
mod count;
mod cut;
mod journal;
mod media;
mod plan;
mod points;
mod sample;
mod walker;

pub use chosen::{Part, Piece, is_legal, kept_in, left_of, pieces};
pub use count::{StateCount, choices_count};
pub use cut::cut;
pub use journal::is_journaled;
pub use media::is_spoilt;
pub use points::crash_points;
pub use sample::Sample;
pub use walker::CrashWalker;
