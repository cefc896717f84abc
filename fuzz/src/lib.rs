//! What the fuzz targets do with their input, apart from the fuzzer: so that `cargo test` here replays the
//! committed corpora on any toolchain.
//!
//! A run is well if it returns: no panic, no hang, no runaway memory. Where a decoder has an encoder, what was decoded must
//! also come back.

pub mod decoders;
pub mod image;
pub mod open_any_bytes;
pub mod reseal;
