//! Prints how fast crash states are explored on one core, everything included, and what was found:
//! `explore_speed [TARGET [SCENARIO…]]`.

use std::collections::BTreeMap;
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
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().unwrap_or_else(|| "toy".to_owned());
    let files: Vec<_> = arguments.collect();
    if files.is_empty() {
        explore(&target, "explore-speed", SCENARIO);
    }
    for file in files {
        match std::fs::read_to_string(&file) {
            Ok(text) => explore(&target, &file, &text),
            Err(error) => println!("{file}: {error}"),
        }
    }
}

fn explore(target: &str, file: &str, text: &str) {
    let scenario = match Scenario::parse(file, text) {
        Ok(scenario) => Arc::new(scenario),
        Err(error) => return println!("{error:?}"),
    };
    let (start, mut states, mut findings) = (Instant::now(), 0, BTreeMap::new());
    for run in 0..5 {
        let batch = Batch {
            scenario: Arc::clone(&scenario),
            target: target.to_owned(),
            options: BTreeMap::new(),
            seed: 1,
            run,
            plants: PlantSwitch::Planted,
            states_max: 1_000,
            skip: Vec::new(),
        };
        match run_batch(&batch, &mut |_| ()) {
            Ok(result) => {
                states += result.checked;
                if result.elisions_fired.values().any(|&fired| fired > 0) {
                    println!("    run {run}: dropped {:?}", result.elisions_fired);
                }
                for finding in result.findings {
                    let first = format!("{}: {}", finding.case, finding.actual);
                    findings
                        .entry(finding.fingerprint)
                        .or_insert((0_u32, first))
                        .0 += 1;
                }
            }
            Err(error) => return println!("{file}: {error}"),
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{file}: {states} states in {seconds:.2} s");
    for (fingerprint, (count, first)) in findings {
        println!("    {count} times {fingerprint}, first in {first}");
    }
}
