//! The walk-through, followed word for word: what it has one write is written, what it has one run is run, and it shows what the page says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use support::Outside;

#[path = "support/outside.rs"]
mod support;

/// A block of the page: what is to be done with it, and what stands in it.
struct Block {
    what: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn blocks() -> Vec<Block> {
    let page = fs::read_to_string(root().join("docs/bring-your-engine.md")).unwrap();
    let (mut blocks, mut open) = (Vec::new(), None::<Block>);
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(what)) => {
                let (what, text) = (what.to_owned(), String::new());
                open = Some(Block { what, text });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

fn append(path: &Path, text: &str) {
    let before = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, format!("{before}\n{text}")).unwrap();
}

/// Puts a block that begins with a line of a file in the place of that line.
fn put_after(path: &Path, text: &str) {
    let before = fs::read_to_string(path).unwrap();
    let (first, _) = text.split_once('\n').unwrap();
    let line = format!("{first}\n");
    assert_eq!(before.matches(&line).count(), 1, "{first}");
    fs::write(path, before.replace(&line, text)).unwrap();
}

/// The line of a finding that replays it: a variable's value, and a test.
fn replay_of(said: &str) -> (String, String) {
    let line = said
        .lines()
        .find_map(|line| line.split_once("CHAOS_REPLAY='"));
    let (case, rest) = line.unwrap().1.split_once("' cargo test ").unwrap();
    (case.to_owned(), rest.trim().to_owned())
}

#[test]
fn the_walk_through_works_word_for_word() {
    let place = tempfile::tempdir().unwrap();
    symlink(root(), place.path().join("lightning-db")).unwrap();
    let dir = place.path().join("my-log");
    let package = Outside::at(dir.clone());
    let (mut said, mut runs) = (String::new(), Vec::new());
    for Block { what, text } in blocks() {
        let (language, order) = what.split_once(' ').unwrap_or((what.as_str(), ""));
        match (language, order.split_once('=').unwrap_or((order, ""))) {
            ("sh", ("", _)) => {
                let new = Command::new(env!("CARGO"))
                    .args(text.split_whitespace().skip(1))
                    .args(["--vcs", "none"])
                    .current_dir(place.path())
                    .output()
                    .unwrap();
                assert!(new.status.success(), "{new:?}");
                if Outside::has_cargo() {
                    fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
                }
            }
            ("sh", (end, _)) => {
                assert_eq!(text, "cargo test\n");
                let (passed, printed) = package.test(&[]);
                assert_eq!(passed, end == "passes", "{end}: {printed}");
                if !passed {
                    let (case, test) = replay_of(&printed);
                    assert_eq!(test, "commits_survive_a_loss_of_power");
                    let (passed, again) = package.test(&[("CHAOS_REPLAY", &case)]);
                    assert!(!passed && again.contains("chaos: reproduced"), "{again}");
                }
                runs.push(passed);
                said = printed;
            }
            ("text", ("shown", _)) => assert!(said.contains(text.trim_end()), "{text}: {said}"),
            (_, ("file", file)) => {
                fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
                fs::write(dir.join(file), text).unwrap();
            }
            (_, ("adds", file)) => append(&dir.join(file), &text),
            (_, ("after", file)) => put_after(&dir.join(file), &text),
            other => panic!("nobody knows what to do with {other:?}"),
        }
    }
    assert_eq!(runs, [false, true, true]);
}
