//! The committed corpora pass, on any toolchain.

use std::fs;
use std::path::Path;

fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        run(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus of {target} is not empty");
}

#[test]
fn databases_made_of_any_bytes_bear_theirs() {
    replay(
        "open_any_bytes",
        lightning_fuzz::open_any_bytes::open_any_bytes,
    );
}

#[test]
fn nodes_of_any_bytes_are_searched_alike_by_all_ways() {
    replay("any_node", lightning_db::look_into_any_node);
}

#[test]
fn every_decoder_bears_its_corpus() {
    replay("decoders", lightning_fuzz::decoders::decode_any_bytes);
}
