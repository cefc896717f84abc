//! Lightning DB: an embedded, ordered, transactional key-value engine.

pub mod btree;
pub mod disk;
pub mod disk_format;
pub mod error;
pub mod ids;
pub mod image;
pub mod map;
pub mod pages;
pub mod wal;
