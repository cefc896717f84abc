//! Random programs of system calls.

use std::io;

use lightning_db::disk::{Disk, OpenMode};

use crate::rng::Rng;

const NAMES: [&str; 6] = ["a", "b", "c", "d/a", "d/b", "e/a"];
const FOLDERS: [&str; 2] = ["d", "e"];
/// No file grows past this many bytes.
const FILE_LEN: u64 = 24 * 1024;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    CreateDir(&'static str),
    /// Creates the file if need be, and writes bytes that no other step writes.
    Write {
        name: &'static str,
        offset: u64,
        len: usize,
        fill: u8,
    },
    SetLen {
        name: &'static str,
        len: u64,
    },
    Allocate {
        name: &'static str,
        offset: u64,
        len: u64,
    },
    Rename {
        from: &'static str,
        to: &'static str,
    },
    Remove(&'static str),
    Sync(&'static str),
    SyncDir(&'static str),
    /// The kernel writes back what it has. Nobody is promised anything.
    WriteBack,
}

impl Step {
    /// Whether it only makes lasting what there is.
    pub(super) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync(_) | Self::SyncDir(_) | Self::WriteBack)
    }

    /// Does it. What it refuses on one disk it refuses on the other.
    pub(super) fn perform(&self, disk: &dyn Disk) -> io::Result<()> {
        match self {
            Self::CreateDir(name) => disk.create_dir(name),
            Self::Write {
                name,
                offset,
                len,
                fill,
            } => disk
                .open(name, OpenMode::Write)
                .or_else(|_| disk.open(name, OpenMode::Create))?
                .write_at(*offset, &vec![*fill; *len]),
            Self::SetLen { name, len } => disk.open(name, OpenMode::Write)?.set_len(*len),
            Self::Allocate { name, offset, len } => {
                disk.open(name, OpenMode::Write)?.allocate(*offset, *len)
            }
            Self::Rename { from, to } => disk.rename(from, to),
            Self::Remove(name) => disk.remove(name),
            Self::Sync(name) => disk.open(name, OpenMode::Write)?.sync(),
            Self::SyncDir(name) => disk.sync_dir(name),
            Self::WriteBack => Ok(()),
        }
    }
}

/// A program of so many calls, each of which makes sense where it stands.
pub(super) fn draw(rng: &mut Rng, calls: usize, renames_across: bool) -> Vec<Step> {
    let mut there: Vec<&'static str> = Vec::new();
    let mut steps: Vec<_> = FOLDERS.into_iter().map(Step::CreateDir).collect();
    for number in 0..calls {
        let fill = u8::try_from(number % 255).unwrap_or(0) + 1;
        let step = draw_step(rng, &there, fill, renames_across);
        match step {
            Step::Write { name, .. } if !there.contains(&name) => there.push(name),
            Step::Rename { from, to } => {
                there.retain(|&name| name != from && name != to);
                there.push(to);
            }
            Step::Remove(gone) => there.retain(|&name| name != gone),
            _ => {}
        }
        steps.push(step);
    }
    steps
}

fn draw_step(rng: &mut Rng, there: &[&'static str], fill: u8, renames_across: bool) -> Step {
    let any = NAMES[rng.index(NAMES.len())];
    let offset = rng.below(FILE_LEN / 512) * 256;
    let len = 1 + rng.below(FILE_LEN - offset).min(6000);
    let write = |name| Step::Write {
        name,
        offset,
        len: usize::try_from(len).unwrap_or(1),
        fill,
    };
    let Some(&name) = rng.pick(there) else {
        return write(any);
    };
    match rng.below(20) {
        0..=5 => write(if rng.chance(0.5) { name } else { any }),
        6 | 7 => Step::SetLen {
            name,
            len: rng.below(FILE_LEN),
        },
        8 => Step::Allocate { name, offset, len },
        9..=11 if any != name && (renames_across || folder(any) == folder(name)) => Step::Rename {
            from: name,
            to: any,
        },
        12 => Step::Remove(name),
        13..=15 => Step::Sync(name),
        16 | 17 => Step::SyncDir(["", "d", "e"][rng.index(3)]),
        _ => Step::WriteBack,
    }
}

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{SimConfig, SimDisk};

    #[test]
    fn every_call_of_a_program_makes_sense_where_it_stands() {
        for seed in 0..200 {
            let disk = SimDisk::new(SimConfig::default());
            for step in draw(&mut Rng::from_seed(seed), 40, true) {
                step.perform(&disk)
                    .unwrap_or_else(|error| panic!("{step:?}: {error}"));
            }
        }
    }
}
