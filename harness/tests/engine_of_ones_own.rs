//! Scenarios as tests of somebody's engine, by the crate's public interface alone.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use lightning_chaos::disk::{Disk, DiskFile, OpenMode};
use lightning_chaos::{
    BUILTIN, Change, Durability, KeyValue, Mode, Options, RowSink, Session, Target, TargetError,
    check, one_at_a_time,
};

/// What is wrong with an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    NoSync,
    Panics,
    HangsOnReopening,
}

/// A file of lines, one for each change.
struct Lines {
    file: Arc<dyn DiskFile>,
    end: u64,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    has_failed: bool,
    bug: Bug,
}

#[derive(Debug)]
struct Engine(Bug);

impl Target for Engine {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        _: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        Ok(one_at_a_time(Lines::open(&*disk, mode, self.0)?))
    }
}

impl Lines {
    fn open(disk: &dyn Disk, mode: Mode, bug: Bug) -> io::Result<Self> {
        let file = match disk.open("lines", OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && mode == Mode::CreateOrOpen => {
                disk.open("lines", OpenMode::Create)?
            }
            found => found?,
        };
        disk.sync_dir("")?;
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap()];
        file.read_at(0, &mut bytes)?;
        while bug == Bug::HangsOnReopening && !bytes.is_empty() {
            file.len()?;
        }
        let mut rows = BTreeMap::new();
        let mut end = 0;
        while let Some(line) = bytes[end..].split_inclusive(|&byte| byte == b'\n').next() {
            let Some(changes) = read(line, end) else {
                break;
            };
            apply(&mut rows, &changes);
            end += line.len();
        }
        file.write_at(0, &bytes[..end])?;
        file.set_len(end as u64)?;
        file.sync()?;
        Ok(Self {
            file,
            end: end as u64,
            rows,
            has_failed: false,
            bug,
        })
    }

    fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let line = line_of(changes, usize::try_from(self.end).unwrap());
        self.file.write_at(self.end, &line)?;
        if self.bug != Bug::NoSync {
            self.file.sync()?;
        }
        self.end += line.len() as u64;
        Ok(())
    }
}

fn apply(rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: &[Change]) {
    for (key, value) in changes.iter().cloned() {
        match value {
            Some(value) => drop(rows.insert(key, value)),
            None => drop(rows.remove(&key)),
        }
    }
}

fn line_of(changes: &[Change], at: usize) -> Vec<u8> {
    let text = serde_json::to_string(changes).unwrap();
    format!("{:032x} {text}\n", digest(&text, at)).into_bytes()
}

fn read(line: &[u8], at: usize) -> Option<Vec<Change>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (digest_there, text) = line.split_once(' ')?;
    let is_whole = digest_there == format!("{:032x}", digest(text, at));
    serde_json::from_str(text).ok().filter(|_| is_whole)
}

/// FNV-1a, over the text and its place.
fn digest(text: &str, at: usize) -> u128 {
    let bytes = text.bytes().chain(at.to_le_bytes());
    bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

impl KeyValue for Lines {
    fn commit(&mut self, changes: &[Change], _: Durability) -> Result<(), TargetError> {
        assert!(
            self.bug != Bug::Panics || self.rows.len() < 5,
            "too many rows"
        );
        if self.has_failed {
            return Err(io::Error::other("an earlier write failed").into());
        }
        self.append(changes)
            .inspect_err(|_| self.has_failed = true)?;
        apply(&mut self.rows, changes);
        Ok(())
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, TargetError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(&mut self, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        self.rows.iter().for_each(|(key, value)| sink(key, value));
        Ok(())
    }
}

const SHORT: &str = r#"
format = 1
id = "short"
title = "Two commits survive a power cut"
[workload]
kind = "kv"
transactions = 2
[[fault]]
kind = "power-loss"
model = "posix"
at = "every-operation"
[[check]]
kind = "durability"
[budget]
cases = 50
"#;

fn finding_of(bug: Bug, scenario: &str) -> String {
    let failed = check(Engine(bug)).scenario(scenario).try_run();
    failed.unwrap_err().to_string()
}

#[test]
fn a_sound_engine_passes_everything_that_is_built_in() {
    let passed = check(Engine(Bug::None)).every_scenario().run();
    assert_eq!(passed.scenarios, BUILTIN.len());
    assert!(passed.states > 1000, "{passed}");
}

#[test]
fn a_missing_sync_is_told_with_the_smallest_case_and_a_line_that_replays_it() {
    let text = finding_of(Bug::NoSync, "power-loss");
    for part in [
        "lines did not pass",
        "scenario driver-power-loss FAILED: broken: durability",
        "durability: acknowledged-lost/sync",
        "the smallest case that shows it:",
        "CHAOS_REPLAY='c1:",
        "cargo test a_missing_sync_is_told",
        "seed 1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_scenario_is_a_file_or_a_text_as_well() {
    assert!(finding_of(Bug::NoSync, SHORT).contains("scenario short FAILED"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("short.toml");
    std::fs::write(&file, SHORT).unwrap();
    let passed = check(Engine(Bug::None))
        .scenario(file.to_str().unwrap())
        .run();
    assert!(passed.states > 0);
    for (wrong, why) in [
        ("no-such", "expected one of power-loss"),
        ("no-such.toml", "cannot read the scenario no-such.toml"),
        ("id = \"x\"\n", "format"),
    ] {
        let text = finding_of(Bug::None, wrong);
        assert!(text.contains(why), "{text}");
    }
    let nothing = check(Engine(Bug::None)).try_run().unwrap_err();
    assert!(nothing.to_string().contains("no scenario is asked for"));
}

#[test]
fn a_panic_and_a_loop_are_findings() {
    let text = finding_of(Bug::Panics, "power-loss");
    assert!(
        text.contains("no-panic") && text.contains("too many rows"),
        "{text}"
    );
    let text = finding_of(Bug::HangsOnReopening, "power-loss");
    assert!(text.contains("no-hang"), "{text}");
}

/// A scenario that this engine cannot be asked for is no success.
#[test]
fn a_run_that_tests_nothing_fails() {
    let savepoints = SHORT.replace(
        "transactions = 2",
        "transactions = 2\nsavepoints = \"50 %\"",
    );
    let text = finding_of(Bug::None, &savepoints);
    assert!(
        text.contains("was not run: the target has no savepoints"),
        "{text}"
    );
}

#[test]
#[should_panic(expected = "durability: acknowledged-lost/sync")]
fn a_test_panics_with_what_was_found() {
    check(Engine(Bug::NoSync))
        .scenario(SHORT)
        .without_shrinking()
        .run();
}
