//! Lightning DB: an embedded, ordered, transactional key-value engine.

pub mod disk;
pub mod error;
pub mod ids;
