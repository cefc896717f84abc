//! The command `chaos`.

fn main() {}
