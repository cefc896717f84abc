//! Scenarios that fit any engine, as they are in `scenarios/drivers`.

use super::check::Asked;

/// The names of the scenarios that [`Check::scenario`](super::Check::scenario) knows, in the order in which
/// [`Check::every_scenario`](super::Check::every_scenario) runs them.
pub const BUILTIN: [&str; 6] = [
    "power-loss",
    "process-crash",
    "io-errors",
    "failed-sync",
    "full-disk",
    "damage",
];

const TEXTS: [&str; 6] = [
    include_str!("../../../scenarios/drivers/driver-power-loss.toml"),
    include_str!("../../../scenarios/drivers/driver-process-crash.toml"),
    include_str!("../../../scenarios/drivers/driver-io-errors.toml"),
    include_str!("../../../scenarios/drivers/driver-failed-sync.toml"),
    include_str!("../../../scenarios/drivers/driver-full-disk.toml"),
    include_str!("../../../scenarios/drivers/driver-damage.toml"),
];

/// The scenario of this name.
pub(super) fn named(name: &str) -> Option<Asked> {
    let place = BUILTIN.iter().position(|known| *known == name)?;
    Some(Asked {
        file: format!("scenarios/drivers/driver-{name}.toml"),
        text: TEXTS[place].to_owned(),
    })
}
