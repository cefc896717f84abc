//! What a child says on standard output: each thing in one line, written in one call.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use nix::sys::signal::{Signal, raise};

use super::allocator::uncounted;
use super::journal::{Answer, Entry, Failure, request};
use crate::oracle::Request;
use crate::target::TargetError;
use crate::trace::{Mark, TracePosition};
use crate::workload::Marks;

/// Says what clients do.
#[derive(Debug)]
pub(super) struct Voice;

/// Marks so far. What a client noted after its call was answered is later than what any other noted before.
static NOW: AtomicU64 = AtomicU64::new(0);

/// Says an entry.
pub(super) fn say(entry: &Entry) {
    let said = uncounted(|| {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush())
    });
    if said.is_err() {
        // Nobody listens: the life is of no use.
        die(Signal::SIGKILL);
    }
}

/// Says that a call failed.
pub(super) fn say_failed(call: &str, error: &TargetError) {
    let (call, error) = (call.to_owned(), Failure::from(error));
    say(&Entry::Failed { call, error });
}

/// Sends this process a signal that cannot be caught.
pub(super) fn die(signal: Signal) {
    // It cannot fail for a signal that exists.
    let _ = raise(signal);
}

impl Marks for Voice {
    fn mark(&self, mark: Mark) -> TracePosition {
        let now = TracePosition(NOW.fetch_add(1, SeqCst) + 1);
        let answer = match mark {
            Mark::Acknowledged(id) => Some((id, Answer::Acknowledged)),
            Mark::Failed(id) => Some((id, Answer::Refused)),
            Mark::Unknown(id) => Some((id, Answer::Unknown)),
            _ => None,
        };
        if let Some((id, outcome)) = answer {
            say(&Entry::Answer { id: id.0, outcome });
        }
        now
    }

    fn requested(&self, asked: &Request) {
        say(&request(asked));
    }
}
