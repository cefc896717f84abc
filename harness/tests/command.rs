//! The command `chaos` as a user or a CI job meets it, on the built-in target `selftest`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A directory with scenario files in it, and the command run inside.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("scenarios")).unwrap();
        Self { dir }
    }

    fn with(self, id: &str, changes: &[(&str, &str)]) -> Self {
        self.write(id, changes);
        self
    }

    fn write(&self, id: &str, changes: &[(&str, &str)]) -> PathBuf {
        let mut text = SCENARIO.replace("ID", id);
        for (from, to) in changes {
            assert!(text.contains(from), "the scenario has no {from:?}");
            text = text.replacen(from, to, 1);
        }
        let path = self.dir.path().join("scenarios").join(format!("{id}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    fn chaos(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_chaos"))
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.chaos(&[&["run", "--target", "selftest"], arguments].concat())
    }

    fn report(&self) -> serde_json::Value {
        let path = self.dir.path().join("target/chaos/report.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    fn replay_line(&self) -> String {
        let report = self.report();
        let line = report["scenarios"][0]["findings"][0]["replay"]
            .as_str()
            .unwrap();
        line.strip_prefix("chaos replay ").unwrap().to_owned()
    }
}

const SCENARIO: &str = r#"format = 1
id = "ID"
title = "A scenario that tests the machinery"
tags = ["smoke"]

[workload]
kind = "kv"
transactions = 10

[options.selftest]
misbehave = "no"

[[fault]]
kind = "power-loss"
model = "posix"

[[check]]
kind = "durability"

[budget]
cases = 50
"#;

const PLANT: (&str, &str) = (
    "[[check]]",
    "[[plant]]\nkind = \"elision\"\noperation = \"sync\"\nfile = \"wal/*\"\n\n[[check]]",
);
const EXPECT_FAIL: (&str, &str) = (
    "tags =",
    "expect = \"fail\"\ncaught_by = \"durability\"\ntags =",
);

fn misbehaving(how: &str) -> (&'static str, String) {
    (
        "misbehave = \"no\"",
        format!("misbehave = \"{how}\"\nat = \"p3.s0\""),
    )
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", text(output));
}

/// The report without what depends on time and machine, at any depth.
fn reproducible(mut report: serde_json::Value) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.retain(|key, _| key != "timing" && key != "environment");
                map.values_mut().for_each(strip);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut report);
    report
}

#[test]
fn a_run_in_which_nothing_breaks_exits_with_0_and_writes_a_report() {
    let place = Place::new().with("quiet", &[]);
    let output = place.run(&[]);
    assert_exit(&output, 0);
    assert!(
        text(&output).starts_with("seed 1, target selftest"),
        "{}",
        text(&output)
    );
    let report = place.report();
    assert_eq!(report["verdict"], "pass");
    assert_eq!(report["seed"], "1");
    assert_eq!(report["totals"]["scenarios"], 1);
    // Batches of 20 states: the first prefix of them that reaches 50.
    assert_eq!(report["totals"]["crash_states"]["distinct"], 60);
    for file in ["index.html", "junit.xml", "summary.md"] {
        assert!(
            place.dir.path().join("target/chaos").join(file).is_file(),
            "{file}"
        );
    }
}

#[test]
fn the_number_of_workers_does_not_change_the_report() {
    let place = Place::new()
        .with("one", &[])
        .with("planted", &[PLANT, EXPECT_FAIL])
        .with("uneven", &[("misbehave = \"no\"", "states = [7, 1, 30]")]);
    let mut reports = Vec::new();
    for jobs in ["1", "2", "5", "2"] {
        assert_exit(&place.run(&["--jobs", jobs]), 0);
        reports.push(reproducible(place.report()));
    }
    assert!(reports.windows(2).all(|pair| pair[0] == pair[1]));
    assert_exit(&place.run(&["--seed", "2"]), 0);
    assert_ne!(reports[0], reproducible(place.report()));
}

