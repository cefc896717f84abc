//! Pages in memory: version chains, snapshots, the dirty set. See `docs/design/page_store.md`.

mod link;
mod page_table;
mod policy;
mod private_pages;

mod cache;
mod cleaner;
mod content;
mod dirty;
mod disk_pages;
mod extent_check;
mod free_pages;
mod group;
mod loads;
mod publish;
mod read_ahead;
mod snapshots;
mod store;
mod view;

pub use dirty::{DirtyPage, DirtySet};
pub use free_pages::FreePages;
pub use group::{Group, PageWriter};
pub use store::PageStore;
pub use view::{Glance, Sight, View};
