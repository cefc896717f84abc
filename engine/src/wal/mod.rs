//! The log: opaque payloads in order, one a commit group, read back after a crash up to where it was cut.
//! See docs/design/log.md; what a payload means is `transaction`'s business.

mod demand;
mod making;
mod next;
mod pool;
mod position;
mod reader;
mod rewrite;
mod salvage;
mod survey;
mod tail;
mod verify;
mod window;
mod writer;

#[cfg(test)]
mod tests;

pub use pool::Surplus;
pub use position::WalConfig;
pub use reader::{Group, LogEnd, read_log, read_range};
pub use rewrite::rewrite;
pub use salvage::{configs, starts};
pub use verify::verify_log;
pub use writer::{Spare, Wal};
