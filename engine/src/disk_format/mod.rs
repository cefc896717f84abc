//! What lies on disk: bytes to types and back. Pure: no I/O, lock, clock, or panic on any input.

pub mod codec;
