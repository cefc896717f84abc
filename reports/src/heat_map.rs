//! Which faults met which invariants: the grid behind the heat map.
//!
//! A cell counts the scenarios that armed the fault and named the check. Where a scenario fires several kinds of
//! fault its checks count for each of them: the report does not know which one a state owes its shape to. Scenarios with a
//! planted bug count apart: they show that a cell is able to fail, not that the target holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Expect, Report, ScenarioReport, ScenarioVerdict};

/// Faults by checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeatMap {
    /// Rows: every kind of fault that any scenario names, skipped ones included.
    pub faults: BTreeSet<String>,
    /// Columns: every check that any scenario names, skipped ones included.
    pub checks: BTreeSet<String>,
    cells: BTreeMap<(String, String), Cell>,
}

/// What is known about one fault and one check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// States that the check judged in scenarios in which the fault fired.
    pub examined: u64,
    /// Those in which the promise was broken.
    pub violations: u64,
    /// Planted bugs that this check caught under this fault.
    pub planted_caught: u64,
}

/// How a cell is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heat {
    /// The fault never fired where the check looked.
    NotExercised,
    /// Only planted bugs were looked at.
    PlantedOnly,
    /// The check held; the level, 1 to 5, grows with the logarithm of what it examined.
    Held(u8),
    /// The check was broken.
    Broken,
}

impl HeatMap {
    /// The grid of `report`.
    pub fn of(report: &Report) -> Self {
        let mut map = Self::default();
        for scenario in &report.scenarios {
            map.faults.extend(scenario.faults.keys().cloned());
            map.checks.extend(scenario.checks.keys().cloned());
            if scenario.verdict != ScenarioVerdict::Skipped {
                map.add(scenario);
            }
        }
        map
    }

    /// The cell of `fault` and `check`.
    pub fn cell(&self, fault: &str, check: &str) -> Cell {
        self.cells
            .get(&(fault.to_owned(), check.to_owned()))
            .copied()
            .unwrap_or_default()
    }

    fn add(&mut self, scenario: &ScenarioReport) {
        for (fault, _) in scenario.faults.iter().filter(|(_, f)| f.fired > 0) {
            for (check, seen) in scenario.checks.iter().filter(|(_, c)| c.examined > 0) {
                let cell = self
                    .cells
                    .entry((fault.clone(), check.clone()))
                    .or_default();
                match scenario.expect {
                    Expect::Pass => {
                        cell.examined += seen.examined;
                        cell.violations += seen.violations;
                    }
                    Expect::Fail => {
                        let caught = scenario.verdict == ScenarioVerdict::Pass
                            && scenario.caught_by.contains(check);
                        cell.planted_caught += u64::from(caught);
                    }
                }
            }
        }
    }
}

impl Cell {
    /// How to show this cell.
    pub const fn heat(&self) -> Heat {
        match (self.examined, self.violations) {
            (_, 1..) => Heat::Broken,
            (0, 0) if self.planted_caught > 0 => Heat::PlantedOnly,
            (0, 0) => Heat::NotExercised,
            (..100, 0) => Heat::Held(1),
            (..1_000, 0) => Heat::Held(2),
            (..10_000, 0) => Heat::Held(3),
            (..100_000, 0) => Heat::Held(4),
            _ => Heat::Held(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CheckReport, FaultReport};

    fn scenario(expect: Expect, fired: u64, violations: u64) -> ScenarioReport {
        let mut s = ScenarioReport::new("id".into(), "f".into(), "t".into(), expect);
        s.faults
            .insert("power-loss".into(), FaultReport { armed: 5, fired });
        s.checks.insert(
            "durability".into(),
            CheckReport {
                examined: 50,
                violations,
            },
        );
        s.judge(None);
        s
    }

    fn cell(scenarios: Vec<ScenarioReport>) -> Cell {
        let report = Report::new("1".into(), "e".into(), scenarios);
        HeatMap::of(&report).cell("power-loss", "durability")
    }

    #[test]
    fn a_fault_that_never_fired_exercises_nothing() {
        assert_eq!(
            cell(vec![scenario(Expect::Pass, 0, 0)]).heat(),
            Heat::NotExercised
        );
        assert_eq!(cell(vec![]).heat(), Heat::NotExercised);
    }

    #[test]
    fn a_skipped_scenario_has_its_row_and_column_but_exercises_nothing() {
        let s = scenario(Expect::Pass, 5, 0).skipped("no root".into());
        let map = HeatMap::of(&Report::new("1".into(), "e".into(), vec![s]));
        assert!(map.faults.contains("power-loss") && map.checks.contains("durability"));
        assert_eq!(
            map.cell("power-loss", "durability").heat(),
            Heat::NotExercised
        );
    }

    #[test]
    fn one_violation_outweighs_any_number_that_held() {
        let both = vec![scenario(Expect::Pass, 5, 0), scenario(Expect::Pass, 5, 1)];
        assert_eq!(cell(both).heat(), Heat::Broken);
        assert_eq!(
            cell(vec![scenario(Expect::Pass, 5, 0)]).heat(),
            Heat::Held(1)
        );
    }

    #[test]
    fn a_planted_bug_shows_that_a_cell_can_fail_and_accuses_nobody() {
        let caught = cell(vec![scenario(Expect::Fail, 5, 3)]);
        assert_eq!(
            caught,
            Cell {
                examined: 0,
                violations: 0,
                planted_caught: 1
            }
        );
        assert_eq!(caught.heat(), Heat::PlantedOnly);
        assert_eq!(
            cell(vec![scenario(Expect::Fail, 5, 0)]).heat(),
            Heat::NotExercised
        );
    }
}
