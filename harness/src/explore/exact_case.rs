//! A case in which nothing is drawn: what clients do in each life, where the power is cut, and what survives.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::crash::{Part, Piece};
use crate::trace::Order;
use crate::workload::Script;

/// A case in which nothing is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactCase {
    /// The place of the power loss among the scenario's faults.
    pub fault: usize,
    /// Which of the orders that are drawn for threads the first boot takes; 0 is that of the run that the case comes from.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub turns: u64,
    /// The boots, the first of them on an empty disk. Each but the last ends with a cut; if the last does too, the state after it is what is
    /// judged.
    pub lives: Vec<ExactLife>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactLife {
    /// What clients do in it.
    pub script: Script,
    /// How it ends, if not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<ExactCut>,
}

/// A power cut, or the death of the process, by the scenario's model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactCut {
    /// The number of events before it.
    pub at: u64,
    /// What of all that was pending then survives.
    pub survives: Survives,
}

/// What of all that is pending survives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Survives {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// These pieces.
    Only(Pieces),
    /// All but these pieces.
    AllBut(Pieces),
    /// What is drawn, of a model whose survivals are not made of pieces.
    Drawn(u32),
}

/// Pieces of what is pending. As texts `58` (all of operation 58), `58 names`, `58 len`, `58 4096` (its sector at 4096).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Pieces {
    whole: BTreeSet<Order>,
    single: BTreeSet<Piece>,
}

impl Pieces {
    /// These pieces of all that is pending.
    pub fn of(chosen: &BTreeSet<Piece>, all: &[Piece]) -> Self {
        let mut by_order: BTreeMap<Order, Vec<Piece>> = BTreeMap::new();
        for &piece in all {
            by_order.entry(piece.order).or_default().push(piece);
        }
        let mut pieces = Self::default();
        for (order, of_order) in by_order {
            if of_order.iter().all(|piece| chosen.contains(piece)) {
                pieces.whole.insert(order);
            } else {
                let some = of_order.into_iter().filter(|piece| chosen.contains(piece));
                pieces.single.extend(some);
            }
        }
        pieces
    }

    /// Whether a piece is among them.
    pub fn contains(&self, piece: Piece) -> bool {
        self.whole.contains(&piece.order) || self.single.contains(&piece)
    }

    /// How many texts it takes to name them.
    pub fn len(&self) -> usize {
        self.whole.len() + self.single.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Pieces> for Vec<String> {
    fn from(pieces: Pieces) -> Self {
        let whole = pieces.whole.iter().map(|order| order.0.to_string());
        let single = pieces.single.iter().map(|piece| {
            let order = piece.order.0;
            match piece.part {
                Part::Names => format!("{order} names"),
                Part::Len => format!("{order} len"),
                Part::LenInBlock => format!("{order} len-in-block"),
                Part::Sector(offset) => format!("{order} {offset}"),
            }
        });
        whole.chain(single).collect()
    }
}

impl TryFrom<Vec<String>> for Pieces {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let mut pieces = Self::default();
        for text in texts {
            let read = || {
                let (order, part) = match text.split_once(' ') {
                    Some((order, part)) => (order, Some(part)),
                    None => (text.as_str(), None),
                };
                let part = match part {
                    None => None,
                    Some("names") => Some(Part::Names),
                    Some("len") => Some(Part::Len),
                    Some("len-in-block") => Some(Part::LenInBlock),
                    Some(offset) => Some(Part::Sector(offset.parse().ok()?)),
                };
                Some((Order(order.parse().ok()?), part))
            };
            match read() {
                Some((order, None)) => pieces.whole.insert(order),
                Some((order, Some(part))) => pieces.single.insert(Piece { order, part }),
                None => return Err(format!("`{text}` names no piece of what is pending")),
            };
        }
        Ok(pieces)
    }
}

impl Survives {
    /// These pieces of all that is pending, in the shortest way to say it.
    pub fn of(kept: &BTreeSet<Piece>, all: &[Piece]) -> Self {
        let lost: BTreeSet<Piece> = all.iter().copied().filter(|p| !kept.contains(p)).collect();
        if lost.is_empty() {
            return Self::Everything;
        }
        if kept.is_empty() {
            return Self::Nothing;
        }
        let (only, but) = (Pieces::of(kept, all), Pieces::of(&lost, all));
        if but.len() < only.len() {
            Self::AllBut(but)
        } else {
            Self::Only(only)
        }
    }

