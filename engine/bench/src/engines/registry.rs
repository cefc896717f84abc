//! Which engines there are.

use crate::store::Engine;

/// All engines that this build knows. The first is ours.
pub fn all() -> Vec<Box<dyn Engine>> {
    vec![
        Box::new(super::lightning::Lightning),
        Box::new(super::lmdb::Lmdb),
        Box::new(super::fjall::Fjall),
        Box::new(super::fjall::FjallBatch),
        Box::new(super::redb::Redb),
        Box::new(super::sqlite::Sqlite),
        #[cfg(feature = "full")]
        Box::new(super::canopydb::Canopydb),
        #[cfg(feature = "full")]
        Box::new(super::sled::Sled),
        #[cfg(feature = "mdbx")]
        Box::new(super::mdbx::Mdbx),
        #[cfg(feature = "rocksdb")]
        Box::new(super::rocksdb::Rocksdb),
    ]
}
