//! Pages in memory: version chains, snapshots, the dirty set. See `docs/design/page_store.md`.

mod dirty;
mod extent_check;
mod free_pages;
mod group;
mod page_table;
mod snapshots;
mod store;
mod view;

pub use dirty::{DirtyPage, DirtySet};
pub use free_pages::FreePages;
pub use group::{Group, PageWriter};
pub use store::PageStore;
pub use view::View;
