//! What the types alone cannot refuse of faults.

use std::collections::BTreeSet;

use super::validate::{Step, Verdict, fault, refuse, top};
use super::validate_failpoint::validate_failpoint;
use super::validate_plane::{validate_kill, validate_plane};
use super::{
    CLIENTS_BESIDE_DAMAGE_MAX, CrashModel, CrashPoints, Damage, DamagePlaces, DurabilityLevel,
    Fault, FirstFailure, IoError, IoOperation, PowerLoss, Scenario, SurvivalCoverage,
};

const GENERATIONS_MAX: u32 = 4;
const REOPENINGS_MAX: u32 = 16;

pub(super) fn validate_faults(scenario: &Scenario) -> Verdict {
    if scenario.faults.is_empty() {
        let message = "no fault: a run in which nothing breaks shows nothing";
        let help = "add a [[fault]] with its kind, such as \"power-loss\"";
        return refuse(top("format"), message, help);
    }
    let mut seen = BTreeSet::new();
    for (place, one) in scenario.faults.iter().enumerate() {
        if !seen.insert(one.name()) {
            let help = match one {
                Fault::PowerLoss(_) => {
                    "for crashes of different kinds give `model` a list, one for each generation"
                }
                Fault::IoError(_) => "give `error`, `operation` or `lasts` a list",
                Fault::Damage(_) | Fault::Resource(_) => "give `what` a list",
                Fault::Failpoint(_) => "give `name` a list",
                Fault::DevicePowerLoss(_) => "write a scenario for each file system",
                Fault::Kill(_) => "give `at` a list",
                Fault::Latency(_) => "give `operation` a list",
            };
            return refuse(
                vec![Step::Key("fault"), Step::Index(place)],
                format!("a second fault of kind `{}`", one.name()),
                help,
            );
        }
        match one {
            Fault::PowerLoss(power_loss) => validate_power_loss(place, power_loss)?,
            Fault::IoError(io_error) => validate_io_error(place, io_error)?,
            Fault::Damage(damage) => validate_damage(place, damage)?,
            Fault::Failpoint(failpoint) => validate_failpoint(place, failpoint, scenario)?,
            Fault::DevicePowerLoss(_) | Fault::Resource(_) => {}
            Fault::Kill(kill) => validate_kill(place, kill)?,
            Fault::Latency(_) => validate_latency(place, scenario)?,
        }
    }
    validate_plane(scenario)?;
    validate_composition(scenario)
}

fn validate_io_error(place: usize, io_error: &IoError) -> Verdict {
    if io_error.reopenings > REOPENINGS_MAX {
        let message = format!("{} reopenings", io_error.reopenings);
        return refuse(fault(place, "reopenings"), message, "expected 16 at most");
    }
    for &error in io_error.error.as_slice() {
        let asked = io_error.operation.as_slice().iter();
        let mut wrong = asked.filter(|asked| !error.operations().contains(asked));
        if let Some(operation) = wrong.find(|&&operation| operation != IoOperation::All) {
            let message = format!("`{operation}` does not fail with {error}");
            let help = "name operations that can, or \"all\" for those that can";
            return refuse(fault(place, "operation"), message, help);
        }
    }
    match (io_error.at, io_error.points) {
        (FirstFailure::Sampled, None) => refuse(
            fault(place, "at"),
            "sampled failures without their number",
            "add `points`, the first failures drawn in each run",
        ),
        (FirstFailure::EveryOperation, Some(_)) => refuse(
            fault(place, "points"),
            "`points` without sampling",
            "remove it, or say at = \"sampled\"",
        ),
        _ => Ok(()),
    }
}

fn validate_latency(place: usize, scenario: &Scenario) -> Verdict {
    let is_crash = |fault: &Fault| matches!(fault, Fault::PowerLoss(_));
    let mut others = scenario.faults.iter().filter(|one| !is_crash(one));
    if scenario.power_loss().is_none() || others.any(|one| !matches!(one, Fault::Latency(_))) {
        let message = "slow operations without a power loss, or beside other faults";
        let help = "expected one other [[fault]], of kind \"power-loss\"";
        return refuse(fault(place, "kind"), message, help);
    }
    Ok(())
}

