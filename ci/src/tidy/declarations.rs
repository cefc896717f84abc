//! `mod.rs` declares and re-exports, nothing else. Folders of integration tests are left alone: there `mod.rs` is how Cargo
//! is told that a file is no test of its own.

use syn::spanned::Spanned as _;

use super::{Source, Violation};

/// Checks one `mod.rs`; other files are left alone.
pub fn check_mod_file(source: &Source) -> Vec<Violation> {
    if !source.path.ends_with("/mod.rs") || source.module_path().is_none() {
        return Vec::new();
    }
    let file = match source.parse() {
        Ok(file) => file,
        Err(violation) => return vec![violation],
    };
    let others = file.items.iter().filter(|item| !declares(item));
    others
        .map(|item| {
            let what =
                "mod.rs declares and re-exports, nothing else: move this into a file of its own";
            source.violation(item.span().start().line, what.to_owned())
        })
        .collect()
}

fn declares(item: &syn::Item) -> bool {
    match item {
        syn::Item::Mod(module) => module.content.is_none(),
        syn::Item::Use(import) => !matches!(import.vis, syn::Visibility::Inherited),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check_mod_file(&Source::new(path, text))
            .iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn declarations_and_re_exports_are_allowed() {
        assert!(
            lines(
                "a/src/b/mod.rs",
                "//! x\nmod b;\n#[cfg(test)]\nmod tests;\npub use b::C;\npub(crate) use b::D;"
            )
            .is_empty()
        );
    }

    #[test]
    fn anything_else_is_refused() {
        let text = "mod b;\nfn f() {}\nstruct S;\nuse b::C;\nmod inline { }\n";
        assert_eq!(lines("a/src/b/mod.rs", text), [2, 3, 4, 5]);
    }

    #[test]
    fn other_files_are_left_alone() {
        assert!(lines("a/src/lib.rs", "fn f() {}").is_empty());
        assert!(lines("a/tests/common/mod.rs", "fn f() {}").is_empty());
    }
}
