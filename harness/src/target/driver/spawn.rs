//! Starting a driver so that it ends with the thread that started it.

#![allow(unsafe_code)]

use std::io::{self, PipeReader};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// Names the descriptor on which a driver may answer in the place of its standard output.
const ANSWER_FD: &str = "CHAOS_ANSWER_FD";

/// Starts a program in a process group of its own, all of its standard streams piped. The reader has what it says on the
/// descriptor for answers.
pub(super) fn spawn(words: &[String]) -> io::Result<(Child, PipeReader)> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let (answers, write) = io::pipe()?;
    // A process that is started at the same moment by another thread would inherit it too: it would keep the pipe open, no more.
    fcntl(&write, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(ANSWER_FD, write.as_raw_fd().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    // SAFETY: between fork and exec the closure makes one system call, which allocates nothing and takes no lock.
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };
    Ok((command.spawn()?, answers))
}
