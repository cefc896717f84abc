//! Any program as a target: it reads requests on its standard input, answers on its standard output, and works on a simulated disk that is
//! mounted for it. docs/drivers.md is the protocol.
//!
//! 1. A driver is asked only for what it lists; what it promises, it is judged by.
//! 2. A process that ended, hangs or answers nonsense is a [`Breakdown`](super::Breakdown): whatever it was asked, that is the finding.
//! 3. A process serves one database at a time, and another one only after it has answered `close`.

mod command;
mod hello;
mod spawn;
mod watch;
mod wire;

mod answer;
mod process;

mod idle;
mod rows;
mod session;
mod target;

mod check;

pub use check::{Step, StepEnd, check_driver};
pub use target::{Driver, is_process};
