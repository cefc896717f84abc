//! Flips one bit of every byte in use of a small database, or of as many as its argument says, and reports.
//!
//! `cargo run --release -p lightning-db --example flip_sweep [COUNT [SEED]]`

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool for developers stops at what it did not expect"
)]

#[path = "../tests/damage/sweep/mod.rs"]
mod sweep;

use sweep::{Findings, Subject, highest_level, sweep_buffer, sweep_dead, sweep_live};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|number| number.parse().unwrap());
    let (count, seed) = (arguments.next(), arguments.next().unwrap_or(1));
    let subject = Subject::new();
    println!(
        "trees of up to {} levels",
        highest_level(&subject.image) + 1
    );
    let rest = count.unwrap_or(10_000);
    let all: [(&str, Findings); 3] = [
        ("in use", sweep_live(&subject, seed, count)),
        ("not in use", sweep_dead(&subject, seed, rest)),
        (
            "sealed buffer",
            sweep_buffer(&subject, &subject.at_seal, seed, rest),
        ),
    ];
    let mut failed = false;
    for (what, findings) in all {
        println!("{what}: {findings:#?}");
        failed |= !findings.failures.is_empty();
    }
    std::process::exit(i32::from(failed));
}
