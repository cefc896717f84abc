//! The system's library may be older than the one that the crate was written for, and lack a function that nothing here calls.

fn main() {
    println!("cargo::rustc-link-arg=-Wl,--defsym=rocksdb_write_buffer_manager_destroy=0");
    println!("cargo::rerun-if-changed=build.rs");
}
