//! Covering every legal state under engines that know nothing of it.

use std::sync::Arc;

use lightning_chaos::batch::{Batch, BatchResult, PlantSwitch};
use lightning_chaos::explore::run_batch;
use lightning_chaos::scenario::Scenario;

const SMALL: &str = r#"
format = 1
id = "small"
title = "Every legal state of a few transfers"

[workload]
kind = "bank"
accounts = 2
transactions = 3

[options.sqlite]
page_size = "1 KiB"

[[fault]]
kind = "power-loss"
model = "posix"
coverage = "lazy"

[[check]]
kind = "durability"

[[check]]
kind = "atomicity"

[[check]]
kind = "integrity"

[budget]
cases = 100000
runs = 1
"#;

fn covered(target: &str, options: &[(&str, &str)]) -> BatchResult {
    let batch = Batch {
        scenario: Arc::new(Scenario::parse("small.toml", SMALL).unwrap()),
        target: target.to_owned(),
        options: options
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        seed: 1,
        run: 0,
        plants: PlantSwitch::Healthy,
        states_max: 100_000,
        skip: Vec::new(),
    };
    let result = run_batch(&batch, &mut |_| ()).unwrap();
    assert_eq!(result.sampled_points, 0, "{target}");
    assert!(result.covered.len() > 10, "{target}");
    result
}

fn legal_states(result: &BatchResult) -> u128 {
    let states = result.covered.iter().map(|point| &point.legal_states);
    states.map(|states| states.parse::<u128>().unwrap()).sum()
}

#[test]
fn every_legal_state_of_redb_is_covered_by_fewer_runs() {
    let result = covered("redb", &[]);
    assert!(result.findings.is_empty(), "{:#?}", result.findings);
    let states = legal_states(&result);
    assert!(states > u128::from(result.checked) * 4, "{states}");
}

#[cfg(feature = "sqlite")]
#[test]
fn every_legal_state_of_sqlite_is_covered_one_by_one_as_opening_it_reads_all() {
    let result = covered("sqlite", &[("synchronous", "extra")]);
    assert!(result.findings.is_empty(), "{:#?}", result.findings);
    assert_eq!(legal_states(&result), u128::from(result.checked));
    let lossy = covered("sqlite", &[("synchronous", "full")]);
    assert!(!lossy.findings.is_empty());
}
