//! Which of the pending versions survive: a rule for each kind of thing.
//!
//! A rule decides from (salt, operation, place) alone, so the order in which it is asked does not matter. Rules are
//! drawn to be various rather than alike: bugs hide where one write is lost, or one is kept, as well as where half are.

use super::journal::Replayed;
use crate::rng::Rng;
use crate::trace::{DiskState, FileState, InodeId, NameChange, Order};

#[derive(Clone, Copy, Debug)]
enum Rule {
    Nothing,
    Everything,
    /// Each version of each sector with this probability.
    Apart(f64),
    /// Each operation, as a whole, with this probability.
    Whole(f64),
    /// All but one operation.
    Without(Order),
    /// One operation alone.
    Only(Order),
    /// The operations up to one.
    UpTo(Order),
    /// One write is torn at an offset: its head or its tail survives. The others survive or not.
    Torn {
        order: Order,
        at: u64,
        head: bool,
        others: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Survival {
    rule: Rule,
    salt: u64,
}

impl Survival {
    fn keeps(&self, order: Order, place: u64) -> bool {
        match self.rule {
            Rule::Nothing => false,
            Rule::Everything => true,
            Rule::Apart(p) => chance(p, self.salt ^ mix(order.0 ^ mix(place))),
            Rule::Whole(p) => chance(p, self.salt ^ mix(order.0)),
            Rule::Without(lost) => order != lost,
            Rule::Only(kept) => order == kept,
            Rule::UpTo(last) => order <= last,
            Rule::Torn {
                order: torn,
                at,
                head,
                others,
            } => {
                if order == torn {
                    ((place & OFFSET) < at) == head
                } else {
                    others
                }
            }
        }
    }
}

/// The bits of a place that say where in its file it is; those above tell files apart.
const OFFSET: u64 = (1 << 40) - 1;

/// What survives of sectors, sizes and names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    sectors: Survival,
    sizes: Survival,
    names: Survival,
}

impl Plan {
    pub(super) fn all(survives: bool) -> Self {
        let rule = if survives {
            Rule::Everything
        } else {
            Rule::Nothing
        };
        let one = Survival { rule, salt: 0 };
        Self {
            sectors: one,
            sizes: one,
            names: one,
        }
    }

    pub(super) fn drawn(state: &DiskState, rng: &mut Rng) -> Self {
        let pending = Pending::of(state);
        let sectors = pending.survival(rng);
        let mut beside = || {
            if rng.chance(0.5) {
                sectors
            } else {
                pending.survival(rng)
            }
        };
        Self {
            sectors,
            sizes: beside(),
            names: beside(),
        }
    }

    pub(super) fn keeps_name(&self, change: &NameChange) -> bool {
        self.names.keeps(change.order, 0)
    }

    pub(super) fn resolve(&self, inode: InodeId, file: &FileState) -> FileState {
        let place = u64::from(inode.0) << 40;
        let kept = file.sizes().filter(|size| {
            size.order == Order::BASE || self.sizes.keeps(size.order, place | size.len.min(OFFSET))
        });
        let (order, len) = kept
            .last()
            .map_or((Order::BASE, 0), |size| (size.order, size.len));
        let cuts = file.cuts_after(order);
        file.survivor(len, |offset, order| {
            !cuts.took(offset, order) && self.sectors.keeps(order, place | offset)
        })
    }
}

/// As `journaled` has it.
impl Plan {
    pub(super) fn resolve_journaled(
        &self,
        inode: InodeId,
        file: &FileState,
        replayed: &Replayed,
    ) -> FileState {
        let place = u64::from(inode.0) << 40;
        let lens = replayed.lens(file);
        let grown = lens.iter().skip(1).rev();
        let mut kept =
            grown.filter(|size| self.sizes.keeps(size.order, place | size.len.min(OFFSET)));
        let Some(&size) = kept.next().or(lens.first()) else {
            return file.clone();
        };
        let floors = replayed.floors(file, size);
        file.survivor(size.len, |offset, order| {
            order <= floors.oldest(offset)
                || floors.allows(offset, order) && self.sectors.keeps(order, place | offset)
        })
    }
}

/// What is pending, to draw from.
struct Pending {
    orders: Vec<Order>,
    writes: Vec<(Order, u64, u64)>,
}

impl Pending {
    fn of(state: &DiskState) -> Self {
        let mut orders: Vec<Order> = state.names().pending().iter().map(|c| c.order).collect();
        let mut writes = Vec::new();
        for (_, file) in state.files() {
            orders.extend(file.sizes().skip(1).map(|size| size.order));
            orders.extend(file.writes().iter().map(|write| write.order));
            writes.extend(
                file.writes()
                    .iter()
                    .map(|write| (write.order, write.offset, write.len)),
            );
        }
        orders.sort_unstable();
        orders.dedup();
        Self { orders, writes }
    }

    fn survival(&self, rng: &mut Rng) -> Survival {
        let density = [0.05, 0.25, 0.5, 0.75, 0.95][rng.index(5)];
        let rule = match rng.below(10) {
            0 => Rule::Nothing,
            1 => Rule::Everything,
            2 | 3 => Rule::Apart(density),
            4 => Rule::Whole(density),
            5 => Rule::Without(self.one(rng)),
            6 => Rule::Only(self.one(rng)),
            7 => Rule::UpTo(self.one(rng)),
            _ => self.torn(rng),
        };
        Survival {
            rule,
            salt: rng.next_u64(),
        }
    }

    /// One of the operations, the newest more often than others.
    fn one(&self, rng: &mut Rng) -> Order {
        let recent = if rng.chance(0.5) {
            self.orders.len()
        } else {
            3
        };
        let from = self.orders.len().saturating_sub(recent);
        rng.pick(&self.orders[from..]).copied().unwrap_or_default()
    }

    fn torn(&self, rng: &mut Rng) -> Rule {
        let Some(&(order, offset, len)) = rng.pick(&self.writes) else {
            return Rule::Everything;
        };
        let at = offset + rng.below(len + 1);
        Rule::Torn {
            order,
            at,
            head: rng.chance(0.5),
            others: rng.chance(0.5),
        }
    }
}

fn chance(p: f64, bits: u64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let unit = (mix(bits) >> 11) as f64 / (1_u64 << 53) as f64;
    unit < p
}

/// The finaliser of splitmix64.
fn mix(bits: u64) -> u64 {
    let z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
