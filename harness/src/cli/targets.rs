//! `chaos targets`.

use std::io::{self, Write};

use super::exit::Exit;
use super::failure::Failure;
use crate::failpoints;
use crate::target::{self, Options, Promises, Target};

pub(super) fn targets(out: &mut dyn Write) -> Result<Exit, Failure> {
    for target in target::TARGETS.iter().filter_map(|name| target::find(name)) {
        print(out, target.as_ref())?;
    }
    Ok(Exit::Pass)
}

pub(super) fn failpoints(out: &mut dyn Write) -> Result<Exit, Failure> {
    let catalogue = failpoints::catalogue();
    if catalogue.is_empty() {
        writeln!(out, "none: this build has no failpoints")?;
    }
    for place in catalogue {
        let can = if place.can_fail { "can fail" } else { "" };
        writeln!(out, "{}", format!("{:<32} {can}", place.name).trim_end())?;
    }
    Ok(Exit::Pass)
}

fn print(out: &mut dyn Write, target: &dyn Target) -> io::Result<()> {
    writeln!(out, "{}", target.name())?;
    for option in target.known_options() {
        writeln!(
            out,
            "  option   {:<17} {}",
            option.name,
            option.kind.wanted()
        )?;
    }
    for variant in target.variants() {
        print_promises(out, &variant, &target.promises(&variant))?;
    }
    Ok(())
}

fn print_promises(out: &mut dyn Write, variant: &Options, promises: &Promises) -> io::Result<()> {
    let options: Vec<_> = variant.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let options = options.join(" ");
    let options = if options.is_empty() {
        String::new()
    } else {
        format!("{options:<42} ")
    };
    for (level, process, power) in promises.iter() {
        let (level, process, power) = (level.name(), process.name(), power.name());
        writeln!(
            out,
            "  promise  {options}{level}: {process} after a process crash, {power} after a power cut"
        )?;
    }
    Ok(())
}
