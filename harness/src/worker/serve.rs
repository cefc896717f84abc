//! The worker's side: jobs in on standard input, answers out on standard output.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::{Component, Path};
use std::process;
use std::sync::mpsc;
use std::thread;

use super::dispatch;
use super::message::{Answer, CaseAnswer, Explored, Job, Task};
use super::progress::Announcer;
use crate::batch::{Batch, CaseId, ExploreError};
use crate::explore;

/// Marks an answer among whatever else a target may print.
pub(super) const ANSWER_PREFIX: &str = "chaos-answer ";

/// Serves jobs until standard input ends, which also ends a job that is running.
pub fn serve() -> io::Result<()> {
    let (sender, jobs) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
        process::exit(0);
    });
    let mut announcer = Announcer::on_standard_error();
    for line in jobs {
        let answer = answer_line(&line, &mut announcer);
        let text = serde_json::to_string(&answer)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{ANSWER_PREFIX}{text}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer_line(line: &str, announcer: &mut Announcer) -> Answer {
    let job = serde_json::from_str(line);
    match job {
        Ok(job) => answer_job(&job, announcer),
        Err(error) => {
            let text = format!("a job cannot be read: {error}");
            Answer::Failed(ExploreError::Internal(text))
        }
    }
}

/// Does a job.
pub(super) fn answer_job(job: &Job, announcer: &mut Announcer) -> Answer {
    announcer.job();
    answer(job, announcer).unwrap_or_else(Answer::Failed)
}

fn answer(job: &Job, announcer: &mut Announcer) -> Result<Answer, ExploreError> {
    let batch = job
        .batch()
        .map_err(|error| ExploreError::Internal(error.to_string()))?;
    match &job.task {
        Task::Explore => explore(&batch, announcer),
        Task::Case { case, materialize } => {
            announcer.case(case);
            let result = dispatch::run_case(&batch, case)?;
            if let Some(dir) = materialize {
                write_files(dir, &result.files)?;
            }
            Ok(Answer::Case(Box::new(CaseAnswer {
                options: result.options,
                findings: result.findings,
                inconclusive: result.inconclusive,
                operations: result.operations,
            })))
        }
        Task::Hunt { wanted } => {
            let result = dispatch::hunt(&batch, wanted, &mut |case| announcer.case(case))?;
            Ok(Answer::Explored(Box::new(Explored::new(result))))
        }
        task => {
            announcer.case(&CaseId(EXACT.to_owned()));
            answer_exactly(&batch, task)
        }
    }
}

/// The announced name of whatever is done with exact cases.
const EXACT: &str = "exact";

fn answer_exactly(batch: &Batch, task: &Task) -> Result<Answer, ExploreError> {
    let searched = |searched| Ok(Answer::Searched(Box::new(searched)));
    match task {
        Task::Exact { case, materialize } => {
            let result = explore::run_exact(batch, case)?;
            if let Some(dir) = materialize {
                write_files(dir, &result.files)?;
            }
            Ok(Answer::Case(Box::new(CaseAnswer {
                findings: result.findings,
                operations: case.operations(),
                ..CaseAnswer::default()
            })))
        }
        Task::MakeExact { case } => {
            let exact = explore::exact_of(batch, case)?;
            Ok(Answer::MadeExact(exact.map(Box::new)))
        }
        Task::ListSyncs => Ok(Answer::Syncs(explore::issued_syncs(batch)?)),
        Task::Explain { case } => {
            let explained = explore::explain(batch, case)?;
            Ok(Answer::Explained(Box::new(explained)))
        }
        Task::Search {
            case,
            wanted,
            reach,
        } => searched(explore::search_exact(batch, case, wanted, *reach)?),
        Task::Least {
            case,
            wanted,
            tries_max,
        } => searched(explore::least_survival(batch, case, wanted, *tries_max)?),
        Task::Explore | Task::Hunt { .. } | Task::Case { .. } => {
            Err(ExploreError::Internal("no task for exact cases".to_owned()))
        }
    }
}

fn explore(batch: &Batch, announcer: &mut Announcer) -> Result<Answer, ExploreError> {
    let result = dispatch::run_batch(batch, &mut |case| announcer.case(case))?;
    Ok(Answer::Explored(Box::new(Explored::new(result))))
}

fn write_files(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), ExploreError> {
    put_files(dir, files).map_err(|error| {
        ExploreError::Internal(format!("cannot write into {}: {error}", dir.display()))
    })
}

fn put_files(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (name, bytes) in files {
        let name = Path::new(name);
        if !name
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(io::Error::other(format!(
                "{} leaves the directory",
                name.display()
            )));
        }
        let path = dir.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, bytes)?;
    }
    Ok(())
}
