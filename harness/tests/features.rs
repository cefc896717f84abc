//! What workloads do beside puts and gets counts only where it was done, and options that go over all scenarios hold for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lightning_chaos::batch::{Batch, PlantSwitch};
use lightning_chaos::explore::run_batch;
use lightning_chaos::scenario::{Feature, Scenario};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The exit code of `chaos run`, and what it printed.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .current_dir(root())
        .arg("run")
        .args(arguments)
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn scenario(workload: &str, options: &str) -> String {
    format!(
        r#"format = 1
id = "features"
title = "What this workload does is seen or missed"

[workload]
kind = "kv"
{workload}

[options.lightning]
{options}

[[fault]]
kind = "power-loss"
model = "posix"
at = "sampled"
points = 5

[[check]]
kind = "durability"

[budget]
cases = 50
runs = 3
"#
    )
}

fn run_on(text: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("features.toml");
    fs::write(&file, text).unwrap();
    run(&[&[file.to_str().unwrap()], arguments].concat())
}

#[test]
fn what_a_workload_asks_for_and_no_run_of_it_did_leaves_the_scenario_undecided() {
    let never = [
        ("savepoints = \"1 %\"", "no returns to a savepoint"),
        ("reads = \"1 %\"\nrange_reads = \"1 %\"", "no range reads"),
        (
            "deletes = \"1 %\"\nrange_deletes = \"1 %\"",
            "no range deletes",
        ),
    ];
    for (workload, missing) in never {
        let text = scenario(&format!("transactions = 2\n{workload}"), "");
        let (code, text) = run_on(&text, &[]);
        assert_eq!(code, Some(4), "{text}");
        assert!(
            text.contains(&format!("not exercised: {missing}")),
            "{text}"
        );
    }
    let always = "transactions = 5\nsavepoints = \"100 %\"";
    assert_eq!(run_on(&scenario(always, ""), &[]).0, Some(0));
}

#[test]
fn a_target_that_lacks_what_a_workload_does_leaves_its_scenario_out() {
    for file in ["savepoints", "range-deletes"] {
        let file = format!("scenarios/transactions/{file}.toml");
        let (_, text) = run(&[&file, "--target", "redb"]);
        assert!(text.contains("skipped"), "{text}");
        assert!(text.contains("the target has no"), "{text}");
    }
}

#[test]
fn one_figure_of_memory_goes_with_every_page_size() {
    let text = scenario("transactions = 5", "page_size = [\"4 KiB\", \"64 KiB\"]");
    for memory in ["frames=16", "frames=1", "memory=64 KiB", "memory=1 MiB"] {
        for page_size in ["page_size=4 KiB", "page_size=32 KiB", "page_size=64 KiB"] {
            let options = ["--target-option", memory, "--target-option", page_size];
            let (code, said) = run_on(&text, &options);
            assert_eq!(code, Some(0), "{memory}, {page_size}: {said}");
        }
    }
}

/// The healthy run of a scenario, with an option of so many KiB in place of the scenario's own.
fn with_kibibytes(scenario: &Arc<Scenario>, option: &str, size: u32) -> Batch {
    Batch {
        scenario: Arc::clone(scenario),
        target: "lightning".to_owned(),
        options: [(option.to_owned(), format!("{size} KiB"))].into(),
        seed: 1,
        run: 0,
        plants: PlantSwitch::Healthy,
        states_max: 1,
        skip: Vec::new(),
    }
}

#[test]
fn databases_in_16_frames_are_larger_than_that_with_every_page_size() {
    for (file, sizes) in [
        ("small-cache/sixteen-frames", [4, 8, 16, 32, 64].as_slice()),
        ("small-cache/sixteen-frames-4-threads", &[4]),
        ("upkeep/everything-in-16-frames", &[4, 8]),
    ] {
        let path = root().join(format!("scenarios/{file}.toml"));
        let scenario = Arc::new(Scenario::read(&path).unwrap());
        for size in sizes {
            let batch = with_kibibytes(&scenario, "page_size", *size);
            let result = run_batch(&batch, &mut |_| ()).unwrap();
            assert!(result.findings.is_empty(), "{file}, {size} KiB");
            let evictions = result.features.get(&Feature::Evictions);
            assert!(evictions.is_some(), "{file}, {size} KiB: nothing made room");
        }
    }
}

