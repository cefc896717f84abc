//! The B+tree: node layout, search, insert, delete, cursor, check.

mod pages;
mod value;

pub use pages::{ExtentImage, PageImage, ReadPages, WritePages};
pub use value::{Key, Value};
