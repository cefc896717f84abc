//! Where pages lie on disk: the page map, the slot bitmap, checkpoints and their recovery (docs/design/map.md).

mod checkpoint;
mod choose;
mod commit;
mod crc_tree;
mod create;
mod files;
mod load;
mod page_map;
#[allow(dead_code, reason = "backups take it")]
mod pinned;
mod pins;
mod rebuild;
mod recover;
mod slot_set;
mod state;
#[cfg(test)]
mod tests;
mod verify;

pub use checkpoint::{Checkpoint, Moved};
pub use page_map::{Access, Map, PageAddress};
#[cfg(test)]
pub use recover::BufferOutcome;
pub use recover::{MapOpenError, MapRecovery};