#[test]
fn a_broken_invariant_exits_with_2_and_its_replay_line_reproduces_it() {
    let broken = misbehaving("break");
    let place = Place::new().with("broken", &[(broken.0, &broken.1)]);
    let output = place.run(&[]);
    assert_exit(&output, 2);
    let line = place.replay_line();
    assert!(text(&output).contains(&line), "{}", text(&output));
    let replayed = place.chaos(&["replay", &line]);
    assert_exit(&replayed, 2);
    assert!(
        text(&replayed).contains("reproduced"),
        "{}",
        text(&replayed)
    );
    let file = place.report()["scenarios"][0]["findings"][0]["case_file"].clone();
    let file = place
        .dir
        .path()
        .join("target/chaos")
        .join(file.as_str().unwrap());
    assert_exit(&place.chaos(&["replay", file.to_str().unwrap()]), 2);
}

#[test]
fn a_covered_scenario_says_so_and_what_it_finds_is_replayed() {
    let place = Place::new().with(
        "covered",
        &[
            (
                "[options.selftest]\nmisbehave = \"no\"",
                "[options.toy]\nsync_before_ack = false",
            ),
            (
                "transactions = 10",
                "transactions = 4\nkeys = 4\nvalue_len_max = \"100 B\"",
            ),
            (
                "model = \"posix\"",
                "model = \"posix\"\ncoverage = \"lazy\"",
            ),
            ("cases = 50", "cases = 9000\nruns = 2"),
        ],
    );
    assert_exit(&place.chaos(&["run", "--target", "toy"]), 2);
    let scenario = place.report()["scenarios"][0].clone();
    assert_eq!(scenario["coverage"], "full");
    let legal_states: u64 = scenario["legal_states"].as_str().unwrap().parse().unwrap();
    let representatives = scenario["representatives"].as_u64().unwrap();
    assert!(
        0 < representatives && representatives < legal_states,
        "{scenario}"
    );
    let line = place.replay_line();
    assert!(line.contains(".d"), "{line}");
    let replayed = place.chaos(&["replay", &line, "--materialize", "state"]);
    assert_exit(&replayed, 2);
    assert!(
        text(&replayed).contains("reproduced"),
        "{}",
        text(&replayed)
    );
    assert!(place.dir.path().join("state").is_dir());

    let place = place.with(
        "covered",
        &[("[options.selftest]\nmisbehave = \"no\"\n", "")],
    );
    assert_exit(&place.chaos(&["run", "--target", "toy"]), 0);
    let scenario = place.report()["scenarios"][0].clone();
    assert_eq!(scenario["coverage"], "sampled");
    assert_eq!(scenario.get("legal_states"), None);
    let distinct = &scenario["totals"]["crash_states"]["distinct"];
    assert_eq!(scenario["representatives"], *distinct);
}

#[test]
fn a_replay_puts_the_files_where_it_is_told_and_nowhere_else() {
    let broken = misbehaving("break");
    let place = Place::new().with("broken", &[(broken.0, &broken.1)]);
    assert_exit(&place.run(&[]), 2);
    let line = place.replay_line();
    assert_exit(
        &place.chaos(&["replay", &line, "--materialize", "state"]),
        2,
    );
    assert_eq!(
        fs::read_to_string(place.dir.path().join("state/data")).unwrap(),
        "p3.s0"
    );
    let again = place.chaos(&["replay", &line, "--materialize", "state"]);
    assert_exit(&again, 1);
    assert!(text(&again).contains("not empty"), "{}", text(&again));
}

#[test]
fn a_case_of_a_changed_scenario_or_of_other_code_is_refused() {
    let broken = misbehaving("break");
    let place = Place::new().with("broken", &[(broken.0, &broken.1)]);
    assert_exit(&place.run(&[]), 2);
    let line = place.replay_line();
    place.write(
        "broken",
        &[
            (broken.0, &broken.1),
            ("transactions = 10", "transactions = 11"),
        ],
    );
    let changed = place.chaos(&["replay", &line]);
    assert_exit(&changed, 1);
    assert!(
        text(&changed).contains("the scenario has changed"),
        "{}",
        text(&changed)
    );

    place.write("broken", &[(broken.0, &broken.1)]);
    let commit = line.split(':').nth(1).unwrap();
    let other = line.replacen(commit, "0123456789ab", 1);
    let refused = place.chaos(&["replay", &other]);
    assert_exit(&refused, 1);
    assert!(
        text(&refused).contains("recorded by commit 0123456789ab"),
        "{}",
        text(&refused)
    );
    assert_exit(&place.chaos(&["replay", &other, "--any-commit"]), 2);

    let options = line.replacen("misbehave=break", "misbehave=no", 1);
    assert_exit(&place.chaos(&["replay", &options]), 1);
    assert_exit(&place.chaos(&["replay", "c9:nonsense"]), 1);
}

