//! Cases run in worker processes, so that an abort, a runaway allocation or a hang is a finding and not
//! the end.
//!
//! 1. A worker announces each case before it starts it, so its death has a name.
//! 2. A worker ends when its parent does: its standard input is then at its end.
//! 3. What a batch gives does not depend on the worker that computed it.
//! 4. A target that is code of whoever tests has no worker process: its jobs run on threads of this one.
//!
//! This module does not know scenarios' budgets or verdicts: it turns jobs into answers.

mod message;

mod supervisor;

mod here;
mod process;
mod serve;

mod attribution;
mod dispatch;
mod progress;
mod selftest;

pub use attribution::BEFORE_ANY_CASE;
pub use dispatch::{check_option, target_names};
pub use message::{CaseAnswer, Cluster, Explored, Job, Task};
pub use serve::serve;
pub use supervisor::{JobEnd, Place, Supervisor, WorkerLimits};
