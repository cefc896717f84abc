//! A tree of nodes: finding, inserting, deleting, taking all down.

mod apply;
mod cut;
mod delete;
mod delete_range;
mod descent;
mod finger;
mod foreseen;
mod handle;
mod many;
mod path;
mod prepared;
mod reach;
mod space;
mod store;
mod tighten;
mod upcoming;
mod walk;

pub use apply::Write;
pub(in crate::btree) use descent::resolve;
pub use foreseen::Foreseen;
pub use handle::Tree;
pub use prepared::{PREPARED_TOGETHER, Prepared};
pub use reach::{Reach, close_off, keys_of_leaf};
pub use space::TreeSpace;
pub use walk::Reached;
