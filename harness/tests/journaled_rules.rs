//! The rules of `journaled`, one by one.

#[path = "support/sim.rs"]
mod sim_common;

use std::collections::BTreeSet;

use lightning_chaos::crash::{Sample, cut};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::CrashModel;
use lightning_chaos::sim::SimDisk;
use lightning_db::disk::Disk;
use sim_common::{Image, create, durable, image, new_disk};

fn images(disk: &SimDisk, model: CrashModel) -> BTreeSet<Image> {
    let mut rng = Rng::from_seed(7);
    let state = disk.state();
    let cuts = (0..2000).map(|sample| cut(&state, model, Sample(sample), &mut rng));
    cuts.map(|left| image(&left)).collect()
}

fn journaled(disk: &SimDisk) -> BTreeSet<Image> {
    images(disk, CrashModel::Journaled)
}

/// What a file holds in each image; nothing where it is not there.
fn contents(images: &BTreeSet<Image>, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    images
        .iter()
        .map(|image| image.get(name).cloned().flatten())
        .collect()
}

#[test]
fn names_survive_in_order() {
    let disk = new_disk();
    create(&disk, "a");
    create(&disk, "b");
    let has = |image: &Image| (image.contains_key("a"), image.contains_key("b"));
    let left: BTreeSet<_> = journaled(&disk).iter().map(has).collect();
    let in_order = BTreeSet::from([(false, false), (true, false), (true, true)]);
    assert_eq!(left, in_order);
    let left: BTreeSet<_> = images(&disk, CrashModel::Posix).iter().map(has).collect();
    assert_eq!(left.len(), 4);
}

#[test]
fn a_sync_of_a_new_file_makes_all_earlier_names_durable() {
    let disk = new_disk();
    durable(&disk, "journal", b"hot");
    disk.remove("journal").unwrap();
    assert!(contents(&journaled(&disk), "journal").contains(&Some(b"hot".to_vec())));
    create(&disk, "other").sync().unwrap();
    let left = journaled(&disk);
    assert_eq!(contents(&left, "journal"), BTreeSet::from([None]));
    assert_eq!(contents(&left, "other"), BTreeSet::from([Some(vec![])]));
    let posix = images(&disk, CrashModel::Posix);
    assert!(contents(&posix, "journal").contains(&Some(b"hot".to_vec())));
}

#[test]
fn a_sync_of_bytes_alone_commits_nothing() {
    let disk = new_disk();
    let file = durable(&disk, "a", b"old");
    durable(&disk, "b", b"b");
    disk.remove("b").unwrap();
    file.write_at(0, b"new").unwrap();
    file.sync().unwrap();
    let left = contents(&journaled(&disk), "b");
    assert_eq!(left, BTreeSet::from([None, Some(b"b".to_vec())]));
}

#[test]
fn what_a_file_grew_by_may_be_zeroes() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[7; 512]);
    file.write_at(512, &[8; 1024]).unwrap();
    let left = contents(&journaled(&disk), "a");
    assert_eq!(left.len(), 5);
    assert_eq!(left, contents(&images(&disk, CrashModel::Posix), "a"));
}

#[test]
fn a_length_that_is_set_shows_zeroes_where_no_bytes_came() {
    let disk = new_disk();
    let file = durable(&disk, "a", b"");
    file.set_len(1024).unwrap();
    file.write_at(0, &[8; 1024]).unwrap();
    assert_eq!(contents(&journaled(&disk), "a").len(), 5);
}

#[test]
fn a_file_that_replaces_another_may_be_there_before_its_bytes() {
    let disk = new_disk();
    durable(&disk, "a", b"old");
    create(&disk, "new").write_at(0, b"new").unwrap();
    disk.rename("new", "a").unwrap();
    let left = contents(&journaled(&disk), "a");
    let empty = Some(vec![]);
    let zeroes = Some(vec![0; 3]);
    let all = BTreeSet::from([Some(b"old".to_vec()), empty, zeroes, Some(b"new".to_vec())]);
    assert_eq!(left, all);
}

