//! The rules of the code base hold for the code base.

use lightning_ci::pipeline::workspace_root;
use lightning_ci::tidy::{
    ALLOWED, ENGINE, Forbidden, HARNESS, Source, Violation, check_forbidden, check_imports,
    check_mod_file, check_scenario, check_walls, report, rust_sources, toml_sources,
};

const FOLDERS: &[&str] = &["engine", "harness", "reports", "ci", "fuzz"];

fn sources() -> Vec<Source> {
    let sources = rust_sources(&workspace_root(), FOLDERS).unwrap();
    assert!(
        sources
            .iter()
            .any(|source| source.path == "engine/src/lib.rs"),
        "the walk finds the engine"
    );
    sources
}

#[track_caller]
fn assert_none(violations: Vec<Violation>) {
    let text = report(violations);
    assert!(text.is_empty(), "\n{text}");
}

#[test]
fn engine_modules_use_only_layers_below_them() {
    assert_none(check_imports(&sources(), &ENGINE));
}

#[test]
fn harness_modules_use_only_layers_below_them() {
    assert_none(check_imports(&sources(), &HARNESS));
}

#[test]
fn files_and_functions_stay_below_the_walls() {
    assert_none(check_walls(&sources(), ALLOWED));
}

#[test]
fn mod_files_declare_and_re_export_and_nothing_else() {
    assert_none(sources().iter().flat_map(check_mod_file).collect());
}

#[test]
fn nothing_forbidden_is_written() {
    assert_none(
        sources()
            .iter()
            .flat_map(|s| check_forbidden(s, &Forbidden::HERE))
            .collect(),
    );
}

#[test]
fn every_scenario_says_what_it_shows() {
    let scenarios = toml_sources(&workspace_root(), &["scenarios"]).unwrap();
    assert_none(scenarios.iter().filter_map(check_scenario).collect());
}
