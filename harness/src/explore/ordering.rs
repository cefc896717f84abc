//! Orderings: what would have to reach the disk before something else so that none of a trace's crash states fails.
//!
//! 1. An ordering makes nothing durable. It says of two lots of operations that anything of the second is on disk only if all of the first is:
//!    a barrier between them, or the other order where the second was issued first. So it is less than a sync, and can be of more than one file.
//! 2. It only takes survivals away. A survival that breaks it stands for two that keep it: with all of the first lot, and with nothing of
//!    the second. Both must be right. Where neither is possible, since what was synced is there and what was not issued is not, it stays as it is.
//! 3. Orderings are proposed only if they end all failing states, no single sync does, and it takes fewer of them than syncs.
//! 4. The target is not run again with them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use lightning_report::Repair;

use super::exact::left_by;
use super::exact_case::Survives;
use super::repair::{spread, syncs_of};
use super::timeline::operation_text;
use super::trials::{Added, Failing, Trial, Trials};
use crate::crash::{Piece, pieces};
use crate::trace::{DiskState, Event, Name, Operation, Order, TracePosition};

/// Orderings that are added, at most.
const ORDERINGS: usize = 3;
/// Failing trials that candidates are compared by, at most.
const COMPARED: usize = 40;
/// Places of a barrier that are tried.
const BARRIERS: usize = 24;
/// Operations that are tried on each side of an exchange.
const EXCHANGED: usize = 10;
/// States that are recovered on the way.
const STATES: u64 = 4_000;

/// An operation that changed the disk.
struct Change<'t> {
    /// The number of its event.
    event: usize,
    order: Order,
    operation: &'t Operation,
}

/// All of `first` is on disk before anything of `then`.
#[derive(Clone, Debug)]
struct Ordering {
    first: BTreeSet<Order>,
    then: BTreeSet<Order>,
}

/// The disk before a cut.
struct Moment {
    before: DiskState,
    pieces: Vec<Piece>,
    pending: BTreeSet<Order>,
    /// Operations up to it.
    issued: BTreeSet<Order>,
}

/// How a survival is made to keep an ordering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    WithTheFirst,
    WithoutTheSecond,
}

type Kept = BTreeSet<Piece>;

/// The orderings that end a finding; none if none do, or syncs do as well: so many, or one if no number of them does.
pub(super) fn orderings(
    trials: &mut Trials<'_, '_>,
    failing: &[Failing],
    syncs: Option<usize>,
) -> Vec<Repair> {
    let fewer_than = syncs.unwrap_or(ORDERINGS + 1);
    if fewer_than <= 1 || failing.is_empty() {
        return Vec::new();
    }
    trials.allow(STATES);
    let life = trials.life;
    let mut search = Search {
        changes: changes(trials, &life.trace.events),
        moments: BTreeMap::new(),
        trials,
    };
    let found = search.run(&spread(failing, COMPARED), fewer_than - 1);
    let all = search.trials.all.clone();
    let mut repairs = Vec::new();
    for count in 1..=found.len() {
        let still = search.count(&found[..count], &all, usize::MAX);
        let Some(ordering) = found.get(count - 1) else {
            continue;
        };
        repairs.push(Repair {
            what: search.text(ordering),
            removed: failing.len().saturating_sub(still) as u64,
            failing: failing.len() as u64,
            dropped: None,
        });
    }
    let ends_all = repairs
        .last()
        .is_some_and(|last| last.removed == last.failing);
    // Of what was not tried nothing can be said.
    if !ends_all || search.trials.is_spent() {
        repairs.clear();
    }
    repairs
}

fn changes<'t>(trials: &Trials<'_, '_>, events: &'t [Event]) -> Vec<Change<'t>> {
    let numbered = events.iter().zip(trials.orders()).enumerate();
    let change = |(event, (what, order)): (usize, (&'t Event, Option<Order>))| {
        Some(Change {
            event,
            order: order?,
            operation: what.applied()?,
        })
    };
    numbered.filter_map(change).collect()
}

struct Search<'t, 'e, 's> {
    trials: &'t mut Trials<'e, 's>,
    changes: Vec<Change<'e>>,
    moments: BTreeMap<TracePosition, Rc<Moment>>,
}

