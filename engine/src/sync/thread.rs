//! Threads, which take part where the one that starts them does.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::{Builder, ThreadId};
use std::time::Duration;

use super::scheduler::{Seat, ThreadNo, Wait, part, pause};

/// About as long as a thread takes to wake up.
const WAKE_UP: Duration = Duration::from_micros(20);

/// A started thread.
#[derive(Debug)]
pub struct JoinHandle<T> {
    inner: std::thread::JoinHandle<T>,
    thread: Option<ThreadNo>,
}

/// Starts a thread. Fails if the system has none to give.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let seat = part().map(|part| part.add(name));
    let thread = seat.as_ref().map(Seat::thread);
    let inner = Builder::new()
        .name(name.to_owned())
        .spawn(move || match seat {
            None => work(),
            Some(seat) => run(seat, work),
        })?;
    Ok(JoinHandle { inner, thread })
}

fn run<T>(seat: Seat, work: impl FnOnce() -> T) -> T {
    let done = catch_unwind(AssertUnwindSafe(|| {
        seat.begin();
        work()
    }));
    match done {
        Ok(value) => value,
        Err(payload) => {
            seat.panicked(&*payload);
            resume_unwind(payload)
        }
    }
}

/// Lets time pass.
pub fn sleep(time: Duration) {
    match part() {
        Some(part) => {
            part.wait(Wait::Time, Some(time));
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        None => std::thread::sleep(time),
    }
}

/// Lets other threads run. A thread that takes part in a scheduler goes on: there it is held only where it says so.
pub fn yield_now() {
    if part().is_none() {
        std::thread::yield_now();
    }
}

/// Between two parts of a long piece of work under a lock: gives those who wait for the lock the time to wake up and take it, which
/// whoever lets it go and takes it again at once does not.
pub fn let_others_in() {
    if part().is_some() {
        pause();
    } else {
        sleep(WAKE_UP);
    }
}

impl<T> JoinHandle<T> {
    /// Waits for the thread to end. An error is what it panicked with.
    pub fn join(self) -> std::thread::Result<T> {
        if let (Some(thread), Some(part)) = (self.thread, part()) {
            part.wait(Wait::End(thread), None);
        }
        self.inner.join()
    }

    /// Which thread it is.
    pub fn id(&self) -> ThreadId {
        self.inner.thread().id()
    }
}
