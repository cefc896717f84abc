//! A thread for work in the background.

use std::io;
use std::sync::{Arc, PoisonError};

use super::condvar::Condvar;
use super::mutex::{Mutex, lock};
use super::thread::{JoinHandle, spawn};

/// A thread that runs one job each time it is asked to, and ends when this is dropped.
#[derive(Debug)]
pub struct Worker {
    signal: Arc<(Mutex<Signal>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Rest,
    Work,
    End,
}

impl Worker {
    /// Starts a thread that calls `job` after each `ask`; several requests in a row may be served by one call.
    pub fn start(name: &str, mut job: impl FnMut() + Send + 'static) -> io::Result<Self> {
        let signal = Arc::new((Mutex::new(Signal::Rest), Condvar::new()));
        let seen = Arc::clone(&signal);
        let thread = spawn(name, move || {
            while next(&seen) == Signal::Work {
                job();
            }
        })?;
        Ok(Self {
            signal,
            thread: Some(thread),
        })
    }

    /// Asks for one more run of the job. Does not wait.
    pub fn ask(&self) {
        self.send(Signal::Work);
    }

    fn send(&self, signal: Signal) {
        let mut state = lock(&self.signal.0);
        if *state != Signal::End {
            *state = signal;
        }
        self.signal.1.notify_one();
    }
}

fn next(signal: &(Mutex<Signal>, Condvar)) -> Signal {
    let mut state = lock(&signal.0);
    while *state == Signal::Rest {
        state = signal.1.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    let seen = *state;
    if seen == Signal::Work {
        *state = Signal::Rest;
    }
    seen
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.send(Signal::End);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The job may hold the last handle of what owns this worker: a thread cannot join itself.
        if thread.id() != std::thread::current().id() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_worker_serves_requests_and_ends_with_its_handle() {
        let (sender, runs) = mpsc::channel();
        let worker = Worker::start("test", move || sender.send(()).unwrap()).unwrap();
        worker.ask();
        runs.recv().unwrap();
        worker.ask();
        runs.recv().unwrap();
        drop(worker);
        assert!(runs.recv().is_err(), "the job outlived its worker");
    }
}
