//! Everything that can be read of a damaged database, into a new one. See docs/design/integrity.md.

mod addresses;
mod harvest;
mod log;
mod output;
mod pages;
mod report;
mod run;
mod source;

pub use report::{SalvageError, SalvageReport, SalvagedTable};
pub use run::{salvage, salvage_on};
