//! One case again.

use std::path::PathBuf;

use super::config::Loaded;
use crate::case::CaseIdentity;
use crate::explore::ExactCase;
use crate::worker::{BEFORE_ANY_CASE, Job, Task};

/// The job that runs a case of a scenario, or its exact form, again, and leaves the files as the crash left them.
pub fn job_again(
    identity: &CaseIdentity,
    loaded: &Loaded,
    exact: Option<ExactCase>,
    materialize: Option<PathBuf>,
) -> Job {
    let task = if let Some(case) = exact {
        Task::Exact { case, materialize }
    } else if identity.case.0 == BEFORE_ANY_CASE {
        Task::Explore
    } else {
        Task::Case {
            case: identity.case.clone(),
            materialize,
        }
    };
    Job {
        file: loaded.file.clone(),
        text: loaded.text.clone(),
        target: identity.target.clone(),
        options: identity.given_options(),
        seed: identity.seed,
        run: identity.run,
        plants: identity.plants,
        states_max: loaded.scenario.budget.cases.get(),
        skip: Vec::new(),
        task,
    }
}
