//! The parent's side of one worker process.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::message::{Answer, Job};
use super::progress::{Board, Progress};
use super::serve::ANSWER_PREFIX;

/// A running worker. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    child: Child,
    jobs: ChildStdin,
    answers: Receiver<Answer>,
    board: Board,
    text_start: u64,
    announced_start: u64,
}

/// What a look at a worker shows.
#[derive(Debug)]
pub(super) enum Look {
    Answered(Answer),
    Working(Progress),
    Ended {
        status: ExitStatus,
        progress: Progress,
        printed: String,
    },
}

impl WorkerProcess {
    pub(super) fn start(program: &Path, memory_bytes: u64) -> io::Result<Self> {
        let (board, standard_error) = Board::new()?;
        let mut child = Command::new(program)
            .arg("worker")
            .arg(format!("--memory-bytes={memory_bytes}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(standard_error)
            .spawn()?;
        let missing = || io::Error::other("a pipe to the worker is missing");
        let jobs = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Some(text) = line.strip_prefix(ANSWER_PREFIX) else {
                    continue;
                };
                let Ok(answer) = serde_json::from_str(text) else {
                    break;
                };
                if sender.send(answer).is_err() {
                    break;
                }
            }
        });
        let text_start = board.text_end();
        Ok(Self {
            child,
            jobs,
            answers,
            board,
            text_start,
            announced_start: 0,
        })
    }

    pub(super) fn send(&mut self, job: &Job) -> io::Result<()> {
        self.text_start = self.board.text_end();
        self.announced_start = self.board.progress()?.announced;
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        self.jobs.write_all(&line)?;
        self.jobs.flush()
    }

    /// Waits for an answer, `patience` at most.
    pub(super) fn look(&mut self, patience: Duration) -> io::Result<Look> {
        match self.answers.recv_timeout(patience) {
            Ok(answer) => Ok(Look::Answered(answer)),
            Err(RecvTimeoutError::Timeout) => Ok(Look::Working(self.progress()?)),
            Err(RecvTimeoutError::Disconnected) => Ok(Look::Ended {
                status: self.ended()?,
                progress: self.progress()?,
                printed: self.board.text_since(self.text_start),
            }),
        }
    }

    /// What the worker announced since the job was sent: a case of the job before it counts for nothing.
    fn progress(&self) -> io::Result<Progress> {
        let progress = self.board.progress()?;
        let case = progress
            .case
            .filter(|_| progress.announced > self.announced_start);
        Ok(Progress { case, ..progress })
    }

    /// Standard output is closed: the process is at its end, or has lost its voice.
    fn ended(&mut self) -> io::Result<ExitStatus> {
        const GRACE: Duration = Duration::from_millis(10);
        for _ in 0..100 {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(GRACE);
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of it remains.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
