//! A driver's process: one question, one answer.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::command::words;
use super::spawn::spawn;
use super::watch::{INTERVAL, Watch};
use crate::target::{Breakdown, BreakdownKind};

/// An answer longer than this is none.
const LINE_LEN_MAX: usize = 256 << 20;
/// What is kept of standard error.
const SAID_LEN_MAX: usize = 4096;
const SAID_LINES_MAX: usize = 6;
/// How long a process that has closed its output may take to end.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// A running driver. Dropping it kills the process and all that it has started in its group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    /// Standard output, and the descriptor for answers.
    outputs: [Output; 2],
    errors: Option<File>,
    said: VecDeque<u8>,
    /// On which output it answers, once that is known.
    speaks_on: Option<usize>,
    /// The number of its last request.
    pub(super) asked: u64,
    /// How many databases it had open.
    pub(super) databases: u32,
}

#[derive(Debug)]
struct Output {
    pipe: Option<File>,
    buffer: Vec<u8>,
}

/// How an exchange is waited for.
#[derive(Clone, Copy)]
pub(super) struct Wait<'w> {
    /// How many calls the driver's disk has seen so far.
    pub(super) calls: &'w dyn Fn() -> u64,
    /// The time after which nobody is interested any more; else all the time there is.
    pub(super) at_most: Option<Duration>,
}

/// What came of looking at the pipes.
enum Event {
    Line(Vec<u8>),
    Closed,
    Nothing,
}

impl Process {
    /// Starts a command.
    pub(super) fn start(command: &str) -> Result<Self, String> {
        let words = words(command)?;
        let (child, answers) =
            spawn(&words).map_err(|error| format!("cannot start {}: {error}", words[0]))?;
        Self::of(child, OwnedFd::from(answers)).map_err(|error| format!("{command}: {error}"))
    }

    fn of(mut child: Child, answers: OwnedFd) -> io::Result<Self> {
        let missing = || io::Error::other("a pipe to the driver is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        fcntl(&input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let output = OwnedFd::from(child.stdout.take().ok_or_else(missing)?);
        let errors = child
            .stderr
            .take()
            .map(|pipe| File::from(OwnedFd::from(pipe)));
        let output_of = |pipe: OwnedFd| Output {
            pipe: Some(File::from(pipe)),
            buffer: Vec::new(),
        };
        Ok(Self {
            child,
            input,
            outputs: [output_of(output), output_of(answers)],
            errors,
            said: VecDeque::new(),
            speaks_on: None,
            asked: 0,
            databases: 0,
        })
    }

    /// Its number, which is that of its group.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(
        &mut self,
        op: &str,
        request: Map<String, Value>,
        wait: Wait<'_>,
    ) -> Result<Answer, Breakdown> {
        self.asked += 1;
        let line = line_of(self.asked, op, request);
        let answer = self.exchange(&line, wait)?;
        let id = answer.id();
        if id == Some(self.asked) {
            return Ok(answer);
        }
        let id = id.map_or_else(|| "no request".to_owned(), |id| format!("request {id}"));
        let asked = self.asked;
        Err(self.babbled(&format!(
            "it answers {id}, and was asked request {asked} ({op})"
        )))
    }

    /// Waits for the answer to something that was asked for.
    pub(super) fn next_answer(&mut self, wait: Wait<'_>) -> Result<Answer, Breakdown> {
        self.exchange(&[], wait)
    }

    /// Its standard input once more. Writing to it waits for nothing.
    pub(super) fn input(&self) -> io::Result<File> {
        let input = self.input.as_fd().try_clone_to_owned()?;
        Ok(File::from(input))
    }

    /// What it answers is not what was asked for.
    pub(super) fn babbled(&mut self, text: &str) -> Breakdown {
        self.broken(BreakdownKind::Babbled, format!("protocol error: {text}"))
    }

    fn exchange(&mut self, line: &[u8], wait: Wait<'_>) -> Result<Answer, Breakdown> {
        let (mut rest, mut watch) = (line, Watch::default());
        let started = Instant::now();
        let mut looked = started;
        let mut noise = None;
        loop {
            match self.step(&mut rest) {
                Ok(Event::Line(line)) => match (Answer::parse(&line), self.speaks_on) {
                    (Ok(answer), _) => return Ok(answer),
                    // Until it has said hello it may answer on the other descriptor, and this is only noise.
                    (Err(error), None) => noise = Some(error),
                    (Err(error), Some(_)) => return Err(self.babbled(&error)),
                },
                Ok(Event::Closed) => return Err(self.ended()),
                Ok(Event::Nothing) => {}
                Err(error) => return Err(self.broken(BreakdownKind::Died, error.to_string())),
            }
            if wait.at_most.is_some_and(|most| started.elapsed() > most) {
                return Err(self.broken(BreakdownKind::Hung, "it was not waited for".to_owned()));
            }
            if looked.elapsed() < INTERVAL {
                continue;
            }
            looked = Instant::now();
            if let Some(wrong) = watch.look(self.child.id(), (wait.calls)()) {
                return Err(match noise {
                    Some(noise) => self.babbled(&noise),
                    None => self.broken(BreakdownKind::Hung, format!("no answer: {wrong}")),
                });
            }
        }
    }

