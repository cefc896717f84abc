//! A node of any bytes, searched by counting heads and one by one. See [`lightning_db::look_into_any_node`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lightning_db::look_into_any_node(bytes));

#[cfg(not(fuzzing))]
fn main() {}
