//! Running one version of a row.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::outcome::Outcome;
use crate::rows::{By, Row, Shown, Subject};

/// The exit code of a program that found its bug.
const FOUND: i32 = 3;

/// Where everything is.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The harness.
    pub chaos: PathBuf,
    /// The built drivers of harness/drivers.
    pub drivers: PathBuf,
    /// The built programs of this workspace.
    pub programs: PathBuf,
    /// Where reports and databases go.
    pub out: PathBuf,
}

/// Runs a version, and says how long it took.
pub fn run(row: &Row, subject: &Subject, places: &Places) -> (Outcome, Duration) {
    let begun = Instant::now();
    let outcome = match row.shown_by {
        Shown::Scenario { file, check, part } => {
            scenario(row, subject, places, (file, check, part))
        }
        Shown::Program(_) => program(row, subject, places),
    };
    let outcome = outcome.unwrap_or_else(|error| Outcome::NotRun(error.to_string()));
    (outcome, begun.elapsed())
}

fn scenario(
    row: &Row,
    subject: &Subject,
    places: &Places,
    (file, check, part): (&str, &str, &str),
) -> io::Result<Outcome> {
    let target = match subject.by {
        By::Target(name) => name.to_owned(),
        By::Driver(name) => {
            let program = places.drivers.join(format!("chaos-driver-{name}"));
            format!("driver:{}", program.display())
        }
        By::Program(name) => format!("driver:{}", places.programs.join(name).display()),
    };
    let out = place(row, subject, places)?;
    let ended = Command::new(&places.chaos)
        .args(["run", "--no-shrink", "--target", &target])
        .arg(format!("scenarios/{file}.toml"))
        .arg("--out")
        .arg(&out)
        .output()?;
    let report = fs::read(out.join("report.json")).ok();
    let report: Option<Value> = report.and_then(|text| serde_json::from_slice(&text).ok());
    Ok(match report {
        Some(report) => judge(&report, subject.must_fail, check, part),
        None => Outcome::NotRun(last_line(&ended.stderr)),
    })
}

/// A version that has the bug must show it and not another; one that does not have it must show nothing at all.
fn judge(report: &Value, must_fail: bool, check: &str, part: &str) -> Outcome {
    let scenarios = report["scenarios"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let findings = scenarios.iter().flat_map(|scenario| {
        scenario["findings"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
    });
    let name = |finding: &Value| {
        finding["fingerprint"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let mut names = findings.map(name);
    let wanted = |name: &String| !must_fail || name.starts_with(check) && name.contains(part);
    if let Some(name) = names.find(wanted) {
        return Outcome::Found(name);
    }
    match report["verdict"].as_str() {
        Some("pass") => Outcome::Clean,
        Some("fail") => Outcome::NotRun("it shows something else".to_owned()),
        _ => Outcome::NotRun(reason(report, scenarios)),
    }
}

fn reason(report: &Value, scenarios: &[Value]) -> String {
    let skipped = report["skipped"][0]["reason"].as_str();
    let reason = skipped.or_else(|| scenarios.first()?["reason"].as_str());
    reason.unwrap_or("no verdict").to_owned()
}

fn program(row: &Row, subject: &Subject, places: &Places) -> io::Result<Outcome> {
    let By::Program(name) = subject.by else {
        return Ok(Outcome::NotRun("there is no such program".to_owned()));
    };
    let dir = place(row, subject, places)?;
    let ended = Command::new(places.programs.join(name))
        .arg(&dir)
        .output()?;
    fs::remove_dir_all(&dir)?;
    let said = String::from_utf8_lossy(&ended.stdout);
    let said = said.lines().next().unwrap_or_default().to_owned();
    Ok(match ended.status.code() {
        Some(0) => Outcome::Clean,
        Some(FOUND) => Outcome::Found(said),
        _ => Outcome::NotRun(format!("{}: {}", ended.status, last_line(&ended.stderr))),
    })
}

/// An empty directory for a version.
fn place(row: &Row, subject: &Subject, places: &Places) -> io::Result<PathBuf> {
    let name = format!("{}-{}", row.number, subject.version);
    let out = places.out.join(name);
    if Path::new(&out).exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    Ok(out)
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().last().unwrap_or("it says nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(verdict: &str, fingerprints: &[&str]) -> Value {
        let findings: Vec<_> = fingerprints
            .iter()
            .map(|name| json!({"fingerprint": name}))
            .collect();
        json!({"verdict": verdict, "scenarios": [{"findings": findings, "reason": "no mount"}]})
    }

    #[test]
    fn a_red_version_shows_its_own_bug_and_a_green_one_shows_none() {
        let found = report("fail", &["durability/lost", "no-panic/open/exit"]);
        let own = judge(&found, true, "no-panic", "open");
        assert_eq!(own, Outcome::Found("no-panic/open/exit".to_owned()));
        let other = judge(&found, true, "no-hang", "");
        assert_eq!(other.is_as_expected(true), None);
        let any = judge(&found, false, "no-hang", "");
        assert_eq!(any.is_as_expected(false), Some(false));
        let clean = judge(&report("pass", &[]), false, "no-panic", "");
        assert_eq!(clean.is_as_expected(false), Some(true));
        assert_eq!(clean.is_as_expected(true), Some(false));
    }

    #[test]
    fn what_was_not_run_is_neither() {
        let skipped = judge(&report("inconclusive", &[]), false, "no-panic", "");
        assert_eq!(skipped, Outcome::NotRun("no mount".to_owned()));
        assert_eq!(skipped.is_as_expected(false), None);
    }
}