    /// Moves what can be moved through the pipes.
    fn step(&mut self, rest: &mut &[u8]) -> io::Result<Event> {
        if let Some(line) = self.take_line() {
            return Ok(Event::Line(line));
        }
        if self.is_silent() {
            return Ok(Event::Closed);
        }
        let ready = self.wait(!rest.is_empty())?;
        if ready.input {
            match self.input.write(rest) {
                Ok(count) => *rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It ended, or reads no more: its outputs tell.
                Err(_) => *rest = &[],
            }
        }
        if ready.errors {
            self.hear();
        }
        for (output, is_ready) in self.outputs.iter_mut().zip(ready.outputs) {
            if is_ready {
                output.read()?;
            }
        }
        Ok(Event::Nothing)
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let speaks_on = self.speaks_on;
        for (number, output) in self.outputs.iter_mut().enumerate().rev() {
            let Some(line) = output.take_line() else {
                continue;
            };
            match speaks_on {
                Some(chosen) if chosen != number => self.said.extend(line),
                Some(_) => return Some(line),
                None => {
                    let is_answer = number == 1 || Answer::parse(&line).is_ok();
                    self.speaks_on = is_answer.then_some(number);
                    return Some(line);
                }
            }
        }
        None
    }

    /// Whether no answer can come any more.
    fn is_silent(&self) -> bool {
        let is_closed = |number: usize| self.outputs[number].pipe.is_none();
        match self.speaks_on {
            Some(number) => is_closed(number),
            None => is_closed(0) && is_closed(1),
        }
    }

    fn wait(&self, is_writing: bool) -> io::Result<Ready> {
        let none = PollFlags::empty();
        let writing = if is_writing { PollFlags::POLLOUT } else { none };
        let pipes = [
            Some((self.input.as_fd(), writing)),
            self.errors
                .as_ref()
                .map(|pipe| (pipe.as_fd(), PollFlags::POLLIN)),
            self.outputs[0].polled(),
            self.outputs[1].polled(),
        ];
        let open = pipes.iter().flatten().filter(|(_, flags)| *flags != none);
        let mut polled: Vec<_> = open
            .map(|(pipe, flags)| PollFd::new(*pipe, *flags))
            .collect();
        let timeout = PollTimeout::try_from(INTERVAL).unwrap_or(PollTimeout::ZERO);
        match poll(&mut polled, timeout) {
            Err(nix::Error::EINTR) => return Ok(Ready::default()),
            done => done?,
        };
        let mut answers = polled.iter().map(PollFd::any);
        let mut is_ready = pipes.iter().map(|pipe| {
            let is_polled = pipe.is_some_and(|(_, flags)| flags != none);
            is_polled && answers.next().flatten().unwrap_or(false)
        });
        let mut next = || is_ready.next().unwrap_or(false);
        Ok(Ready {
            input: next(),
            errors: next(),
            outputs: [next(), next()],
        })
    }

    /// Takes in what stands on standard error.
    fn hear(&mut self) {
        let mut buffer = [0; 4096];
        let count = self
            .errors
            .as_mut()
            .map_or(Ok(0), |pipe| pipe.read(&mut buffer));
        match count {
            Ok(0) | Err(_) => self.errors = None,
            Ok(count) => self.said.extend(&buffer[..count]),
        }
        let excess = self.said.len().saturating_sub(SAID_LEN_MAX);
        self.said.drain(..excess);
    }

    /// It answers no more: how it ended.
    fn ended(&mut self) -> Breakdown {
        let closed = Instant::now();
        while closed.elapsed() < LAST_MOMENTS {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    return self.broken(BreakdownKind::Died, format!("the driver {}", how(status)));
                }
                Ok(None) => thread::sleep(Duration::from_millis(1)),
                Err(_) => break,
            }
        }
        let text = "the driver closed its output and did not end".to_owned();
        self.broken(BreakdownKind::Died, text)
    }

    fn broken(&mut self, how: BreakdownKind, text: String) -> Breakdown {
        self.kill();
        while self.errors.is_some() {
            self.hear();
        }
        let (head, tail) = self.said.as_slices();
        let said = String::from_utf8_lossy(&[head, tail].concat()).into_owned();
        let lines: Vec<_> = said.lines().collect();
        let said = lines[lines.len().saturating_sub(SAID_LINES_MAX)..].join(" | ");
        Breakdown { how, text, said }
    }

    fn kill(&mut self) {
        let group = i32::try_from(self.child.id()).map(Pid::from_raw);
        // It may have ended by itself; either way nothing of it remains.
        let _ = group.map(|group| killpg(group, Signal::SIGKILL));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Which pipes have something, or room, or came to their end.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    input: bool,
    errors: bool,
    outputs: [bool; 2],
}

impl Output {
    fn polled(&self) -> Option<(std::os::fd::BorrowedFd<'_>, PollFlags)> {
        let pipe = self.pipe.as_ref()?;
        Some((pipe.as_fd(), PollFlags::POLLIN))
    }

    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        let mut buffer = vec![0; 1 << 16];
        let count = pipe.read(&mut buffer)?;
        if count == 0 {
            self.pipe = None;
        }
        self.buffer.extend_from_slice(&buffer[..count]);
        if self.buffer.len() > LINE_LEN_MAX {
            return Err(io::Error::other("an answer without an end"));
        }
        Ok(())
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|&byte| byte == b'\n')?;
        let rest = self.buffer.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        line.pop();
        Some(line)
    }
}

/// A request as it is written.
pub(super) fn line_of(id: u64, op: &str, mut request: Map<String, Value>) -> Vec<u8> {
    request.insert("id".to_owned(), id.into());
    request.insert("op".to_owned(), op.into());
    let mut line = Value::Object(request).to_string().into_bytes();
    line.push(b'\n');
    line
}

fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
            format!("was ended by {name}")
        }
        (None, code) => format!("ended with exit code {}", code.unwrap_or_default()),
    }
}
