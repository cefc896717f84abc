//! What there is to exercise: every fault by every check, but for those that have nothing to do with each other.

use lightning_report::{Grid, Impossible};

use crate::batch::ON_THREADS;
use crate::failpoints;
use crate::scenario::{
    CheckKind, CrashModel, DamageKind, FailpointAction, KillMoment, ResourceKind, SystemError,
};

/// Crashes, and what only lets others in between: nothing fails while the database is open.
const WITHOUT_FAILURES: [&str; 6] = [
    "latency",
    "power-loss",
    "device-power-loss",
    "failpoint: power-loss",
    "failpoint: process-death",
    "failpoint: yield",
];

/// All that could be exercised with this build, on whatever machine.
pub(super) fn grid() -> Grid {
    let models = CrashModel::ALL.map(|model| format!("power-loss: {model}"));
    let errors = SystemError::ALL.map(|error| format!("io-error: {error}"));
    let damages = DamageKind::ALL.map(|kind| format!("damage: {kind}"));
    let kills = KillMoment::ALL.map(|moment| format!("kill: {}", moment.name()));
    let resources = ResourceKind::ALL.map(|what| format!("resource: {}", what.name()));
    let actions = if failpoints::catalogue().is_empty() {
        Vec::new()
    } else {
        FailpointAction::ALL
            .map(|action| action.fault_name().to_owned())
            .to_vec()
    };
    let faults = models.into_iter().chain(errors).chain(damages);
    let faults = faults.chain(kills).chain(resources);
    let on_threads = ["power-loss", "io-error", "damage"];
    let on_threads = on_threads.map(|fault| format!("{fault}: {ON_THREADS}"));
    let faults = faults.chain(on_threads).chain(["latency".to_owned()]);
    Grid {
        faults: faults.chain(actions).collect(),
        checks: CheckKind::ALL.map(|kind| kind.name().to_owned()).to_vec(),
        impossible: CheckKind::ALL.into_iter().flat_map(impossible).collect(),
    }
}

/// The faults under which a check has nothing to look at.
fn impossible(check: CheckKind) -> Vec<Impossible> {
    let because = |fault: &str, reason: &str| Impossible {
        fault: fault.to_owned(),
        check: check.name().to_owned(),
        reason: reason.to_owned(),
    };
    let mut all = Vec::new();
    if matches!(check, CheckKind::ReadsGoOn | CheckKind::Liveness) {
        let reason = "nothing fails while the database is open";
        for fault in WITHOUT_FAILURES.into_iter().chain(["damage"]) {
            all.push(because(fault, reason));
        }
    } else if check == CheckKind::NoWrongReads {
        let reason =
            "what may be read is said by durability, atomicity, no-garbage and reads-go-on";
        for fault in [
            "power-loss",
            "device-power-loss",
            "io-error",
            "failpoint",
            "latency",
        ] {
            all.push(because(fault, reason));
        }
        let reason = "an old copy that is whole cannot be told from the newest one";
        all.push(because("damage: stale", reason));
    } else if !matches!(check, CheckKind::NoPanic | CheckKind::NoHang) {
        let reason =
            "damage may take what was durable: what is owed is that reads are right, or fail";
        all.push(because("damage", reason));
    }
    let in_processes = impossible_in_processes(check).into_iter();
    all.extend(in_processes.map(|(fault, reason)| because(&fault, reason)));
    let reason = "the engine promises nothing on media that tear a sector";
    all.push(because("power-loss: media", reason));
    all
}

/// The same for faults of processes.
fn impossible_in_processes(check: CheckKind) -> Vec<(String, &'static str)> {
    let all = |reason| vec![("kill".to_owned(), reason), ("resource".to_owned(), reason)];
    match check {
        CheckKind::Liveness => {
            let reason = "what lacks is there again for the next process only";
            let others = ResourceKind::ALL.into_iter();
            let others =
                others.filter(|what| !matches!(what, ResourceKind::Disk | ResourceKind::Quota));
            let others = others.map(|what| (format!("resource: {}", what.name()), reason));
            let kill = "nothing fails while the database is open";
            others.chain([("kill".to_owned(), kill)]).collect()
        }
        CheckKind::ReadsGoOn => {
            let reads = [
                ResourceKind::Disk,
                ResourceKind::Quota,
                ResourceKind::ReadOnly,
                ResourceKind::FileSize,
            ];
            let others = ResourceKind::ALL.into_iter();
            let others = others.filter(|what| !reads.contains(what));
            let reason = "reading needs what lacks, or it does not show";
            let others = others.map(|what| (format!("resource: {}", what.name()), reason));
            let kill = "nothing fails while the database is open";
            others.chain([("kill".to_owned(), kill)]).collect()
        }
        CheckKind::Durability
        | CheckKind::Atomicity
        | CheckKind::PrefixOrder
        | CheckKind::NoGarbage
        | CheckKind::Integrity
        | CheckKind::NoPanic
        | CheckKind::NoHang => Vec::new(),
        _ => all("not looked at in processes of their own, where no run repeats to the byte"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_hangs_are_possible_everywhere_but_where_nothing_is_promised() {
        let grid = grid();
        for fault in &grid.faults {
            for check in ["no-panic", "no-hang"] {
                let why = grid.why_not(fault, check);
                assert_eq!(
                    why.is_some(),
                    fault == "power-loss: media",
                    "{fault} {check}"
                );
            }
            let checks = grid.checks.iter();
            let mut possible = checks.filter(|check| grid.why_not(fault, check).is_none());
            let is_media = fault == "power-loss: media";
            assert_eq!(possible.next().is_none(), is_media, "{fault}");
        }
    }
}
