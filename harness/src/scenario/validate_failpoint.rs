//! What the types alone cannot refuse of failpoints.

use super::failpoint::covers;
use super::suggest::did_you_mean;
use super::validate::{Refusal, Verdict, fault, refuse};
use super::{FailpointAction, FailpointFault, Fault, Occurrence, OneOrMany, Scenario};
use crate::failpoints;

const GENERATIONS_MAX: u32 = 4;
const REOPENINGS_MAX: u32 = 16;

pub(super) fn validate_failpoint(
    place: usize,
    failpoint: &FailpointFault,
    scenario: &Scenario,
) -> Verdict {
    validate_names(place, failpoint)?;
    validate_numbers(place, failpoint)?;
    let others = || {
        scenario
            .faults
            .iter()
            .enumerate()
            .filter(move |(other, _)| *other != place)
    };
    match failpoint.action {
        FailpointAction::Error => {
            if others().next().is_some() {
                let help = "remove the others: which step fails is known where nothing else does";
                return refuse(fault(place, "action"), "an error beside other faults", help);
            }
            Ok(())
        }
        FailpointAction::Yield => {
            if !scenario.workload.has_threads() || scenario.power_loss().is_none() {
                let help =
                    "add `threads = true` to the workload, and a [[fault]] of kind \"power-loss\"";
                let message = "a place where nobody else can run, or nothing happens then";
                return refuse(fault(place, "action"), message, help);
            }
            Ok(())
        }
        FailpointAction::PowerLoss | FailpointAction::ProcessDeath => {
            let is_crash =
                |one: &Fault| matches!(one, Fault::Failpoint(one) if one.action.model().is_some());
            if others().any(|(_, one)| !is_crash(one)) {
                let help = "remove the others, or give them a file of their own";
                return refuse(
                    fault(place, "action"),
                    "crashes at failpoints beside other faults",
                    help,
                );
            }
            Ok(())
        }
    }
}

fn validate_numbers(place: usize, failpoint: &FailpointFault) -> Verdict {
    let is_crash = failpoint.action.model().is_some();
    if failpoint.generations.get() > GENERATIONS_MAX {
        let message = format!("{} generations", failpoint.generations);
        return refuse(fault(place, "generations"), message, "expected 4 at most");
    }
    if failpoint.reopenings > REOPENINGS_MAX {
        let message = format!("{} reopenings", failpoint.reopenings);
        return refuse(fault(place, "reopenings"), message, "expected 16 at most");
    }
    if !is_crash && failpoint.generations.get() > 1 {
        let help = "remove it, or ask for a crash";
        return refuse(
            fault(place, "generations"),
            "generations without a crash",
            help,
        );
    }
    if failpoint.action != FailpointAction::Error && failpoint.reopenings > 0 {
        let help = "remove it, or say action = \"error\"";
        return refuse(
            fault(place, "reopenings"),
            "reopenings without an error",
            help,
        );
    }
    if failpoint.points.is_some() && (!is_crash || failpoint.hit != Occurrence::Every) {
        let help = "remove it: it chooses among all times that a place is reached, for a crash";
        return refuse(
            fault(place, "points"),
            "`points` where there is nothing to choose",
            help,
        );
    }
    Ok(())
}

/// Each name must be there, each pattern cover something. A build without failpoints knows none, and runs none.
fn validate_names(place: usize, failpoint: &FailpointFault) -> Verdict {
    let catalogue = failpoints::catalogue();
    if catalogue.is_empty() {
        return Ok(());
    }
    let is_error = failpoint.action == FailpointAction::Error;
    let left_out = failpoint
        .except
        .as_ref()
        .map_or(&[][..], OneOrMany::as_slice);
    let named = failpoint
        .name
        .as_slice()
        .iter()
        .map(|pattern| ("name", pattern));
    for (key, pattern) in named.chain(left_out.iter().map(|pattern| ("except", pattern))) {
        let covered = || catalogue.iter().filter(|one| covers(pattern, one.name));
        if covered().next().is_none() {
            let known: Vec<&str> = catalogue.iter().map(|one| one.name).collect();
            let help = match did_you_mean(pattern, &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`chaos failpoints` lists those there are".to_owned(),
            };
            let message = format!("there is no failpoint `{pattern}`");
            return Err(Refusal::new(fault(place, key), message, help));
        }
        if is_error && !covered().any(|one| one.can_fail) {
            let message = format!("nothing can fail at `{pattern}`");
            let help = "`chaos failpoints` says which can";
            return refuse(fault(place, key), message, help);
        }
    }
    if failpoint.places().is_empty() {
        let help = "let `except` leave out less";
        return refuse(fault(place, "except"), "no failpoint is left", help);
    }
    Ok(())
}
