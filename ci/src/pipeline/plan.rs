//! What each step runs on this machine, or why it cannot.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Step, peers};

const FUZZ_SECONDS: u32 = 12;

/// What a step does here.
#[derive(Debug)]
pub enum Plan {
    /// Runs these commands until one fails.
    Run(Vec<Command>),
    /// Does nothing, for this reason.
    Skip(String),
}

/// The plan of `step` for the workspace at `root`.
pub fn plan(step: Step, root: &Path) -> Plan {
    match step {
        Step::Fmt => one(cargo("fmt --all --check")),
        Step::Clippy => Plan::Run(vec![
            cargo("clippy --workspace --all-targets -- -D warnings"),
            // Without SQLite and its C compiler.
            cargo("clippy -p lightning-chaos --no-default-features --all-targets -- -D warnings"),
        ]),
        Step::Doc => one(with(
            cargo("doc --workspace --no-deps"),
            "RUSTDOCFLAGS",
            "-D warnings",
        )),
        Step::Test => one(cargo("test --workspace")),
        Step::Smoke => one(cargo("run --release -- run")),
        Step::Matrix => Plan::Run(PAGE_SIZES.map(matrix).into()),
        Step::MustFail => one(cargo(
            "run --release -- run scenarios/must-fail --out target/chaos/must-fail",
        )),
        Step::Schema => schema(),
        Step::Deny => deny(),
        Step::Kill => one(cargo("test --release -p lightning-db --test kill")),
        Step::Corpus => one(cargo("test --manifest-path fuzz/Cargo.toml")),
        Step::Fuzz => fuzz(root),
        Step::Miri => miri(),
        Step::Drivers => peers::drivers(root),
        Step::KnownBugs => peers::known_bugs(root),
    }
}

/// Every page size of the engine, as an option of its target.
const PAGE_SIZES: [&str; 5] = ["4KiB", "8KiB", "16KiB", "32KiB", "64KiB"];

/// The smoke scenarios with the least memory there is, but for those whose disks are measured for pages of one size.
fn matrix(page_size: &str) -> Command {
    let options = format!("--target-option frames=16 --target-option page_size={page_size}");
    let out = format!("--out target/chaos/matrix/{page_size}");
    cargo(&format!(
        "run --release -- run --without one-page-size {options} {out}"
    ))
}

fn schema() -> Plan {
    Plan::Run(vec![
        cargo("run --release -- check scenarios"),
        cargo("run --release -- schema"),
    ])
}

fn deny() -> Plan {
    if !works(&cargo("deny --version")) {
        return Plan::Skip("cargo-deny is not installed: `cargo install cargo-deny`".to_owned());
    }
    one(cargo("deny check"))
}

fn fuzz(root: &Path) -> Plan {
    if !works(&cargo("+nightly --version")) {
        return Plan::Skip("no nightly toolchain: `rustup toolchain install nightly`".to_owned());
    }
    if !works(&cargo("+nightly fuzz --version")) {
        return Plan::Skip("cargo-fuzz is not installed: `cargo install cargo-fuzz`".to_owned());
    }
    let targets = fuzz_targets(root);
    if targets.is_empty() {
        return Plan::Skip("fuzz/fuzz_targets holds no target".to_owned());
    }
    Plan::Run(
        targets
            .iter()
            .map(|target| fuzz_target(root, target))
            .collect(),
    )
}

/// Runs one target. What it finds new goes under `target/`, not into the committed corpus.
fn fuzz_target(root: &Path, target: &str) -> Command {
    let found = root.join("target/fuzz-corpus").join(target);
    let _ = std::fs::create_dir_all(&found);
    let mut command = cargo("+nightly fuzz run");
    command
        .arg(target)
        .arg(found)
        .arg(root.join("fuzz/corpus").join(target));
    command
        .args(["--", "-timeout=60"])
        .arg(format!("-max_total_time={FUZZ_SECONDS}"));
    command
}

