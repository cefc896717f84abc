//! How small the findings of a run became.
//!
//! Over many planted bugs the median is held to what is promised (docs/design/shrinking.md): a shrinker that gets worse fails the run that
//! shows it, and not a reader of its table.

use std::io::{self, Write};
use std::time::Duration;

use crate::run::Smaller;

/// So many planted bugs make a median that says something.
const PLANTS_MIN: usize = 20;
/// The median planted bug shrinks to so many operations at most,
const OPERATIONS_MAX: u64 = 3;
/// and to so many faults.
const FAULTS_MAX: u64 = 1;

/// Medians over what was shrunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// How many were shrunk.
    count: usize,
    operations: u64,
    faults: u64,
}

/// Prints the table of what was shrunk, with medians.
pub(super) fn print(out: &mut dyn Write, smaller: &[Smaller]) -> io::Result<Sizes> {
    if smaller.is_empty() {
        return Ok(Sizes::default());
    }
    let width = smaller.iter().map(|one| one.scenario.len()).max();
    let width = width.unwrap_or(0);
    writeln!(out, "\nshrunk")?;
    for one in smaller {
        let Smaller {
            scenario, check, ..
        } = one;
        match &one.shrunk {
            Ok(shrunk) => writeln!(
                out,
                "  {scenario:<width$}  {check:<12}  {:>3} operations  {} faults  (from {:>4}; {:>5} states, {:.1} s){}",
                shrunk.operations,
                shrunk.faults,
                shrunk.operations_before,
                shrunk.tried,
                one.took.as_secs_f64(),
                if one.replays { "" } else { "  DOES NOT REPLAY" },
            )?,
            Err(error) => writeln!(out, "  {scenario:<width$}  {check:<12}  not: {error}")?,
        }
    }
    let all = smaller.iter().filter_map(|one| one.shrunk.as_ref().ok());
    let sizes = Sizes::of(all.map(|shrunk| (shrunk.operations, shrunk.faults)));
    let took = median(smaller.iter().map(|one| millis(one.took)));
    writeln!(
        out,
        "  {} of {} shrunk; median: {} operations, {} faults, {}.{} s",
        sizes.count,
        smaller.len(),
        sizes.operations,
        sizes.faults,
        took / 1000,
        took % 1000 / 100,
    )?;
    Ok(sizes)
}

impl Sizes {
    fn of(sizes: impl Iterator<Item = (u64, u64)>) -> Self {
        let sizes: Vec<_> = sizes.collect();
        Self {
            count: sizes.len(),
            operations: median(sizes.iter().map(|size| size.0)),
            faults: median(sizes.iter().map(|size| size.1)),
        }
    }

    /// What is wrong with the sizes of a run in which so many bugs were planted.
    pub(super) fn too_large(self, planted: usize) -> Option<String> {
        let is_told = planted >= PLANTS_MIN && self.count >= PLANTS_MIN;
        let is_small = self.operations <= OPERATIONS_MAX && self.faults <= FAULTS_MAX;
        (is_told && !is_small).then(|| {
            format!(
                "the median case shrinks to {} operations and {} faults, and {OPERATIONS_MAX} and {FAULTS_MAX} are promised",
                self.operations, self.faults
            )
        })
    }
}

fn median(numbers: impl Iterator<Item = u64>) -> u64 {
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_past_what_is_promised_is_told_where_many_bugs_were_planted() {
        let sizes = |operations, faults| Sizes::of((0..21).map(|_| (operations, faults)));
        assert_eq!(sizes(3, 1).too_large(21), None);
        assert!(sizes(4, 1).too_large(21).is_some());
        assert!(sizes(3, 2).too_large(21).is_some());
        assert_eq!(sizes(4, 2).too_large(19), None, "too few were planted");
        let few = Sizes::of([(9, 9)].into_iter());
        assert_eq!(few.too_large(60), None, "too few were shrunk");
        assert_eq!(Sizes::default().too_large(60), None);
    }

    #[test]
    fn half_of_the_cases_are_no_larger_than_the_median() {
        let small = (0..11).map(|_| (1, 0));
        let large = (0..10).map(|_| (90, 4));
        let sizes = Sizes::of(small.chain(large));
        assert_eq!((sizes.operations, sizes.faults), (1, 0));
        assert_eq!(sizes.too_large(21), None);
    }
}