impl Search<'_, '_, '_> {
    /// The one that ends most, then the next, as long as that ends more; then each as small as it can be.
    fn run(&mut self, compared: &[Trial], most: usize) -> Vec<Ordering> {
        let mut chosen: Vec<Ordering> = Vec::new();
        let mut left = compared.len();
        while left > 0 && chosen.len() < most && !self.trials.is_spent() {
            let still = compared.iter().find(|trial| self.fails(&chosen, trial));
            let Some(still) = still.cloned() else { break };
            let mut best = None;
            for candidate in self.candidates(&still) {
                let with = [chosen.as_slice(), std::slice::from_ref(&candidate)].concat();
                let count = self.count(&with, compared, left);
                if count < left {
                    left = count;
                    best = Some(candidate);
                }
                if left == 0 {
                    break;
                }
            }
            match best {
                Some(best) => chosen.push(best),
                None => return Vec::new(),
            }
        }
        if left > 0 {
            return Vec::new();
        }
        for place in 0..chosen.len() {
            self.leave_out(&mut chosen, place, compared);
        }
        chosen
    }

    /// Barriers before what is there while something before it is lost; and the other order of two operations.
    fn candidates(&mut self, trial: &Trial) -> Vec<Ordering> {
        let moment = self.moment(trial.at);
        let Some(kept) = moment.kept(&trial.survives) else {
            return Vec::new();
        };
        let there = |order: Order| moment.is_there(order, &kept);
        let is_whole = |order: Order| moment.is_whole(order, &kept);
        let issued = |change: &&Change<'_>| moment.issued.contains(&change.order);
        let first_lost = self.changes.iter().filter(issued);
        let first_lost = first_lost
            .filter(|change| !is_whole(change.order))
            .map(|change| change.event)
            .min();
        let present: Vec<&Change<'_>> = self.changes.iter().filter(issued).collect();
        let present = present.into_iter().filter(|change| there(change.order));
        let present: Vec<&Change<'_>> = present.collect();
        let orders = |range: &dyn Fn(usize) -> bool| {
            let all = self.changes.iter();
            let all = all.filter(|change| range(change.event));
            all.map(|change| change.order).collect::<BTreeSet<_>>()
        };
        let mut candidates = Vec::new();
        let places = present.iter().rev().map(|change| change.event);
        let places = places.filter(|&place| first_lost.is_some_and(|lost| lost < place));
        for place in places.take(BARRIERS) {
            candidates.push(Ordering {
                first: orders(&|event| event < place),
                then: orders(&|event| event >= place),
            });
        }
        let early = present.iter().rev();
        let early = early.filter(|change| moment.pending.contains(&change.order));
        for then in early.take(EXCHANGED) {
            let later = self
                .changes
                .iter()
                .filter(|change| change.event > then.event);
            let lacking = later.filter(|change| !is_whole(change.order));
            candidates.extend(lacking.take(EXCHANGED).map(|first| Ordering {
                first: [first.order].into(),
                then: [then.order].into(),
            }));
        }
        candidates
    }

    /// How many trials fail with some orderings; `most` or more are `most`.
    fn count(&mut self, orderings: &[Ordering], among: &[Trial], most: usize) -> usize {
        let mut count = 0;
        for trial in among {
            if count >= most {
                break;
            }
            count += usize::from(self.fails(orderings, trial));
        }
        count
    }

    fn fails(&mut self, orderings: &[Ordering], trial: &Trial) -> bool {
        let (at, model) = (trial.at, self.trials.model());
        let rng = self.trials.rng();
        let moment = self.moment(at);
        let kept = moment.kept(&trial.survives);
        let ways = [Way::WithTheFirst, Way::WithoutTheSecond];
        let ways = ways.iter().filter_map(|&way| {
            let kept = kept.clone()?;
            let kept = kept_by(&moment, kept, orderings, way)?;
            Some(Survives::of(&kept, &moment.pieces))
        });
        let mut survivals: Vec<Survives> = ways.collect();
        if survivals.is_empty() {
            survivals.push(trial.survives.clone());
        }
        let left = survivals.iter();
        let left = left.filter_map(|survives| left_by(&moment.before, model, survives, &rng));
        let left: Vec<DiskState> = left.collect();
        left.iter().any(|after| self.trials.fails(at, after))
    }

    fn moment(&mut self, at: TracePosition) -> Rc<Moment> {
        let (trials, changes) = (&self.trials, &self.changes);
        let moment = self.moments.entry(at).or_insert_with(|| {
            let before = trials.before(at, &Added::new());
            let pieces = pieces(&before);
            let issued = changes.iter().filter(|change| change.event < at.index());
            Rc::new(Moment {
                pending: pieces.iter().map(|piece| piece.order).collect(),
                issued: issued.map(|change| change.order).collect(),
                pieces,
                before,
            })
        });
        Rc::clone(moment)
    }

    /// Leaves out what was done to files or directories, where the rest does as well.
    fn leave_out(&mut self, chosen: &mut [Ordering], place: usize, compared: &[Trial]) {
        let touched: BTreeSet<Name> = self.changes.iter().map(name_of).collect();
        for is_first in [true, false] {
            for name in &touched {
                let with = chosen[place].clone();
                let of_name = self
                    .changes
                    .iter()
                    .filter(|change| name_of(change) == *name);
                let orders: BTreeSet<Order> = of_name.map(|change| change.order).collect();
                let lot = if is_first {
                    &mut chosen[place].first
                } else {
                    &mut chosen[place].then
                };
                let fewer: BTreeSet<Order> = lot.difference(&orders).copied().collect();
                if fewer.is_empty() || fewer.len() == lot.len() {
                    continue;
                }
                *lot = fewer;
                if self.count(chosen, compared, 1) > 0 {
                    chosen[place] = with;
                }
            }
        }
    }

    fn text(&self, ordering: &Ordering) -> String {
        let lot = |orders: &BTreeSet<Order>| {
            let all = self.changes.iter();
            all.filter(|change| orders.contains(&change.order))
                .collect::<Vec<_>>()
        };
        let (first, then) = (lot(&ordering.first), lot(&ordering.then));
        let edge = then.first().map_or(0, |change| change.event);
        format!(
            "{} on disk before {}",
            lot_text(&first, &format!("before operation {edge}")),
            lot_text(&then, "from there on"),
        )
    }
}

