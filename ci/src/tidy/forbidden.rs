//! What may not be written: `unsafe` outside a list, the file system outside `disk`, locks and threads outside `sync`, the harness in
//! the engine, tests that are ignored or sleep.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::names::{Named, names_in};
use super::{Source, Violation};

/// Where what is forbidden elsewhere is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Forbidden {
    /// Files that may hold `unsafe`, each with a decision page behind it.
    pub unsafe_files: &'static [&'static str],
    /// Folders outside which the engine does not touch the file system.
    pub file_system_folders: &'static [&'static str],
    /// Folders outside which the engine takes no lock and starts no thread of the standard library's.
    pub thread_folders: &'static [&'static str],
}

impl Forbidden {
    /// The rules of this workspace.
    pub const HERE: Self = Self {
        unsafe_files: &[
            // C interfaces of engines that ours is measured beside.
            "engine/bench/src/engines/lmdb.rs",
            "engine/bench/src/engines/sqlite_connection.rs",
            "engine/src/page_store/link.rs",
            "engine/src/image/frame.rs",
            "engine/src/image/handle.rs",
            // C interfaces of engines that are tested.
            "harness/drivers/lmdb/src/main.rs",
            // Between fork and exec.
            "harness/src/target/driver/spawn.rs",
            // A global allocator.
            "harness/src/process/allocator.rs",
            "harness/src/target/sqlite/connection.rs",
            "harness/src/target/sqlite/methods.rs",
            "harness/src/target/sqlite/vfs.rs",
        ],
        file_system_folders: &["engine/src/disk/"],
        // What a disk locks, it locks for moments, and calls nobody meanwhile.
        thread_folders: &["engine/src/sync/", "engine/src/disk/"],
    };
}

/// Checks one file.
pub fn check_forbidden(source: &Source, rules: &Forbidden) -> Vec<Violation> {
    let file = match source.parse() {
        Ok(file) => file,
        Err(violation) => return vec![violation],
    };
    let names = names_in(&file);
    let mut violations = Vec::new();
    violations.extend(
        names
            .iter()
            .filter_map(|name| forbidden_name(source, name, rules)),
    );
    let mut marks = Marks::default();
    marks.visit_file(&file);
    for line in marks.ignored {
        violations
            .push(source.violation(line, "no test is ignored: fix it or remove it".to_owned()));
    }
    if !rules.unsafe_files.contains(&source.path.as_str()) {
        for line in marks.unsafes {
            let what = "`unsafe` outside the list in ci/src/tidy/forbidden.rs";
            violations.push(source.violation(line, what.to_owned()));
        }
    }
    violations
}

fn forbidden_name(source: &Source, name: &Named, rules: &Forbidden) -> Option<Violation> {
    let in_test = name.in_test || source.is_test();
    let engine = source.path.starts_with("engine/src/");
    let what = if in_test && names(name, "thread", "sleep") {
        "no test sleeps: wait for the event itself"
    } else if engine
        && !in_test
        && touches_files(name)
        && !in_any(source, rules.file_system_folders)
    {
        "the engine touches the file system only in engine/src/disk"
    } else if engine && !in_test && blocks(name) && !in_any(source, rules.thread_folders) {
        "the engine takes locks and starts threads only through engine/src/sync"
    } else if source.path.starts_with("engine/") && is_harness(name) {
        "the engine does not know the harness"
    } else {
        return None;
    };
    Some(source.violation(name.line, what.to_owned()))
}

fn names(name: &Named, module: &str, item: &str) -> bool {
    name.segments
        .windows(2)
        .any(|pair| pair[0] == module && pair[1] == item)
}

fn touches_files(name: &Named) -> bool {
    names(name, "std", "fs") || (names(name, "unix", "fs") && name.segments[0] == "std")
}

fn blocks(name: &Named) -> bool {
    let items = [
        "Mutex",
        "MutexGuard",
        "Condvar",
        "RwLock",
        "Barrier",
        "mpsc",
    ];
    name.segments[0] == "std"
        && (items.iter().any(|item| names(name, "sync", item))
            || ["spawn", "Builder", "park", "scope"]
                .iter()
                .any(|item| names(name, "thread", item)))
}