#[test]
fn disks_that_are_too_small_refuse_commits_and_lose_none() {
    let path = root().join("scenarios/upkeep/full-disk.toml");
    let scenario = Arc::new(Scenario::read(&path).unwrap());
    for size in [400, 480, 560] {
        let batch = with_kibibytes(&scenario, "disk_bytes", size);
        let result = run_batch(&batch, &mut |_| ()).unwrap();
        assert!(result.findings.is_empty(), "{size} KiB");
        let refused = result.features.get(&Feature::FullDisks);
        assert!(refused.is_some(), "{size} KiB: nothing was refused");
    }
}

#[test]
fn an_option_that_the_engine_refuses_is_a_wrong_use_and_no_finding() {
    let text = scenario("transactions = 5", "");
    for wrong in [
        "page_size=5000",
        "log_segment=20000",
        "frames=many",
        "isolation=none",
    ] {
        let (code, said) = run_on(&text, &["--target-option", wrong]);
        assert_eq!(code, Some(1), "{wrong}: {said}");
    }
}

#[test]
fn combinations_that_would_do_nothing_are_refused() {
    let refused = [
        ("reads = \"100 %\"", "every operation is a read"),
        (
            "reads = \"0 %\"\nrange_reads = \"10 %\"",
            "range reads without reads",
        ),
        (
            "deletes = \"0 %\"\nrange_deletes = \"10 %\"",
            "range deletes without deletes",
        ),
    ];
    for (workload, message) in refused {
        let text = scenario(&format!("transactions = 5\n{workload}"), "");
        let error = Scenario::parse("features.toml", &text).unwrap_err();
        assert!(format!("{error:?}").contains(message), "{error:?}");
    }
}

#[test]
fn upkeep_that_nobody_looks_at_or_that_cannot_be_is_refused() {
    let refused = [
        ("backups = 2", "backups that nobody restores"),
        ("restore_points = 2", "restore points without backups"),
        ("compactions = 6", "6 compactions in 5 transactions"),
        (
            "table_changes = \"10 %\"",
            "changes of tables where there is one table",
        ),
        (
            "tables = 2\nthreads = true\ntable_changes = \"10 %\"",
            "changes of tables by clients on threads",
        ),
    ];
    for (workload, message) in refused {
        let text = scenario(&format!("transactions = 5\n{workload}"), "");
        let error = Scenario::parse("features.toml", &text).unwrap_err();
        assert!(format!("{error:?}").contains(message), "{error:?}");
    }
    let during = "[[plant]]\nkind = \"elision\"\noperation = \"sync\"\nfile = \"map\"\nduring = \"backup\"\n\n[[check]]";
    let text = scenario("transactions = 5", "").replace("[[check]]", during);
    let error = Scenario::parse("features.toml", &text).unwrap_err();
    assert!(
        format!("{error:?}").contains("a plant during a backup"),
        "{error:?}"
    );
}

/// `chaos run` of a scenario with such a fault and budget.
fn run_fault(fault: &str, cases: u32) -> (Option<i32>, String) {
    let text = scenario("transactions = 3", "log_segment = \"16 KiB\"");
    let (head, _) = text.split_once("kind = \"power-loss\"").unwrap();
    let text =
        format!("{head}{fault}\n\n[[check]]\nkind = \"no-panic\"\n\n[budget]\ncases = {cases}\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(&path, text).unwrap();
    run(&[path.to_str().unwrap(), "--seed", "1"])
}

#[test]
fn a_sweep_that_the_budget_ends_is_inconclusive() {
    let sweep = "kind = \"io-error\"\nerror = [\"eio\", \"enospc\"]\noperation = \"write\"";
    let (code, printed) = run_fault(sweep, 8);
    assert_eq!(code, Some(4), "{printed}");
    assert!(printed.contains("ended before the sweep"), "{printed}");
}

#[test]
fn a_kind_of_damage_that_changes_nothing_is_inconclusive() {
    for nothing in [
        "what = \"swapped\"\nfile = \"data\"",
        "what = \"missing\"\nfile = \"nowhere/*\"",
    ] {
        let (code, printed) = run_fault(&format!("kind = \"damage\"\n{nothing}"), 500);
        assert_eq!(code, Some(4), "{printed}");
        assert!(printed.contains("damage changes"), "{printed}");
    }
}
