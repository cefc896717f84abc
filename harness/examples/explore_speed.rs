//! Prints how fast crash states of the toy are explored, everything included, on one core.

use std::sync::Arc;
use std::time::Instant;

use lightning_chaos::batch::{Batch, PlantSwitch};
use lightning_chaos::explore::run_batch;
use lightning_chaos::scenario::Scenario;

const SCENARIO: &str = r#"
format = 1
id = "explore-speed"
title = "How fast states are explored"
[workload]
kind = "bank"
accounts = 40
transactions = 100
clients = 4
[[fault]]
kind = "power-loss"
model = "posix"
generations = 2
[[check]]
kind = "durability"
[[check]]
kind = "idempotent-recovery"
[budget]
cases = 1000000
"#;

fn main() {
    let scenario = match Scenario::parse("explore-speed.toml", SCENARIO) {
        Ok(scenario) => Arc::new(scenario),
        Err(error) => return eprintln!("{error:?}"),
    };
    let (start, mut states) = (Instant::now(), 0);
    for run in 0..20 {
        let batch = Batch {
            scenario: Arc::clone(&scenario),
            target: std::env::args().nth(1).unwrap_or_else(|| "toy".to_owned()),
            seed: 1,
            run,
            plants: PlantSwitch::Healthy,
            states_max: u64::MAX,
            skip: Vec::new(),
        };
        match run_batch(&batch, &mut |_| ()) {
            Ok(result) => {
                states += result.checked;
                if let Some(finding) = result.findings.first() {
                    println!("{finding:#?}");
                }
            }
            Err(error) => return eprintln!("{error}"),
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{states} states in {seconds:.2} s");
}