fn is_harness(name: &Named) -> bool {
    matches!(
        name.segments.first().map(String::as_str),
        Some("lightning_chaos" | "lightning_report")
    )
}

fn in_any(source: &Source, folders: &[&str]) -> bool {
    folders.iter().any(|folder| source.path.starts_with(folder))
}

/// Lines of `#[ignore]` and of `unsafe`.
#[derive(Default)]
struct Marks {
    ignored: Vec<usize>,
    unsafes: Vec<usize>,
}

impl Marks {
    fn signature(&mut self, signature: &syn::Signature) {
        self.unsafes
            .extend(signature.unsafety.map(|token| token.span.start().line));
    }
}

impl<'ast> Visit<'ast> for Marks {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("ignore") {
            self.ignored.push(attribute.span().start().line);
        }
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.unsafes.push(block.unsafe_token.span.start().line);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.signature(signature);
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.unsafes
            .extend(item.unsafety.map(|token| token.span.start().line));
        visit::visit_item_impl(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Forbidden = Forbidden {
        unsafe_files: &["engine/src/simd.rs"],
        file_system_folders: &["engine/src/disk/"],
        thread_folders: &["engine/src/sync/"],
    };

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check_forbidden(&Source::new(path, text), &RULES)
            .iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn unsafe_stands_only_in_listed_files() {
        let text = "fn f() {\n unsafe { g() }\n}\nunsafe fn h() {}\nunsafe impl Send for X {}";
        assert_eq!(lines("engine/src/a.rs", text), [2, 4, 5]);
        assert!(lines("engine/src/simd.rs", text).is_empty());
    }

    #[test]
    fn the_engine_reaches_files_only_through_disk() {
        for text in [
            "use std::fs;",
            "use std::{fs::File, io};",
            "fn f() { std::fs::read(x); }",
            "use std::os::unix::fs::FileExt;",
        ] {
            assert_eq!(lines("engine/src/wal/a.rs", text), [1], "{text}");
            assert!(lines("engine/src/disk/real.rs", text).is_empty());
            assert!(lines("harness/src/a.rs", text).is_empty());
        }
        assert!(
            lines(
                "engine/src/wal/a.rs",
                "#[cfg(test)] mod tests { use std::fs; }"
            )
            .is_empty()
        );
    }

    #[test]
    fn the_engine_blocks_only_through_sync() {
        for text in [
            "use std::sync::Mutex;",
            "use std::sync::{Arc, Condvar};",
            "fn f() { std::thread::spawn(x); }",
        ] {
            assert_eq!(lines("engine/src/wal/a.rs", text), [1], "{text}");
            assert!(lines("engine/src/sync/a.rs", text).is_empty());
            assert!(lines("harness/src/a.rs", text).is_empty());
            let test = format!("#[cfg(test)] mod tests {{ {text} }}");
            assert!(lines("engine/src/wal/a.rs", &test).is_empty());
        }
        assert!(lines("engine/src/wal/a.rs", "use std::sync::{Arc, OnceLock};").is_empty());
    }

    #[test]
    fn the_engine_does_not_know_the_harness() {
        for path in ["engine/src/a.rs", "engine/tests/a.rs"] {
            assert_eq!(lines(path, "use lightning_chaos::scenario;"), [1]);
        }
        assert!(lines("harness/src/main.rs", "use lightning_chaos::cli;").is_empty());
    }

    #[test]
    fn no_test_is_ignored() {
        assert_eq!(lines("a/src/a.rs", "#[test]\n#[ignore]\nfn t() {}"), [2]);
        assert_eq!(
            lines("a/src/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn t() {}"),
            [2]
        );
    }

    #[test]
    fn no_test_sleeps() {
        let test = "#[cfg(test)] mod tests {\n fn t() { std::thread::sleep(x); }\n}";
        assert_eq!(lines("harness/src/a.rs", test), [2]);
        assert_eq!(lines("harness/tests/a.rs", "use std::thread::sleep;"), [1]);
        assert_eq!(
            lines("harness/tests/a.rs", "fn t() { thread::sleep(x); }"),
            [1]
        );
        assert!(lines("harness/src/a.rs", "fn wait() { thread::sleep(x); }").is_empty());
    }
}