fn validate_damage(place: usize, damage: &Damage) -> Verdict {
    match (damage.at, damage.points) {
        (DamagePlaces::Sampled, None) => refuse(
            fault(place, "at"),
            "sampled damage without its number",
            "add `points`, the places drawn in each run for each kind",
        ),
        (DamagePlaces::EveryByte, Some(_)) => refuse(
            fault(place, "points"),
            "`points` without sampling",
            "remove it, or say at = \"sampled\"",
        ),
        _ => Ok(()),
    }
}

/// What does not go together.
fn validate_composition(scenario: &Scenario) -> Verdict {
    if scenario.damage().is_some() {
        if scenario.faults.len() > 1 {
            let help = "remove one: damage meets a database that nothing else has troubled";
            return refuse(top("fault"), "damage beside other faults", help);
        }
        let levels = scenario.workload.durability().as_slice();
        if levels != [DurabilityLevel::Sync] {
            let path = vec![Step::Key("workload"), Step::Key("durability")];
            let help = "remove `durability`: what is not synced may be gone without any damage";
            return refuse(path, "damage, and commits that are not synced", help);
        }
        if scenario.workload.changes_tables() {
            let help =
                "remove `table_changes`: what a row may be is known where tables stay as they are";
            return refuse(
                top("workload"),
                "damage, and a workload that changes tables",
                help,
            );
        }
        let (clients, _, _) = scenario.workload.clients_tables_rollbacks();
        if scenario.workload.has_threads() && clients.get() > CLIENTS_BESIDE_DAMAGE_MAX {
            let path = vec![Step::Key("workload"), Step::Key("clients")];
            let message = format!("damage, and {clients} clients on threads of their own");
            return refuse(path, message, "expected 8 at most");
        }
    }
    if scenario.io_error().is_none() {
        return Ok(());
    }
    match scenario.power_loss() {
        Some((other, power_loss))
            if power_loss.model.as_slice() != [CrashModel::Posix]
                || power_loss.coverage != SurvivalCoverage::Sampled =>
        {
            let message = "a power loss beside errors of storage";
            let help = "expected model \"posix\" and sampled coverage: what a failed sync leaves is known there";
            refuse(fault(other, "model"), message, help)
        }
        _ => Ok(()),
    }
}

fn validate_coverage(place: usize, power_loss: &PowerLoss) -> Verdict {
    let model = power_loss.model_of(0);
    match (power_loss.coverage, power_loss.leaves) {
        (SurvivalCoverage::Lazy, _) if model != CrashModel::Posix => {
            let message = format!("lazy coverage of `{model}`");
            let help = "expected model \"posix\" for the first crash";
            refuse(fault(place, "coverage"), message, help)
        }
        (SurvivalCoverage::Sampled, Some(_)) => refuse(
            fault(place, "leaves"),
            "`leaves` without lazy coverage",
            "remove it, or say coverage = \"lazy\"",
        ),
        _ => Ok(()),
    }
}

fn validate_power_loss(place: usize, power_loss: &PowerLoss) -> Verdict {
    validate_coverage(place, power_loss)?;
    let generations = power_loss.generations.get();
    if generations > GENERATIONS_MAX {
        let message = format!("{generations} generations");
        return refuse(fault(place, "generations"), message, "expected 4 at most");
    }
    let models = power_loss.model.as_slice().len();
    if models > 1 && models != generations as usize {
        let message = format!("{models} models for {generations} generations");
        return refuse(
            fault(place, "model"),
            message,
            "expected one model, or one for each generation",
        );
    }
    match (power_loss.at, power_loss.points) {
        (CrashPoints::Sampled, None) => {
            let message = "sampled crash points without their number";
            refuse(
                fault(place, "at"),
                message,
                "add `points`, the crash points drawn in each run",
            )
        }
        (CrashPoints::EveryOperation | CrashPoints::EverySync, Some(_)) => {
            let message = "`points` without sampling";
            refuse(
                fault(place, "points"),
                message,
                "remove it, or say at = \"sampled\"",
            )
        }
        _ => Ok(()),
    }
}