#[test]
fn a_planted_bug_that_is_caught_passes_and_the_same_file_expecting_a_pass_fails() {
    let place = Place::new().with("planted", &[PLANT, EXPECT_FAIL]);
    let output = place.run(&[]);
    assert_exit(&output, 0);
    assert!(
        text(&output).contains("1 of 1 planted bugs caught"),
        "{}",
        text(&output)
    );

    let expect_pass = ("expect = \"fail\"", "expect = \"pass\"");
    place.write("planted", &[PLANT, EXPECT_FAIL, expect_pass]);
    assert_exit(&place.run(&[]), 2);
    assert_exit(&place.chaos(&["replay", &place.replay_line()]), 2);
}

#[test]
fn a_planted_bug_beside_a_control_that_fails_too_is_not_caught() {
    let broken = misbehaving("break");
    let place = Place::new().with("planted", &[PLANT, EXPECT_FAIL, (broken.0, &broken.1)]);
    let output = place.run(&[]);
    assert_exit(&output, 2);
    assert!(
        text(&output).contains("without its plant"),
        "{}",
        text(&output)
    );
}

#[test]
fn an_abort_and_a_runaway_allocation_are_findings_and_the_batch_goes_on() {
    for (how, said) in [("abort", "SIGABRT"), ("allocate", "memory allocation of")] {
        let bad = misbehaving(how);
        let place = Place::new().with("bad", &[(bad.0, &bad.1)]);
        let output = place.run(&["--jobs", "1"]);
        assert_exit(&output, 2);
        assert!(text(&output).contains(said), "{}", text(&output));
        let report = place.report();
        let finding = &report["scenarios"][0]["findings"][0];
        assert_eq!(finding["check"], "no-panic");
        assert_eq!(finding["case"], "run 0, p3.s0");
        // 19 states a batch without the one that ended the worker.
        assert_eq!(report["totals"]["crash_states"]["distinct"], 57);
        assert_exit(&place.chaos(&["replay", &place.replay_line()]), 2);
        assert_exit(&place.run(&["--jobs", "2"]), 2);
        assert_eq!(reproducible(report), reproducible(place.report()));
    }
}

#[test]
fn a_case_that_makes_no_progress_is_given_up_and_inconclusive() {
    let bad = misbehaving("hang");
    let changes = [
        (bad.0, bad.1.as_str()),
        ("cases = 50", "cases = 50\nruns = 1"),
    ];
    let place = Place::new().with("stuck", &changes);
    let output = place.run(&["--stall-limit", "300 ms"]);
    assert_exit(&output, 4);
    let report = place.report();
    assert_eq!(report["verdict"], "inconclusive");
    let reason = report["scenarios"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("p3.s0") && reason.contains("no progress"),
        "{reason}"
    );
    assert_eq!(report["totals"]["crash_states"]["distinct"], 19);
}

#[test]
fn a_state_without_a_verdict_makes_the_run_inconclusive() {
    let unsure = misbehaving("unsure");
    let place = Place::new().with("unsure", &[(unsure.0, &unsure.1)]);
    assert_exit(&place.run(&[]), 4);
}

#[test]
fn the_first_failure_ends_a_fail_fast_run() {
    let broken = misbehaving("break");
    let place = Place::new()
        .with("a-good", &[])
        .with("b-bad", &[(broken.0, &broken.1)]);
    place.write("c-late", &[]);
    assert_exit(&place.run(&["--fail-fast"]), 2);
    let report = place.report();
    let verdicts: Vec<_> = (0..3)
        .map(|i| report["scenarios"][i]["verdict"].clone())
        .collect();
    assert_eq!(verdicts, ["pass", "fail", "skipped"]);
}

