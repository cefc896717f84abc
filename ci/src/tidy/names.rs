//! Every path that a file names, with where it stands and whether it is test code.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// A path as the source names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its segments: `use a::{b, c as d}` gives `[a, b]` and `[a, c]`.
    pub segments: Vec<String>,
    /// Line, from 1.
    pub line: usize,
    /// Inline modules around it, the outermost first.
    pub inside: Vec<String>,
    /// Whether it stands below `#[cfg(test)]`.
    pub in_test: bool,
}

/// Every path in `file`: imports, types, expressions, and what stands in macro calls.
pub fn names_in(file: &syn::File) -> Vec<Named> {
    let mut names = Names {
        found: Vec::new(),
        inside: Vec::new(),
        test_depth: 0,
    };
    if file.attrs.iter().any(is_cfg_test) {
        names.test_depth += 1;
    }
    names.visit_file(file);
    names.found
}

/// The modules that `file` declares below `#[cfg(test)]`.
pub fn test_modules_of(file: &syn::File) -> Vec<String> {
    let modules = file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.attrs.iter().any(is_cfg_test) => Some(module),
        _ => None,
    });
    modules.map(|module| module.ident.to_string()).collect()
}

/// Whether an attribute is `#[cfg(test)]` or `#[test]`.
pub fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("test")
        || (attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test")))
}

struct Names {
    found: Vec<Named>,
    inside: Vec<String>,
    test_depth: usize,
}

impl Names {
    fn found(&mut self, segments: Vec<String>, line: usize) {
        let inside = self.inside.clone();
        self.found.push(Named {
            segments,
            line,
            inside,
            in_test: self.test_depth > 0,
        });
    }

    fn use_tree(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        match tree {
            syn::UseTree::Path(path) => {
                segments.push(path.ident.to_string());
                self.use_tree(&path.tree, &segments);
            }
            syn::UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|tree| self.use_tree(tree, &segments));
            }
            syn::UseTree::Name(name) => {
                segments.push(name.ident.to_string());
                self.found(segments, tree.span().start().line);
            }
            syn::UseTree::Rename(name) => {
                segments.push(name.ident.to_string());
                self.found(segments, tree.span().start().line);
            }
            syn::UseTree::Glob(_) => self.found(segments, tree.span().start().line),
        }
    }

    /// Paths in the tokens of a macro call: identifiers joined by `::`.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.flush(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.flush(&mut path, line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.flush(&mut path, line);
    }

    fn flush(&mut self, path: &mut Vec<String>, line: usize) {
        if path.len() > 1 {
            self.found(std::mem::take(path), line);
        }
        path.clear();
    }

    fn under(&mut self, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let test = usize::from(attributes.iter().any(is_cfg_test));
        self.test_depth += test;
        visit(self);
        self.test_depth -= test;
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.under(attributes_of(item), |names| visit::visit_item(names, item));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.under(&function.attrs, |names| {
            visit::visit_impl_item_fn(names, function);
        });
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.inside.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.found(segments, path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let file = syn::parse_file(text).unwrap();
        let shown = |n: &Named| {
            format!(
                "{}{}",
                if n.in_test { "test " } else { "" },
                n.segments.join("::")
            )
        };
        names_in(&file)
            .iter()
            .map(shown)
            .filter(|path| path.contains("::"))
            .collect()
    }

    #[test]
    fn imports_are_flattened() {
        let text = "use crate::{a::{B, c as d}, e::*}; use super::f;";
        assert_eq!(
            paths(text),
            ["crate::a::B", "crate::a::c", "crate::e", "super::f"]
        );
    }

    #[test]
    fn paths_in_types_expressions_and_macro_calls_are_seen() {
        let text = "fn f(x: crate::a::T) { crate::b::g(); println!(\"{}\", crate::c::h(x)); }";
        assert_eq!(paths(text), ["crate::a::T", "crate::b::g", "crate::c::h"]);
    }

    #[test]
    fn what_stands_below_cfg_test_is_marked() {
        let text = "use crate::a::X; #[cfg(test)] mod tests { use crate::b::Y; } #[cfg(test)] use crate::c::Z;\n#[cfg(not(test))] use crate::d::W;";
        assert_eq!(
            paths(text),
            [
                "crate::a::X",
                "test crate::b::Y",
                "test crate::c::Z",
                "crate::d::W"
            ]
        );
    }

    #[test]
    fn modules_declared_for_tests_are_known() {
        let file = syn::parse_file("#[cfg(test)] mod a; mod b; #[cfg(test)] mod c;").unwrap();
        assert_eq!(test_modules_of(&file), ["a", "c"]);
    }
}
