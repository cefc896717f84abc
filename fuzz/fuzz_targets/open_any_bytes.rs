//! Databases made of any bytes. See [`lightning_fuzz::open_any_bytes`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lightning_fuzz::open_any_bytes::open_any_bytes(bytes));

#[cfg(not(fuzzing))]
fn main() {}
