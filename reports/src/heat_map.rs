//! Which faults met which invariants: the grid behind the heat map.
//!
//! A cell counts the scenarios that armed the fault and named the check. Where a scenario fires several kinds of
//! fault its checks count for each of them: the report does not know which one a state owes its shape to. Scenarios with a
//! planted bug count apart: they show that a cell is able to fail, not that the target holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Expect, Grid, Report, ScenarioReport, ScenarioVerdict};

/// Faults by checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeatMap {
    /// Rows: every kind of fault that any scenario names, skipped ones included.
    pub faults: BTreeSet<String>,
    /// Columns: every check that any scenario names, skipped ones included.
    pub checks: BTreeSet<String>,
    cells: BTreeMap<(String, String), Cell>,
    grid: Grid,
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
        let grid = report.grid.clone();
        let mut map = Self {
            faults: grid.faults.iter().cloned().collect(),
            checks: grid.checks.iter().cloned().collect(),
            cells: BTreeMap::new(),
            grid,
        };
        for scenario in &report.scenarios {
            map.faults.extend(scenario.varieties.keys().cloned());
            map.faults.extend(scenario.faults.keys().cloned());
            map.checks.extend(scenario.checks.keys().cloned());
            if scenario.verdict != ScenarioVerdict::Skipped {
                map.add(scenario);
            }
        }
        map.drop_kinds_with_varieties();
        map
    }

    /// Why a check has nothing to look at under a fault, if it hasn't.
    pub fn why_not(&self, fault: &str, check: &str) -> Option<&str> {
        self.grid.why_not(fault, check)
    }

    /// How many cells were exercised, if only by planted bugs.
    pub fn exercised(&self) -> usize {
        let all = self.faults.iter().flat_map(|fault| {
            let checks = self.checks.iter();
            checks.map(|check| self.cell(fault, check).heat())
        });
        all.filter(|heat| *heat != Heat::NotExercised).count()
    }

    /// What could have been exercised and was not: faults and checks.
    pub fn gaps(&self) -> Vec<(&str, &str)> {
        let all = self.faults.iter().flat_map(|fault| {
            let checks = self.checks.iter();
            checks.map(move |check| (fault.as_str(), check.as_str()))
        });
        let is_gap = |&(fault, check): &(&str, &str)| {
            self.cell(fault, check).heat() == Heat::NotExercised
                && self.why_not(fault, check).is_none()
        };
        all.filter(is_gap).collect()
    }

    /// What cannot be exercised: each reason with the faults and checks that it holds for.
    pub fn impossible(&self) -> BTreeMap<&str, Vec<(&str, &str)>> {
        let mut reasons: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in &self.grid.impossible {
            let cell = (one.fault.as_str(), one.check.as_str());
            reasons.entry(one.reason.as_str()).or_default().push(cell);
        }
        reasons
    }

    /// A kind has no row of its own beside those of its varieties.
    fn drop_kinds_with_varieties(&mut self) {
        let all = self.faults.clone();
        self.faults.retain(|kind| {
            let variety = format!("{kind}: ");
            !all.iter().any(|fault| fault.starts_with(&variety))
        });
    }

    /// The cell of `fault` and `check`.
    pub fn cell(&self, fault: &str, check: &str) -> Cell {
        self.cells
            .get(&(fault.to_owned(), check.to_owned()))
            .copied()
            .unwrap_or_default()
    }

    fn add(&mut self, scenario: &ScenarioReport) {
        let varieties = scenario.varieties.iter();
        let kinds = scenario.faults.iter();
        for (fault, _) in varieties.chain(kinds).filter(|(_, f)| f.fired > 0) {
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
    use crate::model::{CheckReport, FaultReport, Impossible};

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
    fn what_cannot_be_exercised_is_no_gap_and_varieties_take_the_place_of_their_kind() {
        let mut s = scenario(Expect::Pass, 5, 0);
        let fired = FaultReport { armed: 5, fired: 5 };
        s.varieties.insert("power-loss: posix".into(), fired);
        let mut report = Report::new("1".into(), "e".into(), vec![s]);
        let text = |text: &str| text.to_owned();
        report.grid = Grid {
            faults: vec![text("power-loss: posix"), text("damage: missing")],
            checks: vec![text("durability"), text("backup")],
            impossible: vec![Impossible {
                fault: text("damage"),
                check: text("durability"),
                reason: text("damage takes what was durable"),
            }],
        };
        let map = HeatMap::of(&report);
        assert!(!map.faults.contains("power-loss"));
        assert_eq!(map.cell("power-loss: posix", "durability").examined, 50);
        let gaps = [
            ("damage: missing", "backup"),
            ("power-loss: posix", "backup"),
        ];
        assert_eq!(map.gaps(), gaps);
        assert_eq!(map.why_not("damages", "durability"), None);
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
