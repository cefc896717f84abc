//! Drivers killed on a real file system. Where there is no Python there is nothing to test, and the tests say so.

use std::fs;
use std::process::Command;

use super::{Place, ended, root, text_of};

/// The driver `toylog`, with a change; nothing where it cannot be run.
fn toylog(place: &Place, change: impl Fn(String) -> String) -> Option<String> {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|python| python.status.success()) {
        eprintln!("skipped: no python3");
        return None;
    }
    let text = fs::read_to_string(root().join("examples/drivers/toylog.py")).unwrap();
    let path = place.0.path().join("toylog.py");
    fs::write(&path, change(text)).unwrap();
    Some(format!("driver:python3 {}", path.display()))
}

fn run(place: &Place, driver: &str, scenario: &str) -> (Option<i32>, String) {
    ended(&mut place.chaos(&["run", scenario, "--no-shrink", "--target", driver]))
}

fn few(place: &Place) -> String {
    let text = text_of("process/killed-at-any-time.toml");
    let text = text.replace("points = 24", "points = 6");
    place.scenario("few.toml", &text.replace("runs = 6", "runs = 1"))
}

#[test]
fn a_driver_that_is_killed_keeps_what_it_acknowledged() {
    let place = Place::new();
    let Some(driver) = toylog(&place, |text| text) else {
        return;
    };
    let (code, text) = run(&place, &driver, &few(&place));
    assert_eq!(code, Some(0), "{text}");
    let fired = &place.report()["scenarios"][0]["faults"]["kill"]["fired"];
    assert!(fired.as_u64() >= Some(3), "{text}");
}

#[test]
fn a_driver_that_does_not_write_what_it_acknowledges_is_caught() {
    let place = Place::new();
    let forgetful = |text: String| {
        let other = text.replace("write_all(self.log, record, self.end)", "pass");
        assert_ne!(other, text);
        other
    };
    let Some(driver) = toylog(&place, forgetful) else {
        return;
    };
    let (code, text) = run(&place, &driver, &few(&place));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("durability"), "{text}");
}

#[test]
fn of_a_driver_nothing_is_asked_that_only_a_library_shows() {
    let place = Place::new();
    let Some(driver) = toylog(&place, |text| text) else {
        return;
    };
    let (code, text) = run(
        &place,
        &driver,
        "scenarios/process/killed-at-operations.toml",
    );
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("a driver is only killed at any time"),
        "{text}"
    );
}