fn fuzz_targets(root: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root.join("fuzz/fuzz_targets")) else {
        return Vec::new();
    };
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    let sources = files.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let mut names: Vec<String> = sources
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Tree borrows, because crossbeam-epoch reaches its thread records through pointers to their list entries, which
/// stacked borrows refuses; leaks are its global garbage, which lives as long as the process.
const MIRI_FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-ignore-leaks";

/// Tests of safe code that count to millions, or checksum megabytes: they take half of the time.
const MIRI_SKIPS: [&str; 3] = [
    "no_two_pages_share_a_home",
    "commit_group::tests::what_is_encoded",
    "doublewrite::tests",
];

fn miri() -> Plan {
    if !works(&cargo("+nightly miri --version")) {
        let how = "`rustup +nightly component add miri rust-src`";
        return Plan::Skip(format!("miri is not installed: {how}"));
    }
    // A decoder's property is checked on one input: the interpreter is a thousand times slower, and all but a few decoders are done in seconds.
    let mut tests = cargo("+nightly miri test -p lightning-db --lib --");
    // The modules with unsafe code, and what reads bytes from disk, which has none.
    tests.args(["image::", "page_table", "disk_format"]);
    for slow in MIRI_SKIPS {
        tests.args(["--skip", slow]);
    }
    let tests = with(tests, "PROPTEST_CASES", "1");
    one(with(tests, "MIRIFLAGS", MIRI_FLAGS))
}

fn one(command: Command) -> Plan {
    Plan::Run(vec![command])
}

fn with(mut command: Command, name: &str, value: &str) -> Command {
    command.env(name, value);
    command
}

/// A cargo command from a line without quotes. The `cargo` on the path is the one that understands `+nightly`.
pub(super) fn cargo(line: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(line.split_whitespace());
    // Set for this program by the cargo that runs it; the commands choose their own toolchain.
    for inherited in ["RUSTUP_TOOLCHAIN", "CARGO"] {
        command.env_remove(inherited);
    }
    command
}

pub(super) fn works(command: &Command) -> bool {
    let mut probe = Command::new(command.get_program());
    probe
        .args(command.get_args())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => probe.env(name, value),
            None => probe.env_remove(name),
        };
    }
    probe.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &Command) -> String {
        let words = command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn fuzz_targets_are_the_files_of_their_folder() {
        let root = tempfile::tempdir().unwrap();
        assert!(fuzz_targets(root.path()).is_empty());
        let folder = root.path().join("fuzz/fuzz_targets");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["b.rs", "a.rs", "notes.md"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(fuzz_targets(root.path()), ["a", "b"]);
    }

    #[test]
    fn a_fuzz_run_leaves_the_committed_corpus_alone() {
        let root = tempfile::tempdir().unwrap();
        let line = line(&fuzz_target(root.path(), "decoders"));
        let (found, committed) = (line.find("target/fuzz-corpus"), line.find("/fuzz/corpus"));
        assert!(found.is_some() && found < committed, "{line}");
    }

    #[test]
    fn the_matrix_has_16_frames_and_each_page_size_once() {
        let Plan::Run(runs) = plan(Step::Matrix, Path::new(".")) else {
            panic!()
        };
        let lines: Vec<String> = runs.iter().map(line).collect();
        for kibibytes in [4, 8, 16, 32, 64] {
            let size = format!("page_size={kibibytes}KiB ");
            let with = lines.iter().filter(|line| line.contains(&size));
            assert_eq!(with.count(), 1, "{lines:?}");
        }
        assert!(lines.iter().all(|line| line.contains("frames=16 ")));
    }

    #[test]
    fn warnings_are_errors_in_lints_and_documentation() {
        let Plan::Run(clippy) = plan(Step::Clippy, Path::new(".")) else {
            panic!()
        };
        assert!(line(&clippy[0]).ends_with("-- -D warnings"));
        let Plan::Run(doc) = plan(Step::Doc, Path::new(".")) else {
            panic!()
        };
        assert!(doc[0].get_envs().any(|(name, _)| name == "RUSTDOCFLAGS"));
    }
}
