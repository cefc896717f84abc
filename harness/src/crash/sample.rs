//! The numbering of the crash states of one crash point.

/// Which of the crash states of a crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sample(pub u32);

impl Sample {
    /// Of what was pending nothing survives.
    pub const NOTHING: Self = Self(0);
    /// Of what was pending everything survives.
    pub const EVERYTHING: Self = Self(1);
}
