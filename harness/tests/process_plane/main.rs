//! The plane `process`: real processes end anywhere and are judged, planted bugs are seen, what is not there is said.

mod drivers;
mod nothing_stays;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lightning_chaos::scenario::Scenario;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text_of(scenario: &str) -> String {
    fs::read_to_string(root().join("scenarios").join(scenario)).unwrap()
}

/// A folder for scenarios of a test's own, and for what their runs leave.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("set")).unwrap();
        fs::create_dir_all(dir.path().join("temp")).unwrap();
        Self(dir)
    }

    fn scenario(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join("set").join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn chaos(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command.current_dir(root()).args(arguments);
        command.env("TMPDIR", self.0.path().join("temp"));
        if arguments[0] == "run" {
            command.arg("--out").arg(self.0.path().join("out"));
        }
        command
    }

    fn report(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.0.path().join("out/report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// Exit code and output.
fn ended(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

#[test]
fn a_process_that_kills_itself_keeps_what_it_acknowledged_and_leaves_no_file() {
    let place = Place::new();
    let file = "scenarios/process/killed-at-operations.toml";
    let (code, text) = ended(&mut place.chaos(&["run", file]));
    assert_eq!(code, Some(0), "{text}");
    let left: Vec<_> = fs::read_dir(place.0.path().join("temp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let report = place.report();
    let fired = &report["scenarios"][0]["faults"]["kill"]["fired"];
    assert!(fired.as_u64() > Some(5), "{report}");
}

#[test]
fn a_log_that_was_not_written_is_seen_when_the_process_ends() {
    let place = Place::new();
    for (name, of_ours) in [
        ("killed-with-a-log-that-was-not-written", "points = 8"),
        ("allocation-fails-before-the-log-is-written", "points = 12"),
    ] {
        let text = text_of(&format!("must-fail/{name}.toml"));
        let text = text.replace(of_ours, "points = 6");
        let file = place.scenario(&format!("{name}.toml"), &text);
        let (code, text) = ended(&mut place.chaos(&["run", &file, "--jobs", "2"]));
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("caught by durability"), "{text}");
    }
}

#[test]
fn a_case_replays_by_its_name() {
    let place = Place::new();
    let text = text_of("must-fail/killed-with-a-log-that-was-not-written.toml");
    let file = place.scenario("lost.toml", &text.replace("runs = 4", "runs = 1"));
    let (code, text) = ended(&mut place.chaos(&["run", &file]));
    assert_eq!(code, Some(0), "{text}");
    let report = place.report();
    let line = report["scenarios"][0]["findings"][0]["replay"].as_str();
    let line = line.unwrap().strip_prefix("chaos replay ").unwrap();
    let (code, text) = ended(&mut place.chaos(&["replay", line, "--scenario", &file]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("durability"), "{text}");
}

#[test]
fn what_this_machine_lacks_is_skipped_in_a_folder_and_inconclusive_by_name() {
    let place = Place::new();
    let lacking = place.scenario("lacking.toml", &text_of("process/small-disk.toml"));
    let there = text_of("power-loss/first-steps.toml");
    let (head, _) = there.split_once("[budget]").unwrap();
    place.scenario("there.toml", &format!("{head}[budget]\ncases = 100\n"));
    let folder = place.0.path().join("set");
    let folder = folder.to_str().unwrap();
    let run = |path: &str| {
        // Nothing can make a file system where no program is found.
        ended(place.chaos(&["run", path]).env("PATH", ""))
    };
    let (code, text) = run(folder);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("no file system can be mounted"), "{text}");
    assert!(text.contains("1 skipped, for the reasons above"), "{text}");
    let (code, text) = run(&lacking);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("not run, though named: "), "{text}");
    let both = [folder, &lacking];
    let mut command = place.chaos(&["run", both[0], both[1]]);
    let (code, text) = ended(command.env("PATH", ""));
    assert_eq!(code, Some(4), "{text}");
}

#[test]
fn faults_plants_and_workloads_of_other_planes_are_refused() {
    let text = text_of("process/killed-at-any-time.toml");
    let refused = |from: &str, to: &str| {
        let other = text.replace(from, to);
        assert_ne!(other, text);
        Scenario::parse("x.toml", &other).unwrap_err().render()
    };
    for (from, to, why) in [
        ("\"process\"\n", "\"sim\"\n", "a fault of another plane"),
        (
            "at = \"any-time\"",
            "at = \"failpoint\"",
            "a failpoint without a name",
        ),
        (
            "points = 24",
            "points = 24\nname = \"wal.*\"",
            "`name` without a failpoint",
        ),
        ("generations = 2", "generations = 5", "5 generations"),
        (
            "clients = 2",
            "clients = 2\nbackups = 1",
            "a workload that the plane `process` does not have",
        ),
        (
            "[[fault]]",
            "[[plant]]\nkind = \"elision\"\noperation = \"sync\"\nfile = \"wal/*\"\n\n[[fault]]",
            "a plant that this plane does not have",
        ),
    ] {
        let error = refused(from, to);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_process_that_was_stopped_and_goes_on_is_judged_by_all_that_it_acknowledged() {
    let place = Place::new();
    let file = "scenarios/process/stopped-then-continued.toml";
    let (code, text) = ended(&mut place.chaos(&["run", file]));
    assert_eq!(code, Some(0), "{text}");
    let report = place.report();
    let fired = &report["scenarios"][0]["varieties"]["kill: continued"]["fired"];
    assert!(fired.as_u64() > Some(12), "{report}");
    let text = text_of("must-fail/killed-with-a-log-that-was-not-written.toml");
    let text = text.replace("at = \"operation\"", "at = \"continued\"");
    let file = place.scenario("lost.toml", &text.replace("runs = 4", "runs = 2"));
    let (code, text) = ended(&mut place.chaos(&["run", &file]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("caught by durability"), "{text}");
}

#[test]
fn a_quota_that_is_used_up_is_a_full_disk_and_no_more() {
    let place = Place::new();
    let text = text_of("process/quota.toml").replace("points = 24", "points = 6");
    let file = place.scenario("quota.toml", &text);
    let (code, text) = ended(&mut place.chaos(&["run", &file]));
    if text.contains("no file system here keeps to a quota") {
        eprintln!("not run: {text}");
        return;
    }
    assert_eq!(code, Some(0), "{text}");
    let report = place.report();
    let scenario = &report["scenarios"][0];
    let number = |path: &str| scenario.pointer(path).and_then(serde_json::Value::as_u64);
    assert!(number("/faults/resource/fired") >= Some(2), "{report}");
    assert!(number("/checks/liveness/examined") >= Some(2), "{report}");
}
