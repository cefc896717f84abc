//! Layers: which module names which.
//!
//! Test code may look up. The root file (`lib.rs`) may name every module: it is what they are joined in. Everything else names a
//! module where it is defined, never through a re-export of the root, which would hide the edge.

use std::collections::BTreeSet;

use super::names::{Named, names_in, test_modules_of};
use super::{Layers, Source, Violation};

/// Checks every file of `sources` that lies in `layers.folder`'s `src`.
pub fn check_imports(sources: &[Source], layers: &Layers) -> Vec<Violation> {
    let src = format!("{}/src/", layers.folder);
    let own: Vec<&Source> = sources
        .iter()
        .filter(|source| source.path.starts_with(&src))
        .collect();
    let modules: BTreeSet<&str> = own
        .iter()
        .filter_map(|source| source.module_path()?.first().copied())
        .collect();
    let test_files = test_files(&own);
    let mut violations = Vec::new();
    for source in own.iter().filter(|source| !source.is_test()) {
        let Some(path) = source.module_path() else {
            continue;
        };
        let Some(user) = path.first() else { continue };
        if test_files
            .iter()
            .any(|test| path.starts_with(&test.iter().map(String::as_str).collect::<Vec<_>>()))
        {
            continue;
        }
        if layers.of(user).is_none() {
            let what = layers.refuse(user, "").unwrap_or_default();
            violations.push(source.violation(1, what));
            continue;
        }
        match source.parse() {
            Ok(file) => violations.extend(check_file(source, &file, layers, &modules)),
            Err(violation) => violations.push(violation),
        }
    }
    violations
}

/// Module paths of files that are declared below `#[cfg(test)]`.
fn test_files(sources: &[&Source]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for source in sources {
        let (Some(path), Ok(file)) = (source.module_path(), source.parse()) else {
            continue;
        };
        for module in test_modules_of(&file) {
            let above = path.iter().map(|part| (*part).to_owned());
            found.push(above.chain([module]).collect());
        }
    }
    found
}

fn check_file(
    source: &Source,
    file: &syn::File,
    layers: &Layers,
    modules: &BTreeSet<&str>,
) -> Vec<Violation> {
    let path = source.module_path().unwrap_or_default();
    let user = path.first().copied().unwrap_or_default();
    let names = names_in(file);
    let looked_at = names.iter().filter(|name| !name.in_test);
    let violations = looked_at.filter_map(|name| {
        let target = from_root(name, &path)?;
        let what = if modules.contains(target.as_str()) || layers.of(&target).is_some() {
            layers.refuse(user, &target)?
        } else {
            format!("`{user}` uses `crate::{target}`: name it by the module that defines it")
        };
        Some(source.violation(name.line, what))
    });
    violations.collect()
}

/// The first segment below the crate's root that `name` means; nothing if it is not a path of this crate.
fn from_root(name: &Named, file: &[&str]) -> Option<String> {
    let first = name.segments.first()?.as_str();
    match first {
        "crate" => name.segments.get(1).cloned(),
        "super" => {
            let ups = name
                .segments
                .iter()
                .take_while(|segment| *segment == "super")
                .count();
            let mut here: Vec<&str> = file.to_vec();
            here.extend(name.inside.iter().map(String::as_str));
            here.truncate(here.len().saturating_sub(ups));
            match here.first() {
                Some(module) => Some((*module).to_owned()),
                None => name.segments.get(ups).cloned(),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Layers = Layers {
        folder: "engine",
        layers: &[&["ids"], &["disk", "format"], &["wal"]],
    };

    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(&format!("engine/src/{path}"), text))
            .collect();
        check_imports(&sources, &TABLE)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_lower_layer_may_be_used() {
        assert!(
            check(&[(
                "wal/segment.rs",
                "use crate::{disk::File, ids::Lsn}; use super::x; fn f() { crate::format::g() }"
            )])
            .is_empty()
        );
    }

    #[test]
    fn an_upward_import_is_refused_with_its_line() {
        let got = check(&[("disk/real.rs", "\nuse crate::wal::Segment;")]);
        assert_eq!(
            got,
            ["engine/src/disk/real.rs:2: `disk` uses `wal`, a layer above it"]
        );
    }

    #[test]
    fn a_sideways_import_is_refused() {
        let got = check(&[("disk/mod.rs", "use crate::format::Page;")]);
        assert_eq!(
            got,
            ["engine/src/disk/mod.rs:1: `disk` uses its sibling `format`"]
        );
    }

    #[test]
    fn an_upward_path_in_an_expression_or_a_macro_is_refused() {
        assert_eq!(
            check(&[("disk/real.rs", "fn f() { crate::wal::g() }")]).len(),
            1
        );
        assert_eq!(
            check(&[("disk/real.rs", "fn f() { assert!(crate::wal::g()) }")]).len(),
            1
        );
    }

    #[test]
    fn super_cannot_climb_around_the_rule() {
        assert_eq!(check(&[("disk/mod.rs", "use super::wal::X;")]).len(), 1);
        assert_eq!(
            check(&[("disk/real.rs", "use super::super::wal::X;")]).len(),
            1
        );
        assert_eq!(
            check(&[("disk.rs", "mod inner { use super::super::wal::X; }")]).len(),
            1
        );
        assert!(
            check(&[(
                "disk/real.rs",
                "use super::memory::X; mod inner { use super::y; }"
            )])
            .is_empty()
        );
    }

    #[test]
    fn a_re_export_of_the_root_cannot_hide_an_edge() {
        let got = check(&[("disk/real.rs", "use crate::Database;")]);
        assert_eq!(got.len(), 1);
        assert!(got[0].contains("by the module that defines it"), "{got:?}");
    }

    #[test]
    fn a_module_that_the_table_does_not_name_is_refused() {
        let got = check(&[("helper.rs", "use crate::ids::Lsn;")]);
        assert!(got[0].contains("`helper` stands in no layer"), "{got:?}");
    }

    #[test]
    fn tests_may_look_up_and_the_root_names_all() {
        let inline = "#[cfg(test)] mod tests { use crate::wal::X; }";
        let files = [
            ("lib.rs", "pub use crate::wal::Segment; pub use disk::File;"),
            ("disk/mod.rs", "#[cfg(test)] mod model;"),
            ("disk/model.rs", "use crate::wal::X;"),
            ("disk/real.rs", inline),
            ("disk/tests/a.rs", "use crate::wal::X;"),
        ];
        assert!(check(&files).is_empty(), "{:?}", check(&files));
    }
}
