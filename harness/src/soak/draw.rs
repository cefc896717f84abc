//! What compositions are drawn with: values as scenario files write them.

use std::fmt::Display;
use std::fmt::Write as _;

use crate::rng::Rng;

/// A table of a scenario file in the making.
#[derive(Debug)]
pub(super) struct Table<'r> {
    pub(super) text: String,
    pub(super) rng: &'r mut Rng,
}

impl<'r> Table<'r> {
    pub(super) fn new(heading: &str, rng: &'r mut Rng) -> Self {
        Self {
            text: format!("\n{heading}\n"),
            rng,
        }
    }

    /// A key with text in quotes.
    pub(super) fn text(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.text, "{key} = \"{value}\"");
    }

    /// A key with a number or a truth.
    pub(super) fn bare(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.text, "{key} = {value}");
    }

    /// A number from a range, its end included.
    pub(super) fn number(&mut self, key: &str, from: u64, to: u64) -> u64 {
        let drawn = from + self.rng.below(to - from + 1);
        self.bare(key, drawn);
        drawn
    }

    /// One of several texts.
    pub(super) fn one_of(&mut self, key: &str, values: &[&'static str]) -> &'static str {
        let value = self.rng.pick(values).copied().unwrap_or_default();
        self.text(key, value);
        value
    }

    /// Some of several texts, one at least, in their order.
    pub(super) fn some_of(&mut self, key: &str, values: &[&'static str]) -> Vec<&'static str> {
        let sure = self.rng.index(values.len());
        let mut chosen = Vec::new();
        for (place, value) in values.iter().enumerate() {
            if place == sure || self.rng.chance(0.35) {
                chosen.push(*value);
            }
        }
        let quoted: Vec<_> = chosen.iter().map(|value| format!("\"{value}\"")).collect();
        self.bare(key, format!("[{}]", quoted.join(", ")));
        chosen
    }

    /// A share, now and then.
    pub(super) fn share(&mut self, key: &str, chance: f64, max: u64) -> bool {
        let is_drawn = self.rng.chance(chance);
        if is_drawn {
            let percent = 5 + self.rng.below(max - 4);
            self.text(key, format!("{percent} %"));
        }
        is_drawn
    }
}
