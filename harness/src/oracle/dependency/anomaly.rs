//! The names of anomalies, and what is said of each.

use super::super::reads::Through;
use super::super::value::Element;
use super::super::violation::{Violation, row_text, transaction_text};
use super::cycle::{Circle, Sort};
use super::graph::{Edge, Graph, Kind, Proof};
use super::row::{Flaw, INITIAL, Order, Row, Version};
use crate::scenario::CheckKind;

/// An anomaly by the name that the literature has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anomaly {
    DirtyWrite,
    AbortedRead,
    IntermediateRead,
    CircularInformationFlow,
    LostUpdate,
    ReadSkew,
    LongFork,
    WriteSkew,
    Phantom,
    IncompatibleOrder,
}

impl Anomaly {
    fn name(self) -> &'static str {
        match self {
            Self::DirtyWrite => "g0-dirty-write",
            Self::AbortedRead => "g1a-aborted-read",
            Self::IntermediateRead => "g1b-intermediate-read",
            Self::CircularInformationFlow => "g1c-circular-information-flow",
            Self::LostUpdate => "lost-update",
            Self::ReadSkew => "g-single-read-skew",
            Self::LongFork => "g-nonadjacent-long-fork",
            Self::WriteSkew => "g2-item-write-skew",
            Self::Phantom => "g2-phantom",
            Self::IncompatibleOrder => "incompatible-order",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::DirtyWrite => "two transactions overwrite each other in one order in all rows",
            Self::AbortedRead => "nobody sees what was never committed",
            Self::IntermediateRead => "nobody sees what its writer overwrote before its commit",
            Self::CircularInformationFlow => "no two transactions see what the other one wrote",
            Self::LostUpdate => "of two that overwrite what both saw one is refused",
            Self::ReadSkew => "a transaction sees all rows as they were at one moment",
            Self::LongFork => "all transactions see commits in one order",
            Self::WriteSkew | Self::Phantom => {
                "the transactions could have been done one after the other"
            }
            Self::IncompatibleOrder => "everybody sees the elements of a list in one order",
        }
    }

    fn of(sort: Sort, circle: &Circle) -> Self {
        let is_anti = |edge: &&Edge| edge.kind == Kind::ReadWrite;
        let through = |edge: &Edge| edge.proof.map(|proof| proof.through);
        match sort {
            Sort::Writes => Self::DirtyWrite,
            Sort::Reads => Self::CircularInformationFlow,
            Sort::OneAnti if is_lost_update(circle) => Self::LostUpdate,
            Sort::OneAnti => Self::ReadSkew,
            Sort::Apart => Self::LongFork,
            Sort::Any => {
                let mut antis = circle.iter().filter(is_anti);
                if antis.any(|edge| through(edge) == Some(Through::Range)) {
                    Self::Phantom
                } else {
                    Self::WriteSkew
                }
            }
        }
    }

    fn violation(self, real_time: bool, actual: String) -> Violation {
        let suffix = if real_time { "-real-time" } else { "" };
        let shape = format!("{}{suffix}", self.name());
        Violation::new(CheckKind::Isolation, shape, self.expected(), actual)
    }
}

impl Graph<'_, '_> {
    /// What is said of a circle.
    pub(super) fn circle(&self, sort: Sort, circle: &Circle) -> Violation {
        let steps: Vec<_> = circle.iter().map(|edge| self.step(edge)).collect();
        let count = circle.len();
        let actual = format!("a circle of {count}: {}", steps.join("; "));
        let real_time = circle.iter().any(|edge| edge.kind == Kind::RealTime);
        Anomaly::of(sort, circle).violation(real_time, actual)
    }

    /// What is said of what no order makes right.
    pub(super) fn flaw(&self, row: &Row, flaw: Flaw) -> Violation {
        let place = row_text(row.key.table, &row.key.key);
        let name = |member| self.name(member);
        match flaw {
            Flaw::Aborted { reader, element } => Anomaly::AbortedRead.violation(
                false,
                format!("{} saw {} in {place}", name(reader), element_text(element)),
            ),
            Flaw::Intermediate { reader, element } => Anomaly::IntermediateRead.violation(
                false,
                format!("{} saw {} in {place}", name(reader), element_text(element)),
            ),
            Flaw::LostUpdate {
                version,
                writers: [first, second],
            } => {
                let seen = self.version_text(row, version);
                let (first, second) = (name(first), name(second));
                let actual =
                    format!("{first} and {second} both saw {place} {seen}, and overwrote it");
                Anomaly::LostUpdate.violation(false, actual)
            }
            Flaw::Incompatible {
                members: [one, other],
                place: number,
            } => {
                let (one, other) = (name(one), name(other));
                let actual =
                    format!("{one} and {other} saw different elements number {number} in {place}");
                Anomaly::IncompatibleOrder.violation(false, actual)
            }
        }
    }

    fn name(&self, member: usize) -> String {
        let id = self.cast.members[member].id;
        id.map_or_else(|| "whoever looked last".to_owned(), transaction_text)
    }

    fn step(&self, edge: &Edge) -> String {
        let (from, to) = (self.name(edge.from), self.name(edge.to));
        let Some(proof) = edge.proof else {
            return format!("{from} was answered before {to} began (rt)");
        };
        let row = &self.rows[proof.row];
        let place = row_text(row.key.table, &row.key.key);
        let how = match proof.through {
            Through::Key => "",
            Through::Range => " in a range",
        };
        match edge.kind {
            Kind::WriteRead => format!("{to} saw{how} {place} as {from} left it (wr)"),
            Kind::ReadWrite => {
                let seen = self.version_text(row, proof.version);
                let why = self.order_text(&proof);
                format!("{from} saw{how} {place} {seen}, before {to} overwrote it{why} (rw)")
            }
            Kind::WriteWrite | Kind::RealTime => {
                let why = self.order_text(&proof);
                format!("{from} wrote {place} before {to}{why} (ww)")
            }
        }
    }

    fn order_text(&self, proof: &Proof) -> String {
        match proof.order {
            Order::WrittenOver => ", who had seen it".to_owned(),
            Order::Listed => ", as the list says".to_owned(),
            Order::RealTime => ", who asked for its commit later".to_owned(),
            Order::SeenLater(reader) => {
                format!(", as {} saw the newer one", self.name(reader))
            }
            Order::Beginning => String::new(),
        }
    }

    fn version_text(&self, row: &Row, version: Version) -> String {
        match row.writer(version) {
            None if version == INITIAL => "as it was in the beginning".to_owned(),
            None => "as nobody left it".to_owned(),
            Some(writer) => format!("as {} left it", self.name(writer)),
        }
    }
}

/// Whether the one whose view was overwritten wrote the same row itself.
fn is_lost_update(circle: &Circle) -> bool {
    let [first, second] = circle.as_slice() else {
        return false;
    };
    let row = |edge: &Edge| edge.proof.map(|proof| proof.row);
    let kinds = [first.kind, second.kind];
    kinds.contains(&Kind::WriteWrite) && row(first) == row(second)
}

fn element_text(element: Element) -> String {
    let (operation, writer) = (element.operation, transaction_text(element.transaction));
    format!("operation {operation} of {writer}")
}
