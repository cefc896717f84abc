//! The rules of the code base, as checks over its source.

mod allowed;
mod declarations;
mod forbidden;
mod imports;
mod layers;
mod names;
mod scenarios;
mod source;
mod violation;
mod walls;

pub use allowed::{ALLOWED, Allowed};
pub use declarations::check_mod_file;
pub use forbidden::{Forbidden, check_forbidden};
pub use imports::check_imports;
pub use layers::{ENGINE, HARNESS, Layers};
pub use scenarios::check_scenario;
pub use source::{Source, rust_sources, toml_sources};
pub use violation::{Violation, report};
pub use walls::{FILE_LINES_MAX, FUNCTION_LINES_MAX, check_walls};
