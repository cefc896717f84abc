//! Kill -9 of `chaos` in the middle of a run leaves no process, no mount, no loop device, no control group and no file of the run. The plane `block` has a
//! test of its own beside its others.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lightning_chaos::fuse::Mount;

const PATIENCE: Duration = Duration::from_secs(100);

/// A run whose processes all know its directory.
struct Run {
    temp: tempfile::TempDir,
    chaos: Child,
}

impl Run {
    fn start(arguments: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let chaos = Command::new(env!("CARGO_BIN_EXE_chaos"))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .args(["run", "--jobs", "2", "--no-shrink", "--out"])
            .arg(temp.path().join("out"))
            .args(arguments)
            .env("TMPDIR", temp.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { temp, chaos }
    }

    fn mark(&self) -> String {
        self.temp.path().to_str().unwrap().to_owned()
    }

    /// Waits until something holds, looking again and again. Each look reads all of `/proc`.
    fn wait_until(&self, what: &str, holds: impl Fn(&[String]) -> bool) {
        let since = Instant::now();
        let mut traces = self.traces();
        while !holds(&traces) {
            assert!(since.elapsed() < PATIENCE, "{what}: {traces:#?}");
            traces = self.traces();
        }
    }

    /// What of the run there is: processes by what they were started with, their mounts, loop devices, control groups, directories.
    fn traces(&self) -> Vec<String> {
        let mark = self.mark();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let (pid, path) = (entry.file_name(), entry.path());
            let read = |name: &str| {
                let bytes = fs::read(path.join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            if read("environ").contains(&mark) {
                found.push(format!("process {}: {}", pid.display(), read("cmdline")));
            }
            let mounts = read("mounts");
            let mounts = mounts.lines().filter(|line| line.contains(&mark));
            found.extend(mounts.map(|line| format!("mount: {line}")));
        }
        for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
            let file = fs::read_to_string(entry.path().join("loop/backing_file"));
            let file = file.ok().filter(|file| file.contains(&mark));
            found.extend(file.map(|file| format!("loop device: {file}")));
        }
        for entry in fs::read_dir(&mark).unwrap().flatten() {
            let name = entry.file_name().display().to_string();
            if let Some(worker) = name.strip_prefix("chaos-process-") {
                found.push(format!("directory: {name}"));
                let cgroup = format!("/sys/fs/cgroup/memory/chaos-{worker}");
                let cgroup = Path::new(&cgroup).exists().then_some(cgroup);
                found.extend(cgroup.map(|cgroup| format!("control group: {cgroup}")));
            }
        }
        found
    }

    fn kill(&mut self) {
        self.chaos.kill().unwrap();
        self.chaos.wait().unwrap();
    }
}

fn any(traces: &[String], kind: &str, what: &str) -> bool {
    let mut traces = traces.iter();
    traces.any(|trace| trace.starts_with(kind) && trace.contains(what))
}

#[test]
fn of_a_process_that_is_killed_while_processes_are_killed() {
    // Those that need root are skipped without it: all others run everywhere.
    let mut run = Run::start(&["scenarios/process"]);
    run.wait_until("no life began", |traces| {
        any(traces, "process", "process-child") && any(traces, "directory", "")
    });
    run.kill();
    run.wait_until("something stays", <[String]>::is_empty);
}

#[test]
fn of_a_small_file_system_whose_user_is_killed() {
    let mut run = Run::start(&["scenarios/process/small-disk.toml"]);
    let since = Instant::now();
    while !any(&run.traces(), "loop device", "image") {
        if run.chaos.try_wait().unwrap().is_some() {
            eprintln!("skipped: no file system can be mounted from a file here");
            return;
        }
        assert!(since.elapsed() < PATIENCE, "no file system was mounted");
    }
    run.kill();
    run.wait_until("something stays", <[String]>::is_empty);
}

#[test]
fn of_a_driver_on_a_mount_of_its_own() {
    if let Err(reason) = Mount::probe() {
        eprintln!("skipped: {reason}");
        return;
    }
    // It says hello, and opens the database so slowly that it never does.
    let hello =
        r#"{"id":1,"ok":true,"protocol":1,"name":"slow","version":"1","capabilities":["multi"]}"#;
    let temp = tempfile::tempdir().unwrap();
    let driver = temp.path().join("slow.sh");
    let script = format!("read line\necho '{hello}'\nread line\nexec tail -f /dev/null\n");
    fs::write(&driver, script).unwrap();
    let target = format!("driver:sh {}", driver.display());
    let scenario = "scenarios/drivers/driver-power-loss.toml";
    let mut run = Run::start(&[scenario, "--target", &target]);
    run.wait_until("no driver was asked", |traces| {
        any(traces, "process", "tail -f /dev/null") && any(traces, "mount", "fuse")
    });
    run.kill();
    run.wait_until("something stays", <[String]>::is_empty);
}