fn lot_text(lot: &[&Change<'_>], when: &str) -> String {
    if let [only] = lot {
        let text = operation_text(only.operation);
        return format!("operation {} ({text})", only.event);
    }
    let names: BTreeSet<Name> = lot.iter().map(|change| name_of(change)).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    format!("what is done to {} {when}", names.join(", "))
}

/// The file or directory that would have to be synced.
fn name_of(change: &Change<'_>) -> Name {
    match syncs_of(change.operation).first() {
        Some(Operation::Sync(file)) => Arc::clone(&file.name),
        Some(Operation::SyncDir { dir }) if dir.is_empty() => Name::from("the directory"),
        Some(Operation::SyncDir { dir }) => Arc::clone(dir),
        _ => Name::from(operation_text(change.operation)),
    }
}

impl Moment {
    /// The pieces that survive; nothing if that is drawn.
    fn kept(&self, survives: &Survives) -> Option<Kept> {
        let mut kept = Kept::new();
        for &piece in &self.pieces {
            if survives.keeps(piece)? {
                kept.insert(piece);
            }
        }
        Some(kept)
    }

    /// Whether something of an operation is on disk.
    fn is_there(&self, order: Order, kept: &Kept) -> bool {
        let is_durable = !self.pending.contains(&order);
        let mut own = kept.iter().filter(|piece| piece.order == order);
        self.issued.contains(&order) && (is_durable || own.next().is_some())
    }

    /// Whether all of it is.
    fn is_whole(&self, order: Order, kept: &Kept) -> bool {
        let mut own = self.pieces.iter().filter(|piece| piece.order == order);
        self.issued.contains(&order) && own.all(|piece| kept.contains(piece))
    }
}

/// What survives if orderings are kept; nothing if they cannot be, this way.
fn kept_by(moment: &Moment, mut kept: Kept, orderings: &[Ordering], way: Way) -> Option<Kept> {
    for _ in 0..=orderings.len() {
        let broken = orderings.iter().find(|one| one.is_broken(moment, &kept));
        let Some(broken) = broken else {
            return Some(kept);
        };
        match way {
            Way::WithTheFirst if broken.first.is_subset(&moment.issued) => {
                let first = moment.pieces.iter();
                kept.extend(first.filter(|piece| broken.first.contains(&piece.order)));
            }
            Way::WithoutTheSecond => {
                kept.retain(|piece| !broken.then.contains(&piece.order));
            }
            Way::WithTheFirst => return None,
        }
        if broken.is_broken(moment, &kept) {
            return None;
        }
    }
    None
}

impl Ordering {
    fn is_broken(&self, moment: &Moment, kept: &Kept) -> bool {
        let mut then = self.then.iter();
        let mut first = self.first.iter();
        then.any(|&order| moment.is_there(order, kept))
            && !first.all(|&order| moment.is_whole(order, kept))
    }
}
