//! What is measured.

mod basic;
mod cold;
mod commits;
mod groups;
mod growth;
mod load;
mod physical;
mod recovery;
mod run;
mod scaling;
mod snapshot;
mod stalls;
mod units;
mod values;
mod ycsb;

pub use groups::{Ends, GROUPS, Group};
pub use physical::run as physical;
pub use run::{Run, Scale};
