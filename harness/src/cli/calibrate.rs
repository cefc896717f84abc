//! `chaos calibrate`.

use std::io::{self, Write};

use super::args::CalibrateArguments;
use super::exit::Exit;
use super::failure::Failure;
use crate::block;
use crate::calibrate::{Measured, Outside, Plan, survey};
use crate::scenario::FileSystem;

/// States outside of a model that are shown in full.
const SHOWN_MAX: usize = 3;

pub(super) fn calibrate(
    arguments: &CalibrateArguments,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let asked = arguments.file_systems.as_slice();
    let file_systems: &[FileSystem] = match asked {
        [] => &FileSystem::ALL,
        asked => asked,
    };
    writeln!(out, "seed {}\n", arguments.seed)?;
    writeln!(
        out,
        "{:<14}{:>9}{:>9}{:>10}{:>16}{:>20}{:>11}",
        "file system",
        "programs",
        "images",
        "distinct",
        "outside posix",
        "outside journaled",
        "undecided"
    )?;
    let mut exit = Exit::Pass;
    for &file_system in file_systems {
        let Some(why) = block::unavailable(file_system) else {
            let plan = Plan {
                file_system,
                mount: arguments.mount.clone(),
                // btrfs may leave both names where only the new one's directory was synced (docs/decisions/0013).
                renames_across: file_system != FileSystem::Btrfs || arguments.renames_across,
                programs: arguments.programs,
                images: arguments.images,
                seed: arguments.seed,
            };
            exit = exit.max(measure(&plan, out)?);
            continue;
        };
        writeln!(out, "{file_system:<14}skipped: {why}")?;
        exit = exit.max(Exit::Inconclusive);
    }
    Ok(exit)
}

fn measure(plan: &Plan, out: &mut dyn Write) -> Result<Exit, Failure> {
    let measured = survey(plan).map_err(io::Error::other)?;
    // btrfs writes a tree anew where others keep a journal: its order is not theirs.
    let has_journal = plan.file_system != FileSystem::Btrfs;
    writeln!(
        out,
        "{:<14}{:>9}{:>9}{:>10}{:>16}{:>20}{:>11}",
        plan.file_system.name(),
        plan.programs,
        measured.images,
        measured.distinct,
        measured.outside_posix.len(),
        format!(
            "{}{}",
            measured.outside_journaled.len(),
            if has_journal { "" } else { " (not owed)" }
        ),
        measured.undecided,
    )?;
    if measured.unreadable > 0 {
        writeln!(
            out,
            "  {} images that did not mount, or could not be read",
            measured.unreadable
        )?;
    }
    for outside in measured.outside_posix.iter().take(SHOWN_MAX) {
        show("posix", outside, out)?;
    }
    let owed = if has_journal { SHOWN_MAX } else { 0 };
    for outside in measured.outside_journaled.iter().take(owed) {
        show("journaled", outside, out)?;
    }
    Ok(exit_of(&measured, has_journal))
}

fn exit_of(measured: &Measured, has_journal: bool) -> Exit {
    let broken =
        !measured.outside_posix.is_empty() || has_journal && !measured.outside_journaled.is_empty();
    let decided = measured.images.saturating_sub(measured.undecided);
    if broken {
        Exit::Broken
    } else if measured.unreadable > 0 || decided == 0 {
        Exit::Inconclusive
    } else {
        Exit::Pass
    }
}

fn show(model: &str, outside: &Outside, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "\n  program {}: no state of `{model}`. Calls, the last of them running:",
        outside.program
    )?;
    for call in &outside.calls {
        writeln!(out, "    {call}")?;
    }
    writeln!(out, "  the disk held:")?;
    for line in &outside.holds {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}
