//! What can be tested on this machine, and why not the rest.

use std::fs;
use std::path::Path;
use std::thread;

use crate::block;
use crate::fuse::Mount;
use crate::process::Need;
use crate::scenario::FileSystem;

/// What was looked at.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// One entry for each thing.
    pub findings: Vec<Symptom>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// Its name.
    pub what: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen, or what would help.
    pub detail: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It works here.
    Works,
    /// It does not work here; what needs it is skipped.
    Unavailable,
    /// It is needed and does not work here.
    Broken,
}

impl Diagnosis {
    /// Looks at this machine; reports are to go to `out`.
    pub fn of_this_machine(out: &Path) -> Self {
        let findings = vec![
            Symptom {
                what: "plane sim",
                state: State::Works,
                detail: "a simulated disk in the process; needs nothing".to_owned(),
            },
            fuse(),
            block(),
            process(),
            needs("control groups", Need::Cgroup),
            needs("loop mounts", Need::LoopMount),
            needs("disk quotas", Need::Quota),
            processors(),
            memory(),
            output(out),
        ];
        Self { findings }
    }

    /// Whether `chaos run` can do its work here.
    pub fn can_run(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.state != State::Broken)
    }
}

fn fuse() -> Symptom {
    let (state, detail) = match Mount::probe() {
        Ok(()) => {
            let detail = "a mount under any process: --target 'driver:COMMAND'";
            (State::Works, detail.to_owned())
        }
        Err(error) => (State::Unavailable, error.to_string()),
    };
    Symptom {
        what: "plane fuse",
        state,
        detail,
    }
}

fn block() -> Symptom {
    let lacking = FileSystem::ALL.into_iter();
    let lacking: Vec<_> = lacking
        .filter_map(|one| Some((one, block::unavailable(one)?)))
        .collect();
    let why = lacking.iter().map(|(one, why)| format!("{one}: {why}"));
    let why = why.collect::<Vec<_>>().join("; ");
    let (state, detail) = match lacking.len() {
        0 => {
            let detail = "ext4, xfs and btrfs on a disk that loses power";
            (State::Works, detail.to_owned())
        }
        count if count < FileSystem::ALL.len() => (State::Works, format!("in part; {why}")),
        _ => (State::Unavailable, why),
    };
    Symptom {
        what: "plane block",
        state,
        detail,
    }
}

fn process() -> Symptom {
    Symptom {
        what: "plane process",
        state: State::Works,
        detail: "a real process on a real disk, killed and starved".to_owned(),
    }
}

/// Some faults of the plane `process` need more than others: what is not there is skipped.
fn needs(what: &'static str, need: Need) -> Symptom {
    let (state, detail) = match need.lacks() {
        None => (State::Works, "for faults of the plane process".to_owned()),
        Some(why) => (
            State::Unavailable,
            format!("{why}; its scenarios are skipped"),
        ),
    };
    Symptom {
        what,
        state,
        detail,
    }
}

fn processors() -> Symptom {
    let detail = match thread::available_parallelism() {
        Ok(count) => format!("{count}, so many workers unless --jobs says otherwise"),
        Err(error) => format!("unknown ({error}): one worker unless --jobs says otherwise"),
    };
    Symptom {
        what: "processors",
        state: State::Works,
        detail,
    }
}

fn memory() -> Symptom {
    let detail = available_memory_mib().map_or_else(
        || "unknown".to_owned(),
        |mib| format!("{mib} MiB available; a worker may take what --memory-limit says"),
    );
    Symptom {
        what: "memory",
        state: State::Works,
        detail,
    }
}

fn available_memory_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

fn output(out: &Path) -> Symptom {
    let written = fs::create_dir_all(out).and_then(|()| tempfile::tempfile_in(out));
    let (state, detail) = match written {
        Ok(_) => (State::Works, format!("{} can be written", out.display())),
        Err(error) => (
            State::Broken,
            format!("{} cannot be written: {error}", out.display()),
        ),
    };
    Symptom {
        what: "output directory",
        state,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_directory_that_cannot_be_written_is_said_to_be_broken() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Diagnosis::of_this_machine(dir.path()).can_run());
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(!Diagnosis::of_this_machine(&file.join("below")).can_run());
    }
}