    /// Whether a piece survives; nothing if that is drawn.
    pub(super) fn keeps(&self, piece: Piece) -> Option<bool> {
        Some(match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Only(pieces) => pieces.contains(piece),
            Self::AllBut(pieces) => !pieces.contains(piece),
            Self::Drawn(_) => return None,
        })
    }

    /// How many pieces, or whole operations, it takes to say it.
    pub fn len(&self) -> usize {
        match self {
            Self::Nothing | Self::Everything => 0,
            Self::Only(pieces) | Self::AllBut(pieces) => pieces.len(),
            Self::Drawn(_) => 1,
        }
    }

    /// Whether it is all or nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In a few words.
    pub fn text(&self) -> String {
        match self {
            Self::Nothing => "nothing that was not synced survives".to_owned(),
            Self::Everything => "everything survives".to_owned(),
            Self::Only(pieces) => format!("of what was not synced only {} survive", named(pieces)),
            Self::AllBut(pieces) => format!("everything survives but {}", named(pieces)),
            Self::Drawn(sample) => format!("survival {sample} of those that are drawn"),
        }
    }
}

fn named(pieces: &Pieces) -> String {
    let texts: Vec<String> = pieces.clone().into();
    let plural = if texts.len() == 1 { "" } else { "s" };
    format!("change{plural} {}", texts.join(", "))
}

impl ExactCase {
    /// What is done in all lives: see [`Script::operations`].
    pub fn operations(&self) -> usize {
        self.lives.iter().map(|life| life.script.operations()).sum()
    }

    /// How many cuts there are.
    pub fn cuts(&self) -> usize {
        self.lives.iter().filter(|life| life.cut.is_some()).count()
    }

    /// For readers, a line each.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        if self.turns > 0 {
            texts.push(format!(
                "threads take turns in order {} of those that are drawn",
                self.turns
            ));
        }
        for (number, life) in (1..).zip(&self.lives) {
            if self.lives.len() > 1 {
                texts.push(format!("boot {number}:"));
            }
            texts.extend(life.script.texts());
            if let Some(ExactCut { at, survives }) = &life.cut {
                texts.push(format!("cut after {at} events: {}", survives.text()));
            }
        }
        texts
    }

    /// The case with another last life.
    #[must_use]
    pub fn with_last(&self, life: ExactLife) -> Self {
        let mut case = self.clone();
        case.lives.pop();
        case.lives.push(life);
        case
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_read_back_and_whole_operations_are_named_once() {
        let piece = |order, part| Piece {
            order: Order(order),
            part,
        };
        let all = [
            piece(1, Part::Names),
            piece(2, Part::Len),
            piece(2, Part::LenInBlock),
            piece(2, Part::Sector(0)),
            piece(2, Part::Sector(512)),
        ];
        let chosen = BTreeSet::from([all[0], all[2], all[4]]);
        let pieces = Pieces::of(&chosen, &all);
        let texts: Vec<String> = pieces.clone().into();
        assert_eq!(texts, ["1", "2 len-in-block", "2 512"]);
        assert_eq!(Pieces::try_from(texts), Ok(pieces.clone()));
        for piece in all {
            assert_eq!(pieces.contains(piece), chosen.contains(&piece));
        }
        assert!(Pieces::try_from(vec!["2 x".to_owned()]).is_err());
        assert_eq!(Survives::of(&BTreeSet::new(), &all), Survives::Nothing);
        let everything = BTreeSet::from(all);
        assert_eq!(Survives::of(&everything, &all), Survives::Everything);
    }
}
