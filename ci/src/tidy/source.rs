//! Source files, read and parsed.

use std::path::Path;
use std::{fs, io};

use super::Violation;

/// A source file of the workspace.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path relative to the workspace, with forward slashes.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A source from memory.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The parsed file; the violation says where it does not parse.
    pub fn parse(&self) -> Result<syn::File, Violation> {
        syn::parse_file(&self.text).map_err(|error| Violation {
            file: self.path.clone(),
            line: error.span().start().line,
            what: format!("does not parse: {error}"),
        })
    }

    /// A violation in this file.
    pub fn violation(&self, line: usize, what: String) -> Violation {
        Violation {
            file: self.path.clone(),
            line,
            what,
        }
    }

    /// The module path of this file within its crate's `src`: `a/b.rs` and `a/b/mod.rs` are `[a, b]`, `lib.rs` is `[]`.
    /// Nothing if the file is not below a `src`.
    pub fn module_path(&self) -> Option<Vec<&str>> {
        let (_, below) = self.path.split_once("/src/")?;
        let mut path: Vec<&str> = below.strip_suffix(".rs")?.split('/').collect();
        if path.last() == Some(&"mod") || matches!(path.as_slice(), ["lib" | "main"]) {
            path.pop();
        }
        Some(path)
    }

    /// Whether the whole file is test code, by its place: under `tests/`, or named so.
    pub fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        let file = parts.next_back().unwrap_or_default();
        file == "tests.rs" || file.ends_with("_tests.rs") || parts.any(|part| part == "tests")
    }
}

/// Every Rust file below these folders of the workspace, sorted. Folders named `target` are left out.
pub fn rust_sources(root: &Path, folders: &[&str]) -> io::Result<Vec<Source>> {
    sources(root, folders, "rs")
}

/// Every TOML file below these folders of the workspace, sorted.
pub fn toml_sources(root: &Path, folders: &[&str]) -> io::Result<Vec<Source>> {
    sources(root, folders, "toml")
}

fn sources(root: &Path, folders: &[&str], extension: &str) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    for folder in folders {
        let folder = root.join(folder);
        if folder.is_dir() {
            collect(root, &folder, extension, &mut found)?;
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn collect(root: &Path, folder: &Path, extension: &str, found: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // Build output, which cargo marks; a module may well be called `target`.
            if !path.join("CACHEDIR.TAG").exists() {
                collect(root, &path, extension, found)?;
            }
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(Source {
                path: relative(root, &path),
                text: fs::read_to_string(&path)?,
            });
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_paths_follow_the_files() {
        let cases: [(&str, Option<&[&str]>); 6] = [
            ("engine/src/lib.rs", Some(&[])),
            ("engine/src/ids.rs", Some(&["ids"])),
            ("engine/src/disk/mod.rs", Some(&["disk"])),
            ("engine/src/disk/real.rs", Some(&["disk", "real"])),
            ("harness/src/cli/main.rs", Some(&["cli", "main"])),
            ("engine/tests/kill.rs", None),
        ];
        for (path, expected) in cases {
            assert_eq!(
                Source::new(path, "").module_path().as_deref(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn test_files_are_known_by_their_place() {
        for path in [
            "a/tests/x.rs",
            "a/src/b/tests.rs",
            "a/src/b/tests/c.rs",
            "a/src/contract_tests.rs",
        ] {
            assert!(Source::new(path, "").is_test(), "{path}");
        }
        assert!(!Source::new("a/src/latest.rs", "").is_test());
    }

    #[test]
    fn text_that_does_not_parse_is_a_violation_with_its_line() {
        let error = Source::new("x.rs", "fn a() {}\nfn {").parse().unwrap_err();
        assert_eq!(error.line, 2);
    }
}
