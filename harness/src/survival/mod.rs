//! What survives a power cut under `posix`, decided only where somebody looks.
//!
//! 1. Names are one variable, each file's length is one, each pending sector is one. A sector is decided after its
//!    file's length, that after the names.
//! 2. A variable is decided once, whoever asks again: all disks that share a survival agree.
//! 3. The branches of a variable are its different contents; what has one branch is no decision.
//! 4. The weight of a survival is the number of legal states that its decisions leave open. The weights of all leaves of
//!    a search add up to the number of legal states.
//!
//! It does not know who asks, nor why: a disk asks when it is read, a search says what to answer.

mod decide;
mod decisions;
mod search;
mod undecided;

pub use decide::{Decision, Open, Request, Survival, Variable};
pub use decisions::Decisions;
pub use search::{Plan, Search};
pub use undecided::{Undecided, UndecidedFile};
