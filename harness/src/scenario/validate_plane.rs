//! What belongs to which plane: faults, what clients do, plants.

use super::failpoint::covers;
use super::validate::{Step, Verdict, fault, refuse, top};
use super::{Chore, FileSystem, Kill, KillMoment, OperationKind, Plane, Plant, Scenario};
use crate::failpoints;

const GENERATIONS_MAX: u32 = 4;

pub(super) fn validate_kill(place: usize, kill: &Kill) -> Verdict {
    if kill.generations.get() > GENERATIONS_MAX {
        let message = format!("{} generations", kill.generations);
        return refuse(fault(place, "generations"), message, "expected 4 at most");
    }
    let at_failpoint = kill.at.as_slice().contains(&KillMoment::Failpoint);
    let Some(names) = &kill.name else {
        if at_failpoint {
            let help = "add `name`, the places by name or pattern";
            return refuse(fault(place, "at"), "a failpoint without a name", help);
        }
        return Ok(());
    };
    if !at_failpoint {
        let help = "remove it, or say at = \"failpoint\"";
        return refuse(fault(place, "name"), "`name` without a failpoint", help);
    }
    let catalogue = failpoints::catalogue();
    let is_there = |name: &&String| catalogue.iter().any(|one| covers(name, one.name));
    match names.as_slice().iter().find(|name| !is_there(name)) {
        Some(wrong) if !catalogue.is_empty() => {
            let message = format!("there is no failpoint `{wrong}`");
            let help = "`chaos failpoints` lists those there are";
            refuse(fault(place, "name"), message, help)
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn validate_plane(scenario: &Scenario) -> Verdict {
    let mut faults = scenario.faults.iter();
    if let Some(place) = faults.position(|one| one.plane() != scenario.plane) {
        let path = vec![Step::Key("fault"), Step::Index(place)];
        let help = "expected \"device-power-loss\" where plane = \"block\", \"kill\" and \"resource\" where plane = \"process\", any other where it is neither";
        return refuse(path, "a fault of another plane", help);
    }
    match scenario.plane {
        Plane::Sim => {}
        Plane::Block => validate_block(scenario)?,
        Plane::Process => validate_process(scenario)?,
    }
    let fits = |plant: &Plant| match (scenario.plane, plant) {
        (Plane::Sim, plant) => !matches!(plant, Plant::NoBarriers(_)),
        (Plane::Block, Plant::NoBarriers(_)) => has_barriers(scenario),
        (Plane::Block, plant) => matches!(plant, Plant::Bug(_)),
        // A sync that is left out shows only when the power is cut.
        (Plane::Process, Plant::Elision(one)) => one.operation == OperationKind::Write,
        (Plane::Process, _) => false,
    };
    match scenario.plants.iter().position(|plant| !fits(plant)) {
        Some(place) => refuse(
            vec![Step::Key("plant"), Step::Index(place)],
            "a plant that this plane does not have",
            "expected \"bug\", or \"no-barriers\" on ext4, where the plane is `block`; an elision of writes where it is `process`; any but \"no-barriers\" elsewhere",
        ),
        None => Ok(()),
    }
}

fn has_barriers(scenario: &Scenario) -> bool {
    let fault = scenario.device_power_loss();
    fault.is_some_and(|fault| fault.file_system == FileSystem::Ext4)
}

fn validate_block(scenario: &Scenario) -> Verdict {
    let workload = &scenario.workload;
    if workload.has_threads() || workload.changes_tables() {
        let message = "a workload that the plane `block` does not have";
        let help = "remove `threads` and `table_changes`";
        return refuse(top("workload"), message, help);
    }
    Ok(())
}

fn validate_process(scenario: &Scenario) -> Verdict {
    let workload = &scenario.workload;
    let copies = [Chore::Backup, Chore::RestorePoint];
    if workload.changes_tables() || copies.iter().any(|&chore| workload.chores(chore) > 0) {
        let message = "a workload that the plane `process` does not have";
        let help = "remove `table_changes`, `backups` and `restore_points`";
        return refuse(top("workload"), message, help);
    }
    Ok(())
}
