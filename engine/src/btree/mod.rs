//! The B+tree: node layout, search, insert, delete, cursor, check.

mod value;

pub use crate::pages::{ExtentImage, PageImage, ReadPages, WritePages};
pub use value::{Key, Value};
