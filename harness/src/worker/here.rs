//! Jobs on a thread of this process, for targets that are code of whoever tests.
//!
//! A panic is caught where the target is called; an abort ends this process, and whoever runs it says so. A thread that makes no progress is left
//! to itself.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::message::{Answer, Job};
use super::progress::{Announcer, Progress};
use super::serve;
use crate::batch::CaseId;
use crate::target::{self, Target};

/// How a job ended here.
pub(super) enum Ended {
    Answered(Answer),
    Stalled(Option<CaseId>),
    Cancelled,
}

/// Runs a job on a thread of its own that hosts the target.
pub(super) fn run(
    target: &Arc<dyn Target>,
    job: &Job,
    stall: Duration,
    look: Duration,
    cancelled: &dyn Fn() -> bool,
) -> io::Result<Ended> {
    let progress = Arc::new(Mutex::new(Progress::none()));
    let (sender, answers) = mpsc::channel();
    let (target, job, board) = (Arc::clone(target), job.clone(), Arc::clone(&progress));
    thread::Builder::new()
        .name("chaos".to_owned())
        .spawn(move || {
            let _hosted = target::host(target);
            // Nobody waits for it any more, if nobody takes it.
            let _ = sender.send(serve::answer_job(&job, &mut Announcer::to(board)));
        })?;
    let (mut last, mut since) = (Progress::none(), Instant::now());
    loop {
        match answers.recv_timeout(look) {
            Ok(answer) => return Ok(Ended::Answered(answer)),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the thread of a job panicked"));
            }
            Err(RecvTimeoutError::Timeout) if cancelled() => return Ok(Ended::Cancelled),
            Err(RecvTimeoutError::Timeout) => {
                let now = progress.lock().unwrap_or_else(PoisonError::into_inner);
                if *now != last {
                    last = now.clone();
                    since = Instant::now();
                } else if since.elapsed() >= stall {
                    return Ok(Ended::Stalled(last.case));
                }
            }
        }
    }
}
