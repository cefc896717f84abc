//! Panics of a target as values.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// What a panic said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PanicNote {
    /// Its message.
    pub(super) message: String,
    /// Where it started: file and line.
    pub(super) location: String,
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static NOTE: RefCell<Option<PanicNote>> = const { RefCell::new(None) };
}

/// Calls, and catches a panic, silently.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, PanicNote> {
    install_hook();
    let outer = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    CATCHING.set(outer);
    result.map_err(|_| NOTE.take().unwrap_or_default())
}

fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                NOTE.replace(Some(note(info)));
            } else {
                usual(info);
            }
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) -> PanicNote {
    let message = info
        .payload_as_str()
        .unwrap_or("a panic without a text")
        .to_owned();
    let location = info.location();
    let location = location.map(|at| format!("{}:{}", place_of(at.file()), at.line()));
    PanicNote {
        message,
        location: location.unwrap_or_default(),
    }
}

/// A source file without the folder in which this machine keeps the sources of crates.
fn place_of(file: &str) -> &str {
    let registry = file.rsplit_once("/registry/src/");
    let in_crate = registry.and_then(|(_, rest)| rest.split_once('/'));
    in_crate.map_or(file, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_value_with_its_place() {
        let note = caught(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(note.message, "number 7");
        assert!(note.location.contains("caught.rs:"), "{}", note.location);
        assert_eq!(caught(|| 7), Ok(7));
    }

    #[test]
    fn a_place_in_a_crate_is_the_same_on_every_machine() {
        let file =
            "/home/x/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/redb-4.1.0/src/db.rs";
        assert_eq!(place_of(file), "redb-4.1.0/src/db.rs");
        assert_eq!(place_of("harness/src/toy.rs"), "harness/src/toy.rs");
    }
}
