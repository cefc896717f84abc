//! Other engines: their drivers, and the bugs that are known of their older versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::plan::{Plan, cargo, works};

/// Where drivers are built.
const DRIVERS: &str = "harness/drivers/target";
/// Where the programs of the known bugs are.
const PROGRAMS: &str = "harness/known-bugs/target";

/// Names the folder of `RocksDB`'s library.
const LIBRARY_DIR: &str = "ROCKSDB_LIB_DIR";
const DEBIAN_LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// Every driver, and the scenarios that its engine passes.
const PEERS: [(&str, &[&str]); 6] = [
    ("lightning", &[DAMAGE]),
    ("redb", &[POWER_LOSS]),
    ("lmdb", &[POWER_LOSS]),
    ("fjall", &[]),
    ("sled", &[]),
    ("rusty-leveldb", &[]),
];
const DAMAGE: &str = "scenarios/drivers/driver-damage.toml";
const POWER_LOSS: &str = "scenarios/drivers/driver-power-loss.toml";

/// Builds every driver, checks that it keeps to the protocol, and runs what its engine passes.
pub(super) fn drivers(root: &Path) -> Plan {
    if let Some(reason) = missing(&["harness/drivers"]) {
        return Plan::Skip(reason);
    }
    let mut commands = vec![chaos(), workspace("harness/drivers", DRIVERS)];
    let mut peers = PEERS.to_vec();
    match rocksdb() {
        Ok(build) => {
            commands.push(build);
            peers.push(("rocksdb", &[]));
        }
        Err(reason) => eprintln!("the driver of RocksDB is skipped: {reason}"),
    }
    for (name, scenarios) in peers {
        let driver = format!("{DRIVERS}/release/chaos-driver-{name}");
        commands.push(run(root, &["driver-check", &driver]));
        for scenario in scenarios {
            let (target, out) = (format!("driver:{driver}"), format!("target/chaos/{name}"));
            commands.push(run(
                root,
                &["run", scenario, "--target", &target, "--out", &out],
            ));
        }
    }
    Plan::Run(commands)
}

/// Builds the driver of `RocksDB`, which needs the system's library: built from its sources it would take half an hour.
fn rocksdb() -> Result<Command, String> {
    let asked = std::env::var_os(LIBRARY_DIR).map(PathBuf::from);
    let here = asked.unwrap_or_else(|| PathBuf::from(DEBIAN_LIBRARIES));
    if !here.join("librocksdb.so").exists() {
        return Err(format!(
            "no librocksdb.so in {} (Debian: librocksdb-dev; {LIBRARY_DIR})",
            here.display()
        ));
    }
    let mut build = workspace("harness/drivers/rocksdb", DRIVERS);
    build.env(LIBRARY_DIR, here);
    Ok(build)
}

/// Runs every row, red and green.
pub(super) fn known_bugs(root: &Path) -> Plan {
    if let Some(reason) = missing(&["harness/drivers", "harness/known-bugs"]) {
        return Plan::Skip(reason);
    }
    let mut table = Command::new(root.join(PROGRAMS).join("release/known-bugs"));
    table
        .arg("--chaos")
        .arg(harness(root))
        .args(["--drivers", &format!("{DRIVERS}/release")])
        .args(["--programs", &format!("{PROGRAMS}/release")])
        .args(["--out", "target/chaos/known-bugs"]);
    Plan::Run(vec![
        chaos(),
        workspace("harness/drivers", DRIVERS),
        workspace("harness/known-bugs", PROGRAMS),
        table,
    ])
}

/// What is not here that is needed.
fn missing(workspaces: &[&str]) -> Option<String> {
    if !Path::new("/dev/fuse").exists() {
        return Some("there is no /dev/fuse: `chaos doctor`".to_owned());
    }
    let fetched = |workspace: &&&str| {
        !works(&cargo(&format!(
            "fetch --locked --manifest-path {workspace}/Cargo.toml"
        )))
    };
    let workspace = workspaces.iter().find(fetched)?;
    Some(format!(
        "the crates of {workspace} cannot be fetched: no network?"
    ))
}

fn chaos() -> Command {
    cargo("build --release -p lightning-chaos")
}

/// Builds a workspace that the product's does not know.
fn workspace(folder: &str, target: &str) -> Command {
    let manifest = format!("--manifest-path {folder}/Cargo.toml --target-dir {target}");
    cargo(&format!("build --release --locked {manifest}"))
}

/// The built harness, where cargo puts it.
fn harness(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root.join(target).join("release/chaos")
}

fn run(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(harness(root));
    command.args(arguments);
    command
}
