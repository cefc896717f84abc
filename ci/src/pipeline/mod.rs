//! The steps of CI, and running them.

mod outcome;
mod peers;
mod plan;
mod request;
mod run;
mod step;

pub use outcome::{Outcome, table};
pub use plan::{Plan, plan};
pub use request::Request;
pub use run::{run, workspace_root};
pub use step::Step;
