//! The targets there are, by name.

use super::Target;
use super::lightning::Lightning;
use super::toy::Toy;

/// The names of all targets, the default one first.
pub const TARGETS: &[&str] = &["lightning", "toy"];

/// The target of that name.
pub fn find(name: &str) -> Option<Box<dyn Target>> {
    match name {
        "lightning" => Some(Box::new(Lightning::default())),
        "toy" => Some(Box::new(Toy::default())),
        _ => None,
    }
}
