//! The cases of a run: what befalls the process in each.

use super::host::Blow;
use super::job::{End, Limit};
use crate::batch::CaseId;
use crate::rng::Rng;
use crate::scenario::{Fault, FileSystem, Kill, KillMoment, Resource, ResourceKind, Scenario};

/// Memory of a control group, beside what it grows by from case to case.
const CGROUP_BYTES: u64 = 24 << 20;
const MIB: u64 = 1 << 20;
/// Threads that never wait, beside one more in each case.
const RIVALS: u64 = 4;

/// One case of a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) number: u64,
    /// The fault's kind.
    pub(super) fault: &'static str,
    /// The way in which it comes.
    pub(super) way: &'static str,
    /// All lives but the last one, to which nothing happens.
    pub(super) lives: Vec<Ordeal>,
}

/// What befalls a life.
#[derive(Clone, Debug)]
pub(super) struct Ordeal {
    pub(super) end: End,
    pub(super) blow: Option<Blow>,
    pub(super) limit: Option<Limit>,
}

/// What an undisturbed life is like: what can be drawn from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measure {
    pub(super) operations: u64,
    pub(super) allocations: u64,
    pub(super) lines: u64,
    pub(super) microseconds: u64,
    /// What the files take, and the longest of them.
    pub(super) bytes: u64,
    pub(super) longest: u64,
}

impl Ordeal {
    /// Nothing happens, and the database is closed.
    pub(super) fn none() -> Self {
        Self {
            end: End::Close,
            blow: None,
            limit: None,
        }
    }

    fn short_of(what: ResourceKind, amount: u64) -> Self {
        Self {
            end: End::Leave,
            blow: None,
            limit: Some(Limit { what, amount }),
        }
    }

    /// Whether it is short of this.
    pub(super) fn is_short_of(&self, what: ResourceKind) -> bool {
        self.limit.is_some_and(|limit| limit.what == what)
    }
}

impl Plan {
    pub(super) fn id(&self) -> CaseId {
        CaseId(format!("k{}", self.number))
    }

    /// The file system of its own that it needs, if it does.
    pub(super) fn small_disk(&self) -> Option<FileSystem> {
        let mut limits = self.lives.iter().filter_map(|life| life.limit);
        limits.find_map(|limit| file_system(limit.what))
    }
}

/// The file system on which a process can be short of this.
pub(super) fn file_system(what: ResourceKind) -> Option<FileSystem> {
    match what {
        ResourceKind::Disk | ResourceKind::ReadOnly => Some(FileSystem::Ext4),
        ResourceKind::Quota => Some(FileSystem::Btrfs),
        ResourceKind::Descriptors
        | ResourceKind::FileSize
        | ResourceKind::AddressSpace
        | ResourceKind::Allocation
        | ResourceKind::CgroupMemory
        | ResourceKind::Processor => None,
    }
}

/// All cases of a run.
pub(super) fn plans(scenario: &Scenario, rng: &Rng, measure: Measure) -> Vec<Plan> {
    let mut plans = Vec::new();
    for fault in &scenario.faults {
        let cases = match fault {
            Fault::Kill(kill) => kills(kill, rng, measure),
            Fault::Resource(resource) => shortages(resource, rng, measure),
            _ => Vec::new(),
        };
        for (way, lives) in cases {
            plans.push(Plan {
                number: plans.len() as u64,
                fault: fault.name(),
                way,
                lives,
            });
        }
    }
    plans
}

