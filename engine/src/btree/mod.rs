//! The B+tree: node layout, search, insert, delete, cursor, check.

mod check;
mod cursor;
mod harvest;
mod node;
mod page_set;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use cursor::{Cursor, Direction, See, first_difference};
pub use harvest::{Harvest, Loss, harvest};
#[cfg(feature = "fuzzing")]
pub use node::look_into_any_node;
pub use page_set::PageSet;
pub use tree::{
    Foreseen, PREPARED_TOGETHER, Prepared, Reach, Reached, Tree, TreeSpace, Write, close_off,
    keys_of_leaf,
};
pub use value::{Key, Value};
