//! The `process` plane: the target in a process of its own on a real file system, killed, stopped and starved.
//!
//! 1. A child says what it is about to ask before it asks, and what was answered after. What it said is in a pipe, which outlives it: a
//!    request may be early, an acknowledgement late, never the reverse.
//! 2. Children die with the process that started them, mounts with the namespace that only their child is in, and a janitor removes what
//!    is left in directories. So nothing stays after any end of the harness.
//! 3. A real process is not repeatable to the byte: its case says what was tried, and trying it again may end otherwise. What is judged is
//!    what was seen.

mod batch;
mod plan;

mod verdict;

mod child;
mod doomed;
mod job;
mod journal;
mod voice;
mod work;

mod allocator;
mod host;
mod limits;
mod small_disk;

mod cgroup;
mod janitor;
mod machine;

pub use allocator::FailingAllocator;
pub use batch::{run_batch, run_case};
pub use child::serve as serve_child;
pub use janitor::serve as serve_janitor;
pub use machine::{Need, lacks, probe};