type Case = (&'static str, Vec<Ordeal>);

fn kills(kill: &Kill, rng: &Rng, measure: Measure) -> Vec<Case> {
    let places = kill.places();
    let moments = kill.at.as_slice();
    let case = |point: u32| {
        let mut rng = rng.split("kill", u64::from(point));
        let (round, moment) = (
            point as usize / moments.len(),
            moments[point as usize % moments.len()],
        );
        let lives = (0..kill.generations.get()).map(|generation| {
            // A life that begins with a recovery is shorter than one from the beginning.
            let measure = match generation {
                0 => measure,
                _ => measure.shorter(),
            };
            let place = (round + generation as usize) % places.len().max(1);
            killed(moment, places.get(place).copied(), &mut rng, measure)
        });
        (moment.name(), lives.collect())
    };
    (0..kill.points.get()).map(case).collect()
}

impl Measure {
    fn shorter(self) -> Self {
        Self {
            operations: self.operations / 3 + 1,
            allocations: self.allocations / 3 + 1,
            lines: self.lines / 3 + 1,
            microseconds: self.microseconds / 3 + 1,
            ..self
        }
    }

    /// A moment at which somebody else ends a process.
    fn blow(self, rng: &mut Rng) -> Blow {
        let per_line = self.microseconds / self.lines.max(1) + 1;
        Blow {
            lines: 1 + rng.below(self.lines.max(1)),
            delay_us: rng.below(2 * per_line),
        }
    }
}

fn killed(
    moment: KillMoment,
    place: Option<&'static str>,
    rng: &mut Rng,
    measure: Measure,
) -> Ordeal {
    let mut blow = None;
    let end = match (moment, place) {
        (KillMoment::Operation, _) => End::AtOperation(1 + rng.below(measure.operations.max(1))),
        (KillMoment::Stopped, _) => End::StopsAt(2 + rng.below(measure.operations.max(1))),
        (KillMoment::Continued, _) => End::PausesAt(2 + rng.below(measure.operations.max(1))),
        (KillMoment::Failpoint, Some(place)) => End::AtFailpoint {
            name: place.to_owned(),
            hit: if rng.chance(0.5) { 1 } else { 1 + rng.below(4) },
        },
        (KillMoment::Failpoint, None) | (KillMoment::AnyTime, _) => {
            blow = Some(measure.blow(rng));
            End::FromOutside
        }
    };
    Ordeal {
        end,
        blow,
        limit: None,
    }
}

fn shortages(resource: &Resource, rng: &Rng, measure: Measure) -> Vec<Case> {
    let points = u64::from(resource.points.get());
    let mut cases = Vec::new();
    for &what in resource.what.as_slice() {
        for point in 0..points {
            let mut rng = rng.split(what.name(), point);
            let lives = shortage(what, (point, points), &mut rng, measure);
            cases.push((what.name(), lives));
        }
    }
    cases
}

/// The amounts of all points go from next to nothing to about what is needed.
fn shortage(
    what: ResourceKind,
    (point, points): (u64, u64),
    rng: &mut Rng,
    measure: Measure,
) -> Vec<Ordeal> {
    let share = |all: u64| u64::try_from(u128::from(all) * u128::from(point) / u128::from(points));
    let share = |all| share(all).unwrap_or(u64::MAX);
    let one = |amount| vec![Ordeal::short_of(what, amount)];
    match what {
        ResourceKind::Descriptors => one(point),
        ResourceKind::FileSize => one(share(measure.longest)),
        ResourceKind::Disk | ResourceKind::Quota => one(share(measure.bytes)),
        // From a quarter of a mebibyte, in steps of a half and a third.
        ResourceKind::AddressSpace => one(((2 + point % 2) * MIB / 8) << (point / 2).min(20)),
        ResourceKind::CgroupMemory => one(CGROUP_BYTES + point * MIB),
        ResourceKind::ReadOnly => one(0),
        // In a life, and in the recovery from it.
        ResourceKind::Allocation => {
            let recovery = measure.shorter().allocations;
            let width = measure.allocations / points + 1;
            let first = 1 + share(measure.allocations) + rng.below(width);
            let second = 1 + rng.below(recovery);
            vec![
                Ordeal::short_of(what, first),
                Ordeal::short_of(what, second),
            ]
        }
        ResourceKind::Processor => vec![Ordeal {
            end: End::FromOutside,
            blow: Some(measure.blow(rng)),
            limit: Some(Limit {
                what,
                amount: RIVALS + point,
            }),
        }],
    }
}
