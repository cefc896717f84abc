//! The parent's side of one child: starts it, listens to its end, and ends it if that is asked for.

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::cgroup::Cgroup;
use super::job::{ChildJob, End};
use super::journal::Life;

/// A child that says nothing for this long is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// When the parent ends a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blow {
    /// After so many lines.
    pub(super) lines: u64,
    /// And then so many microseconds.
    pub(super) delay_us: u64,
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) life: Life,
    pub(super) way: Way,
    /// What it printed.
    pub(super) printed: String,
    /// What a second process was told while this one was stopped.
    pub(super) rival: Option<Life>,
}

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By itself, with this code.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// It was stuck, and ended.
    Stuck,
}

/// Starts children.
#[derive(Debug)]
pub(super) struct Host {
    /// This program.
    pub(super) program: PathBuf,
}

/// Ends a child whatever becomes of its parent's plans.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Host {
    pub(super) fn of_this_program() -> io::Result<Self> {
        Ok(Self {
            program: env::current_exe()?,
        })
    }

    /// Lets a child live. `blow` ends it from outside.
    pub(super) fn live(
        &self,
        job: &ChildJob,
        blow: Option<Blow>,
        cgroup: Option<&Cgroup>,
    ) -> io::Result<Ended> {
        let mut guard = Guard(self.start()?);
        if let Some(cgroup) = cgroup {
            cgroup.add(guard.0.id())?;
        }
        let lines = listen(&mut guard.0)?;
        let printed = collect(&mut guard.0)?;
        tell(&mut guard.0, job)?;
        let stops = matches!(job.end, End::StopsAt(_) | End::PausesAt(_));
        let rival = if stops {
            self.meet_stopped(&guard.0, job)?
        } else {
            None
        };
        let mut text = String::new();
        let stuck = hear(&lines, &mut text, blow, &guard.0);
        let status = guard.0.wait()?;
        let life = Life::read(&text);
        if let Some(number) = life.started() {
            end_group(number)?;
        }
        let printed = printed.join().unwrap_or_default();
        Ok(Ended {
            life,
            way: if stuck { Way::Stuck } else { way(status) },
            printed,
            rival,
        })
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .arg("process-child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// Waits until the child has stopped itself, lets another process try the database, and kills it or lets it go on. Nothing if it never
    /// stopped.
    fn meet_stopped(&self, child: &Child, job: &ChildJob) -> io::Result<Option<Life>> {
        let pid = pid_of(child);
        // The status of an end stays for whoever waits next.
        let id = Id::Pid(pid);
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        let rival = match waitid(id, flags)? {
            WaitStatus::Stopped(..) => {
                let second = ChildJob {
                    end: End::Leave,
                    exists: false,
                    transactions: 0,
                    ..job.clone()
                };
                Some(self.live(&second, None, None)?.life)
            }
            _ => None,
        };
        let signal = match job.end {
            End::PausesAt(_) => Signal::SIGCONT,
            _ => Signal::SIGKILL,
        };
        kill(pid, signal)?;
        Ok(rival)
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// Ends the process of a target that is one of its own. The system does, too, as soon as who started it is gone; but then that may be a moment
/// ago, and the next life must not meet it.
fn end_group(leader: u32) -> io::Result<()> {
    const TRIES: u32 = 20_000;
    const WAIT: Duration = Duration::from_millis(1);
    let group = Pid::from_raw(i32::try_from(leader).unwrap_or(i32::MAX));
    for _ in 0..TRIES {
        // What has ended and nobody has asked about yet is there, and nothing any more.
        match killpg(group, Signal::SIGKILL) {
            Err(Errno::ESRCH) => return Ok(()),
            Ok(()) | Err(_) if is_over(leader) => return Ok(()),
            Ok(()) | Err(_) => thread::sleep(WAIT),
        }
    }
    Err(io::Error::other("a process of the target does not end"))
}

fn is_over(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    let state = stat.map(|stat| {
        stat.rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('Z'))
    });
    !matches!(state, Ok(Some(false)))
}

fn tell(child: &mut Child, job: &ChildJob) -> io::Result<()> {
    let mut line = serde_json::to_vec(job)?;
    line.push(b'\n');
    let mut input = child.stdin.take().ok_or_else(no_pipe)?;
    match input.write_all(&line) {
        // It is dead already; its end says why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn no_pipe() -> io::Error {
    io::Error::other("a pipe to the child is missing")
}

/// Lines as they come, with their ends; what was cut off comes without.
fn listen(child: &mut Child) -> io::Result<Receiver<String>> {
    let output = child.stdout.take().ok_or_else(no_pipe)?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let mut line = String::new();
            match output.read_line(&mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) if sender.send(line).is_err() => break,
                Ok(_) => {}
            }
        }
    });
    Ok(lines)
}

fn collect(child: &mut Child) -> io::Result<thread::JoinHandle<String>> {
    let mut output = child.stderr.take().ok_or_else(no_pipe)?;
    Ok(thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }))
}

/// Hears a child to its end; true if it was stuck. What is in the pipe when it ends is heard: it was said before.
fn hear(lines: &Receiver<String>, text: &mut String, blow: Option<Blow>, child: &Child) -> bool {
    let mut count = 0;
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => text.push_str(&line),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {
                let _ = kill(pid_of(child), Signal::SIGKILL);
                return true;
            }
        }
        count += 1;
        if let Some(blow) = blow.filter(|blow| blow.lines == count) {
            let since = Instant::now();
            while since.elapsed() < Duration::from_micros(blow.delay_us) {
                std::hint::spin_loop();
            }
            let _ = kill(pid_of(child), Signal::SIGKILL);
        }
    }
}

fn way(status: ExitStatus) -> Way {
    match (status.code(), status.signal()) {
        (Some(code), _) => Way::Exit(code),
        (None, Some(signal)) => Way::Signal(signal),
        (None, None) => Way::Exit(-1),
    }
}
