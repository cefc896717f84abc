//! Where pages lie on disk: the page map, the slot bitmap, checkpoints and their recovery (docs/design/map.md).

mod checkpoint;
mod choose;
mod commit;
mod crc_tree;
mod create;
mod files;
mod load;
mod pace;
mod page_map;
mod pinned;
mod pins;
mod rebuild;
mod recover;
mod reserve;
mod runs;
mod shrink;
mod slot_set;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod verify;

pub use checkpoint::{Checkpoint, Moved};
pub use page_map::{Access, Map, PageAddress};
pub use pinned::{PinnedCheckpoint, PinnedPage};
#[cfg(test)]
pub use recover::BufferOutcome;
pub use recover::{MapOpenError, MapRecovery};
pub use reserve::{Grant, Need, Purpose};
