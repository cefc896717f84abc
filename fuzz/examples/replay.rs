//! Runs a target on files, on any toolchain: `cargo run --example replay -- open_any_bytes FILE…`.

use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let run = match arguments.next().as_deref() {
        Some("any_node") => lightning_db::look_into_any_node,
        Some("decoders") => lightning_fuzz::decoders::decode_any_bytes,
        Some("open_any_bytes") => lightning_fuzz::open_any_bytes::open_any_bytes,
        _ => {
            return Err(io::Error::other(
                "usage: replay any_node|decoders|open_any_bytes FILE…",
            ));
        }
    };
    for file in arguments {
        println!("{file}");
        run(&fs::read(&file)?);
    }
    Ok(())
}