#[test]
fn bytes_that_a_durable_cut_took_do_not_come_back() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[7; 2048]);
    file.set_len(512).unwrap();
    file.set_len(2048).unwrap();
    let grown = |left: &BTreeSet<Option<Vec<u8>>>| -> BTreeSet<Vec<u8>> {
        let tails = left.iter().flatten().filter(|bytes| bytes.len() == 2048);
        tails.map(|bytes| bytes[512..].to_vec()).collect()
    };
    create(&disk, "b").sync().unwrap();
    let left = contents(&journaled(&disk), "a");
    assert_eq!(grown(&left), BTreeSet::from([vec![0; 1536]]));
    assert!(left.iter().flatten().all(|bytes| bytes.len() == 2048));
    let posix = contents(&images(&disk, CrashModel::Posix), "a");
    assert!(grown(&posix).contains(&vec![7; 1536]));
}

#[test]
fn the_sector_that_a_durable_cut_lies_in_may_be_older_where_it_shows_zeroes_past_the_cut() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[7; 300]);
    file.write_at(0, &[8; 400]).unwrap();
    file.set_len(350).unwrap();
    file.set_len(512).unwrap();
    create(&disk, "b").sync().unwrap();
    let left = contents(&journaled(&disk), "a");
    let shown = |parts: &[(u8, usize)]| {
        let bytes = parts.iter().flat_map(|&(byte, len)| vec![byte; len]);
        Some(bytes.collect::<Vec<u8>>())
    };
    // What was overwritten may be so again; what was cut off stays away.
    let old = shown(&[(7, 300), (0, 212)]);
    let new = shown(&[(8, 350), (0, 162)]);
    assert_eq!(left, BTreeSet::from([old, new]));
}

#[test]
fn nothing_lands_in_a_block_that_a_lost_cut_was_to_free() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[7; 1024]);
    file.set_len(0).unwrap();
    file.write_at(0, &[8; 512]).unwrap();
    let all = BTreeSet::from([
        Some([7; 1024].to_vec()),
        Some(vec![]),
        Some([0; 512].to_vec()),
        Some([8; 512].to_vec()),
    ]);
    assert_eq!(contents(&journaled(&disk), "a"), all);
    assert!(contents(&images(&disk, CrashModel::Posix), "a").len() > 3);
}

#[test]
fn an_allocation_inside_a_file_brings_its_length_before_those_of_writes() {
    let disk = new_disk();
    let file = durable(&disk, "a", b"");
    file.write_at(0, &[8; 2048]).unwrap();
    file.allocate(0, 1024).unwrap();
    for model in [CrashModel::Journaled, CrashModel::Posix] {
        let left = contents(&images(&disk, model), "a");
        let lens: BTreeSet<_> = left.iter().flatten().map(Vec::len).collect();
        assert_eq!(lens, BTreeSet::from([0, 1024, 2048]));
    }
    create(&disk, "b").sync().unwrap();
    let left = contents(&journaled(&disk), "a");
    let lens: BTreeSet<_> = left.iter().flatten().map(Vec::len).collect();
    assert_eq!(lens, BTreeSet::from([1024, 2048]));
}

#[test]
fn a_growth_may_come_as_far_as_the_block_that_the_file_ended_in() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[7; 5000]);
    file.write_at(5000, &[8; 4000]).unwrap();
    for model in [CrashModel::Journaled, CrashModel::Posix] {
        let left = contents(&images(&disk, model), "a");
        let lens: BTreeSet<_> = left.iter().flatten().map(Vec::len).collect();
        assert_eq!(lens, BTreeSet::from([5000, 8192, 9000]));
    }
    file.sync().unwrap();
    let left = contents(&images(&disk, CrashModel::Posix), "a");
    assert!(left.iter().flatten().all(|bytes| bytes.len() == 9000));
}
