//! One run: its rounds, and what came of them.

use std::time::{Duration, Instant};

use crate::arguments::Plan;
use crate::child::{self, Outcome, WRONG};
use crate::machine::Machine;
use crate::measure::Figures;
use crate::rows;

/// What was measured, on what, and what could not be.
pub struct Session {
    /// The figures.
    pub figures: Figures,
    /// The machine.
    pub machine: Machine,
    /// Engines and how they were set up.
    pub engines: Vec<(&'static str, &'static str)>,
    /// Rounds that were measured.
    pub rounds: u32,
    /// Records in a table.
    pub records: u64,
    /// How long it took.
    pub took: Duration,
    /// Engines that returned wrong data: where.
    pub wrong: Vec<String>,
    /// Engines that failed otherwise: where, and how.
    pub failures: Vec<String>,
}

impl Session {
    /// 0 whatever the figures are.
    pub fn exit_code(&self) -> u8 {
        match (self.wrong.is_empty(), self.failures.is_empty()) {
            (false, _) => WRONG,
            (true, false) => 1,
            (true, true) => 0,
        }
    }
}

/// Measures what `plan` says.
pub fn measure(plan: &Plan) -> anyhow::Result<Session> {
    let start = Instant::now();
    let engines = plan.engines.iter();
    let mut session = Session {
        figures: Figures::default(),
        machine: Machine::this(&plan.directory),
        engines: engines.map(|e| (e.name(), e.setting())).collect(),
        rounds: 0,
        records: plan.scale.records,
        took: Duration::ZERO,
        wrong: Vec::new(),
        failures: Vec::new(),
    };
    while session.rounds < plan.rounds && fits(plan, session.rounds, start.elapsed()) {
        session.machine.note_load();
        round(plan, &mut session)?;
        session.rounds += 1;
    }
    session.machine.note_load();
    session.took = start.elapsed();
    Ok(session)
}

/// Whether one more round, as long as the earlier ones, ends in time.
fn fits(plan: &Plan, rounds: u32, elapsed: Duration) -> bool {
    let Some(budget) = plan.budget.filter(|_| rounds > 0) else {
        return true;
    };
    elapsed + elapsed / rounds <= budget
}

fn round(plan: &Plan, session: &mut Session) -> anyhow::Result<()> {
    let fresh = || tempfile::tempdir_in(&plan.directory);
    let mut physical = Figures::default();
    rows::physical(fresh()?.path(), &mut physical)?;
    session.figures.merge("machine", physical);
    for group in &plan.groups {
        for engine in plan.turns(group, session.rounds) {
            let start = Instant::now();
            let directory = fresh()?;
            let path = directory.path();
            let place = format!("{engine} in the rows {}", group.name);
            for outcome in child::measure(engine, group, plan.scale, path, plan.limit)? {
                match outcome {
                    Outcome::Measured(figures) => session.figures.merge(group.name, figures),
                    Outcome::Wrong => session.wrong.push(place.clone()),
                    Outcome::Failed(how) => session.failures.push(format!("{place}: {how}")),
                }
            }
            let took = start.elapsed().as_secs_f64();
            eprintln!("round {}: {place}: {took:.1} s", session.rounds + 1);
        }
    }
    Ok(())
}
