//! Whether the models of power loss hold everything that real file systems do.
//!
//! Random programs of system calls run on a real file system on a recorded disk, and the same calls on the simulated one. Each crash image of the
//! recorded disk is mounted, and what its files hold must be a state of the model at that moment: one that is not would be a state that
//! no scenario on the simulated disk ever tries. Which states of the model no file system shows is not looked at: a model may allow more.

mod member;
mod program;
mod survey;
mod tree;

pub use survey::{Measured, Outside, Plan, survey};
