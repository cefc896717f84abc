//! Every decoder of `disk_format`, on any bytes. See [`lightning_fuzz::decoders`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lightning_fuzz::decoders::decode_any_bytes(bytes));

#[cfg(not(fuzzing))]
fn main() {}
