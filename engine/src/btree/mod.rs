//! The B+tree: node layout, search, insert, delete, cursor, check.

mod check;
mod cursor;
mod node;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use crate::pages::{ExtentImage, PageImage, ReadPages, WritePages};
pub use check::Problem;
pub use cursor::Cursor;
pub use tree::{Reached, Tree};
pub use value::{Key, Value};
