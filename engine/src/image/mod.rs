//! Immutable byte images, shared by reference count, each in one allocation with its header. See `docs/design/page_store.md`.

mod frame;
mod handle;
mod pool;

pub use frame::Notes;
pub use handle::{Image, ImageRef, Trace};
