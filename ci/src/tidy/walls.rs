//! The walls: how long a file and a function may be.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::{Allowed, Source, Violation};

/// Lines that no file exceeds.
pub const FILE_LINES_MAX: usize = 800;

/// Lines that no function exceeds, from its signature to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;

/// Checks files and functions against the walls, and the exceptions against what is there.
pub fn check_walls(sources: &[Source], allowed: &[Allowed]) -> Vec<Violation> {
    let mut long = Vec::new();
    let mut violations = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            long.push(Long {
                source,
                function: None,
                line: 1,
                lines,
                max: FILE_LINES_MAX,
            });
        }
        match source.parse() {
            Ok(file) => long.extend(long_functions(source, &file)),
            Err(violation) => violations.push(violation),
        }
    }
    violations.extend(long.iter().filter_map(|long| long.judge(allowed)));
    violations.extend(allowed.iter().filter_map(|entry| stale(entry, &long)));
    violations
}

struct Long<'a> {
    source: &'a Source,
    function: Option<String>,
    line: usize,
    lines: usize,
    max: usize,
}

impl Long<'_> {
    fn judge(&self, allowed: &[Allowed]) -> Option<Violation> {
        let what = self.function.as_deref().unwrap_or("this file");
        let limit = allowed
            .iter()
            .find(|entry| self.is(entry))
            .map_or(self.max, |entry| entry.lines);
        (self.lines > limit).then(|| {
            let what = format!("{what} is {} lines long; the wall is {limit}", self.lines);
            self.source.violation(self.line, what)
        })
    }

    fn is(&self, entry: &Allowed) -> bool {
        self.source.path == entry.file && self.function.as_deref() == entry.function
    }
}

/// An exception for what is no longer long, or is shorter than allowed.
fn stale(entry: &Allowed, long: &[Long<'_>]) -> Option<Violation> {
    let now = long
        .iter()
        .filter(|long| long.is(entry))
        .map(|long| long.lines)
        .max();
    let what = match now {
        None => "no longer needs its exception: remove it".to_owned(),
        Some(lines) if lines < entry.lines => {
            format!("shrank to {lines} lines: lower its exception")
        }
        Some(_) => return None,
    };
    let name = entry.function.unwrap_or("this file");
    Some(Violation {
        file: entry.file.to_owned(),
        line: 1,
        what: format!("{name} {what} (ci/src/tidy/allowed.rs)"),
    })
}

fn long_functions<'a>(source: &'a Source, file: &syn::File) -> Vec<Long<'a>> {
    let mut functions = Functions::default();
    functions.visit_file(file);
    let too_long = functions
        .found
        .into_iter()
        .filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX);
    too_long
        .map(|(name, line, lines)| Long {
            source,
            function: Some(name),
            line,
            lines,
            max: FUNCTION_LINES_MAX,
        })
        .collect()
}

#[derive(Default)]
struct Functions {
    found: Vec<(String, usize, usize)>,
}

impl Functions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let last = body.span().end().line;
        self.found
            .push((signature.ident.to_string(), first, last + 1 - first));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> Source {
        Source::new(
            "a.rs",
            &format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2)),
        )
    }

    fn allow(lines: usize) -> Allowed {
        Allowed {
            file: "a.rs",
            function: Some("f"),
            lines,
            reason: "a table",
        }
    }

    fn check(source: &Source, allowed: &[Allowed]) -> String {
        super::super::report(check_walls(std::slice::from_ref(source), allowed))
    }

    #[test]
    fn a_function_may_reach_the_wall_and_not_pass_it() {
        assert_eq!(check(&function(70), &[]), "");
        assert_eq!(
            check(&function(71), &[]),
            "a.rs:1: f is 71 lines long; the wall is 70"
        );
    }

    #[test]
    fn a_method_and_a_trait_default_have_the_same_wall() {
        let body = "g();\n".repeat(80);
        for text in [
            format!("impl X {{ fn f() {{\n{body}}} }}"),
            format!("trait X {{ fn f() {{\n{body}}} }}"),
        ] {
            assert!(check(&Source::new("a.rs", &text), &[]).contains("f is 82 lines"));
        }
    }

    #[test]
    fn a_file_may_reach_the_wall_and_not_pass_it() {
        assert_eq!(check(&Source::new("a.rs", &"//\n".repeat(800)), &[]), "");
        let long = check(&Source::new("a.rs", &"//\n".repeat(801)), &[]);
        assert_eq!(long, "a.rs:1: this file is 801 lines long; the wall is 800");
    }

    #[test]
    fn an_exception_allows_exactly_what_is_there() {
        assert_eq!(check(&function(90), &[allow(90)]), "");
        assert!(check(&function(91), &[allow(90)]).contains("the wall is 90"));
    }

    #[test]
    fn an_exception_must_shrink_with_what_it_excuses() {
        assert!(
            check(&function(80), &[allow(90)])
                .contains("f shrank to 80 lines: lower its exception")
        );
        assert!(check(&function(60), &[allow(90)]).contains("f no longer needs its exception"));
    }
}
