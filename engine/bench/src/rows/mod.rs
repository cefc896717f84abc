//! What is measured.

mod basic;
mod group_commit;
mod growth;
mod physical;
mod scale;
mod ycsb;

pub use basic::run as basic;
pub use group_commit::run as group_commit;
pub use growth::run as growth;
pub use physical::run as physical;
pub use scale::Scale;
pub use ycsb::run as ycsb;
