//! A process of its own for each phase that is measured: its memory and its writes are one engine's, and what it
//! leaves behind in the allocator slows nobody else down.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;

use crate::check::Wrong;
use crate::engines;
use crate::measure::Figures;
use crate::rows::{Ends, GROUPS, Group, Run, Scale};

/// The exit code of a process that met wrong data.
pub const WRONG: u8 = 2;
/// How often it is looked whether a process has ended.
const GLANCE: Duration = Duration::from_millis(10);

/// One phase of one group on one engine, as a child process is told of it.
#[derive(Args, Clone, Debug)]
pub struct Task {
    /// The engine
    pub engine: String,
    /// The group of rows
    pub group: String,
    /// Which of its phases, from 0
    pub phase: usize,
    /// Where its database is
    pub directory: PathBuf,
    /// Where its figures go
    pub figures: PathBuf,
    /// Records in a table
    pub records: u64,
    /// Cache in bytes
    pub cache: u64,
    /// Records of the largest table
    pub growth: u64,
}

/// How a process ended that was to measure something.
#[derive(Debug)]
pub enum Outcome {
    /// With figures.
    Measured(Figures),
    /// With wrong data.
    Wrong,
    /// In some other way, in words.
    Failed(String),
}

impl Task {
    /// Does it, in this process.
    pub fn run(&self) -> anyhow::Result<()> {
        let engine = engines::all()
            .into_iter()
            .find(|engine| engine.name() == self.engine)
            .context("no such engine")?;
        let phase = GROUPS
            .iter()
            .find(|group| group.name == self.group)
            .and_then(|group| group.phases.get(self.phase))
            .context("no such phase")?;
        let mut figures = Figures::default();
        let scale = Scale {
            records: self.records,
            cache: self.cache,
            growth: self.growth,
        };
        let result = (phase.run)(&mut Run {
            engine: engine.as_ref(),
            directory: &self.directory,
            scale,
            figures: &mut figures,
        });
        // What was measured before a failure is worth keeping.
        std::fs::write(&self.figures, serde_json::to_string(&figures)?)?;
        result
    }

    fn start(&self) -> anyhow::Result<Child> {
        let child = Command::new(std::env::current_exe()?)
            .arg("measure")
            .args([&self.engine, &self.group, &self.phase.to_string()])
            .args([&self.directory, &self.figures])
            .args([self.records, self.cache, self.growth].map(|number| number.to_string()))
            .spawn();
        child.context("starting a process to measure in")
    }
}

/// The exit code for a failure of [`Task::run`].
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<Wrong>().is_some() {
        WRONG
    } else {
        1
    }
}

/// Measures all phases of `group` with one engine, each in a process of its own, none longer than `limit`.
pub fn measure(
    engine: &str,
    group: &Group,
    scale: Scale,
    directory: &Path,
    limit: Duration,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let database = directory.join("db");
    std::fs::create_dir(&database)?;
    for (index, phase) in group.phases.iter().enumerate() {
        let task = Task {
            engine: engine.to_owned(),
            group: group.name.to_owned(),
            phase: index,
            directory: database.clone(),
            figures: directory.join(format!("figures-{index}.json")),
            records: scale.records,
            cache: scale.cache,
            growth: scale.growth,
        };
        let mut child = task.start()?;
        let status = wait(&mut child, limit)?;
        if let Ok(text) = std::fs::read_to_string(&task.figures) {
            outcomes.push(Outcome::Measured(serde_json::from_str(&text)?));
        }
        match judge(status, phase.ends) {
            None => {}
            Some(failure) => {
                outcomes.push(failure);
                break;
            }
        }
    }
    Ok(outcomes)
}

fn wait(child: &mut Child, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(GLANCE);
    }
}

/// What an end means, if it is not the one that was expected.
fn judge(status: Option<ExitStatus>, expected: Ends) -> Option<Outcome> {
    match status.map(|status| (status, status.code())) {
        None => Some(Outcome::Failed("took too long".to_owned())),
        Some((_, Some(0))) if expected == Ends::Returns => None,
        Some((_, None)) if expected == Ends::Dies => None,
        Some((_, Some(code))) if code == i32::from(WRONG) => Some(Outcome::Wrong),
        Some((status, _)) => Some(Outcome::Failed(status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn wrong_data_is_told_from_other_failures_through_any_context() {
        let wrong: anyhow::Error = Wrong("a".to_owned()).into();
        assert_eq!(exit_code(&wrong.context("in a row")), WRONG);
        assert_eq!(exit_code(&anyhow::anyhow!("no space")), 1);
    }

    #[test]
    fn a_process_has_to_end_as_its_phase_says() {
        let (fine, wrong) = (ExitStatus::from_raw(0), ExitStatus::from_raw(2 << 8));
        let died = ExitStatus::from_raw(6);
        assert!(judge(Some(fine), Ends::Returns).is_none());
        assert!(judge(Some(died), Ends::Dies).is_none());
        assert!(matches!(
            judge(Some(wrong), Ends::Dies),
            Some(Outcome::Wrong)
        ));
        for (status, ends) in [
            (None, Ends::Returns),
            (Some(died), Ends::Returns),
            (Some(fine), Ends::Dies),
        ] {
            assert!(matches!(judge(status, ends), Some(Outcome::Failed(_))));
        }
    }
}
