//! Renders a `report.json` again: `cargo run -p lightning-report --example render -- report.json DIR`.

use std::{error::Error, path::Path};

use lightning_report::{Report, write_all};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(report), Some(dir)) = (arguments.next(), arguments.next()) else {
        return Err("usage: render REPORT.JSON DIR".into());
    };
    let written = write_all(&Report::read(Path::new(&report))?, Path::new(&dir))?;
    println!("{}", written.html.display());
    Ok(())
}
