//! The answers of a survival as one word.

use std::fmt;
use std::str::FromStr;

/// Answers in the order of the questions, by the number of the branch. Those after the last are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decisions(Vec<u32>);

/// More answers than any search asks for.
const COUNT_MAX: usize = 1 << 20;

impl Decisions {
    /// These answers.
    pub fn new(mut chosen: Vec<u32>) -> Self {
        while chosen.last() == Some(&0) {
            chosen.pop();
        }
        Self(chosen)
    }

    /// The answers up to the last that is not 0.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

/// Numbers with dots between, equal ones in a row as `<number>x<count>`: `0x12.1.0.2`. `0` if all are 0.
impl fmt::Display for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        for (place, run) in self.0.chunk_by(|a, b| a == b).enumerate() {
            let dot = if place == 0 { "" } else { "." };
            let number = run.first().copied().unwrap_or_default();
            write!(f, "{dot}{number}")?;
            if run.len() > 1 {
                write!(f, "x{}", run.len())?;
            }
        }
        Ok(())
    }
}

/// A text that no decisions are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no decisions")]
pub struct DecisionsError;

impl FromStr for Decisions {
    type Err = DecisionsError;

    fn from_str(text: &str) -> Result<Self, DecisionsError> {
        let mut chosen = Vec::new();
        for part in text.split('.') {
            let (number, count) = part.split_once('x').unwrap_or((part, "1"));
            let number = number.parse::<u32>().map_err(|_| DecisionsError)?;
            let count = count.parse::<usize>().map_err(|_| DecisionsError)?;
            if count > COUNT_MAX - chosen.len() {
                return Err(DecisionsError);
            }
            chosen.extend(std::iter::repeat_n(number, count));
        }
        let decisions = Self::new(chosen);
        (decisions.to_string() == text)
            .then_some(decisions)
            .ok_or(DecisionsError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_read_back_and_zeroes_at_the_end_do_not_count() {
        for (chosen, text) in [
            (vec![], "0"),
            (vec![0, 0, 0], "0"),
            (vec![1], "1"),
            (vec![0, 0, 0, 1, 0, 2, 2, 0], "0x3.1.0.2x2"),
        ] {
            let decisions = Decisions::new(chosen);
            assert_eq!(decisions.to_string(), text);
            assert_eq!(text.parse(), Ok(decisions));
        }
        for wrong in [
            "",
            "0x2",
            "1.0",
            "1.1",
            "1x",
            "x1",
            "1x0",
            "01",
            "1x99999999",
            "-1",
            "1x1",
        ] {
            assert_eq!(wrong.parse::<Decisions>(), Err(DecisionsError), "{wrong}");
        }
    }
}