#[test]
fn a_scenario_with_threads_is_skipped_on_a_target_without() {
    let place = Place::new().with("a-plain", &[]).with(
        "b-threads",
        &[("transactions = 10", "transactions = 10\nthreads = true")],
    );
    assert_exit(&place.chaos(&["run", "--target", "toy"]), 0);
    let report = place.report();
    let verdicts = [0, 1].map(|index| report["scenarios"][index]["verdict"].clone());
    assert_eq!(verdicts, ["pass", "skipped"]);
    let reason = report["skipped"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, "the target cannot be used by several threads");
}

#[test]
fn mistakes_exit_with_1_and_say_where() {
    let place = Place::new().with("typo", &[("transactions", "transcations")]);
    let output = place.run(&[]);
    assert_exit(&output, 1);
    let said = text(&output);
    assert!(said.contains("scenarios/typo.toml:8:1"), "{said}");
    assert!(said.contains("did you mean `transactions`"), "{said}");
    assert_exit(&place.chaos(&["check"]), 1);
    assert_exit(&place.chaos(&["rnu"]), 1);
    assert_exit(&place.chaos(&["run", "nowhere"]), 1);
    assert_exit(&place.chaos(&["run", "--target", "oracle9"]), 1);
    assert_exit(&place.chaos(&["--help"]), 0);
}

#[test]
fn an_option_that_the_target_does_not_know_is_shown_in_its_line() {
    let place = Place::new().with("option", &[("misbehave", "misbehav")]);
    let output = place.chaos(&["check"]);
    assert_exit(&output, 1);
    assert!(
        text(&output).contains("scenarios/option.toml:11:12"),
        "{}",
        text(&output)
    );
    assert_exit(&place.run(&[]), 1);
}

#[test]
fn two_scenarios_with_one_id_are_refused() {
    let place = Place::new().with("one", &[]);
    fs::copy(
        place.write("one", &[]),
        place.dir.path().join("scenarios/two.toml"),
    )
    .unwrap();
    let output = place.chaos(&["check"]);
    assert_exit(&output, 1);
    assert!(
        text(&output).contains("two scenarios have the id `one`"),
        "{}",
        text(&output)
    );
}

#[test]
fn only_what_is_selected_runs() {
    let slow = ("tags = [\"smoke\"]", "tags = [\"slow\"]");
    let place = Place::new().with("quick", &[]).with("slow", &[slow]);
    let ran = |arguments: &[&str]| {
        assert_exit(&place.run(arguments), 0);
        let report = place.report();
        let list = report["scenarios"].as_array().unwrap().clone();
        list.iter()
            .map(|s| s["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ran(&[]), ["quick"]);
    assert_eq!(ran(&["--tag", "slow"]), ["slow"]);
    assert_eq!(ran(&["scenarios"]), ["quick", "slow"]);
    assert_eq!(ran(&["scenarios/slow.toml"]), ["slow"]);
    assert_exit(&place.run(&["--tag", "none"]), 1);
}

#[test]
fn list_check_and_doctor_answer() {
    let place = Place::new().with("quiet", &[]);
    let listed = place.chaos(&["list"]);
    assert_exit(&listed, 0);
    assert!(
        text(&listed).starts_with("quiet  pass  A scenario"),
        "{}",
        text(&listed)
    );
    let checked = place.chaos(&["check"]);
    assert_exit(&checked, 0);
    assert!(
        text(&checked).contains("1 scenarios ok"),
        "{}",
        text(&checked)
    );
    let doctor = place.chaos(&["doctor"]);
    assert_exit(&doctor, 0);
    for plane in ["sim", "fuse", "block", "process"] {
        let line = format!("plane {plane}");
        assert!(text(&doctor).contains(&line), "{}", text(&doctor));
    }
}

#[test]
fn a_worker_ends_when_its_input_does() {
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["worker", "--memory-bytes=1073741824"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_exit(&output, 0);
}

#[test]
fn a_scenario_outside_of_the_folder_is_named_so_that_it_can_be_replayed() {
    let broken = misbehaving("break");
    let place = Place::new().with("inside", &[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("my scenario.toml");
    let inside = place.write("outside", &[(broken.0, &broken.1)]);
    fs::rename(inside, &path).unwrap();
    let path: &Path = &path;
    assert_exit(&place.run(&[path.to_str().unwrap()]), 2);
    assert_exit(&place.chaos(&["replay", &place.replay_line()]), 2);
}
