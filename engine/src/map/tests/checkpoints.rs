//! What checkpoints write is what is read, at once and after reopening.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;

use super::model::{Model, Rng, Step, checkpoint, create, image, recover};
use crate::disk::faulty::{Asked, FaultyDisk, Operation};
use crate::disk::{Disk, MemoryDisk, OpenMode};
use crate::disk_format::MapKind;
use crate::ids::{PageNo, Slot, Version};
use crate::map::{Map, Need, PageAddress};

fn memory() -> Arc<dyn Disk> {
    Arc::new(MemoryDisk::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_checkpoints_hold_what_the_model_holds(
        seed: u64,
        steps in 1_usize..24,
        pages in prop::sample::select(vec![8_u32, 60, 1400]),
        page_size in prop::sample::select(vec![512_u32, 4096]),
    ) {
        let (disk, mut rng, mut model) = (memory(), Rng(seed), Model::default());
        let mut map = create(&disk, page_size);
        model.assert_held_by(&map);
        for _ in 0..steps {
            let most = if rng.below(5) == 0 { 120 } else { 8 };
            checkpoint(&map, &mut model, &Step::random(&mut rng, pages, most)).unwrap();
            model.assert_held_by(&map);
            if rng.below(3) == 0 {
                map = recover(&disk);
                model.assert_held_by(&map);
            }
        }
    }
}

#[test]
fn a_map_of_several_levels_is_reopened() {
    let (disk, mut model) = (memory(), Model::default());
    let map = create(&disk, 512);
    checkpoint(&map, &mut model, &Step::writing(1..=33_000)).unwrap();
    let superblock = map.superblock();
    assert_eq!((superblock.map.height, superblock.bitmap.height), (2, 2));
    checkpoint(&map, &mut model, &Step::writing((1..33_000).step_by(999))).unwrap();
    checkpoint(&map, &mut model, &Step::freeing((1..33_000).step_by(777))).unwrap();
    model.assert_held_by(&map);
    drop(map);
    model.assert_held_by(&recover(&disk));
}

#[test]
fn a_dropped_checkpoint_changes_nothing_and_its_slots_are_taken_again() {
    let (disk, mut model) = (memory(), Model::default());
    let map = create(&disk, 512);
    checkpoint(&map, &mut model, &Step::writing([1, 2])).unwrap();
    let mut dropped = map.begin().unwrap();
    let first = dropped.write_page(PageNo(1), Version(9), &image(512, PageNo(1), Version(9)));
    dropped.free_page(PageNo(2));
    dropped.sync_data().unwrap();
    let id = dropped.id();
    drop(dropped);
    model.assert_held_by(&map);
    let mut next = map.begin().unwrap();
    assert!(next.id() > id);
    let again = next.write_page(PageNo(3), Version(9), &image(512, PageNo(3), Version(9)));
    assert_eq!(first.unwrap().slot, again.unwrap().slot);
}

#[test]
fn one_checkpoint_runs_at_a_time() {
    let map = create(&memory(), 512);
    let first = map.begin().unwrap();
    assert!(map.begin().is_err());
    assert!(map.verify().is_err());
    drop(first);
    map.begin().unwrap();
}

#[test]
fn the_last_word_on_a_page_in_a_checkpoint_counts() {
    let disk = memory();
    let map = create(&disk, 512);
    let version = Version(1);
    let mut checkpoint = map.begin().unwrap();
    for page in [1, 2, 3] {
        checkpoint
            .write_page(PageNo(page), Version(0), &image(512, PageNo(9), version))
            .unwrap();
    }
    checkpoint
        .write_page(PageNo(1), version, &image(512, PageNo(1), version))
        .unwrap();
    checkpoint.free_page(PageNo(2));
    checkpoint.free_page(PageNo(3));
    checkpoint
        .write_page(PageNo(3), version, &image(512, PageNo(3), version))
        .unwrap();
    let model = Model::default().after(&Step::writing([1, 3]));
    checkpoint.commit(version, model.log_start()).unwrap();
    model.assert_held_by(&map);
    model.assert_held_by(&recover(&disk));
}

#[test]
fn a_mistaken_page_is_refused_and_the_checkpoint_with_it() {
    let map = create(&memory(), 512);
    for (page, len) in [(0, 512), (u32::MAX, 512), (1, 511)] {
        let mut checkpoint = map.begin().unwrap();
        assert!(
            checkpoint
                .write_page(PageNo(page), Version(1), &vec![0; len])
                .is_err()
        );
        assert!(
            checkpoint
                .commit(Version(1), Model::default().log_start())
                .is_err()
        );
    }
    Model::default().assert_held_by(&map);
}

fn read_slot(map: &Map, page: PageNo, address: PageAddress) -> bool {
    map.read_slot(page, address, &mut [0; 512]).is_ok()
}

#[test]
fn a_pinned_slot_outlives_the_page_it_was_freed_by() {
    let (disk, mut model) = (memory(), Model::default());
    let map = create(&disk, 512);
    checkpoint(&map, &mut model, &Step::writing([1, 2])).unwrap();
    let old = map.lookup_pinned(PageNo(1)).unwrap();
    map.pin(old.slot);
    for _ in 0..6 {
        checkpoint(&map, &mut model, &Step::writing([1, 2, 3])).unwrap();
        assert!(read_slot(&map, PageNo(1), old));
    }
    map.unpin(old.slot);
    checkpoint(&map, &mut model, &Step::writing([1, 2, 3])).unwrap();
    assert!(read_slot(&map, PageNo(1), old));
    assert_eq!(map.stats().slots_pinned, 1);
    map.unpin(old.slot);
    checkpoint(&map, &mut model, &Step::writing([1, 2, 3])).unwrap();
    assert!(!read_slot(&map, PageNo(1), old), "the slot was taken again");
    model.assert_held_by(&map);
}

#[test]
fn free_slots_are_taken_lowest_first() {
    let (disk, mut model) = (memory(), Model::default());
    let map = create(&disk, 512);
    checkpoint(&map, &mut model, &Step::writing(1..=10)).unwrap();
    checkpoint(&map, &mut model, &Step::freeing([3, 7])).unwrap();
    checkpoint(&map, &mut model, &Step::writing(20..=22)).unwrap();
    let slots = [20, 21, 22].map(|page| map.lookup(PageNo(page)).unwrap().slot);
    assert_eq!(slots, [Slot(3), Slot(7), Slot(11)]);
}

#[test]
fn a_free_tail_of_more_than_half_the_file_is_cut() {
    let (disk, mut model) = (memory(), Model::default());
    let map = create(&disk, 512);
    checkpoint(&map, &mut model, &Step::writing(1..=1000)).unwrap();
    let full = map.stats().data_len;
    checkpoint(&map, &mut model, &Step::freeing(11..=1000)).unwrap();
    assert_eq!(
        map.stats().data_len,
        full,
        "the last checkpoint still used it"
    );
    checkpoint(&map, &mut model, &Step::default()).unwrap();
    assert!(map.stats().data_len < full / 4);
    model.assert_held_by(&map);
    let map = recover(&disk);
    model.assert_held_by(&map);
    checkpoint(&map, &mut model, &Step::writing(11..=1000)).unwrap();
    model.assert_held_by(&recover(&disk));
}

#[test]
fn a_growing_tree_keeps_its_kinds_apart() {
    let (disk, mut model) = (memory(), Model::default());
    let map = create(&disk, 512);
    checkpoint(&map, &mut model, &Step::writing([600])).unwrap();
    assert_eq!(map.superblock().map.height, 2);
    assert_eq!(map.state().tree(MapKind::Slots).ids().count(), 1);
    assert_eq!(map.free_pages().len(), 599);
    model.assert_held_by(&recover(&disk));
}

#[test]
fn a_map_that_was_lowered_is_the_map_that_never_was_larger() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let map = create(&disk, 512);
    let mut model = Model::default();
    let len = |disk: &Arc<dyn Disk>| disk.open("map", OpenMode::Read).unwrap().len().unwrap();
    checkpoint(&map, &mut model, &Step::writing([1, 2, 3])).unwrap();
    let (small, few) = (len(&disk), model.clone());
    // Two regions, and upper pages on two levels.
    let many = [508, 508 * 508 - 1, 508 * 508, 600_000];
    checkpoint(&map, &mut model, &Step::writing(many)).unwrap();
    let large = len(&disk);
    assert!(large > 4 << 20);
    checkpoint(&map, &mut model, &Step::freeing(many)).unwrap();
    assert_eq!(len(&disk), large);
    assert!(map.has_spare_map_pages());
    checkpoint(&map, &mut model, &Step::default().lowering()).unwrap();
    assert!(!map.has_spare_map_pages());
    assert_eq!(len(&disk), small);
    assert_eq!(model.pages, few.pages);
    model.assert_held_by(&map);
    drop(map);
    let map = recover(&disk);
    model.assert_held_by(&map);
    checkpoint(&map, &mut model, &Step::writing([700])).unwrap();
    model.assert_held_by(&map);
}

/// Page numbers at the end may be given back before the map has lowered its counts: a checkpoint that frees them writes their map pages.
#[test]
fn what_is_needed_counts_the_map_pages_of_numbers_that_were_given_back() {
    let (disk, mut model) = (memory(), Model::default());
    let map = create(&disk, 512);
    let mut rng = Rng(3);
    while map.superblock().page_count < 3 * MapKind::Pages.leaf_span() {
        checkpoint(&map, &mut model, &Step::random(&mut rng, 1600, 120)).unwrap();
    }
    let need = |page_end| Need {
        slots: 0,
        entries: 4000,
        page_end,
    };
    let all = map.buffer_needed(&need(PageNo(map.superblock().page_count)));
    assert_eq!(map.buffer_needed(&need(PageNo(1))), all);
}

#[test]
fn pages_are_made_durable_in_small_pieces_while_somebody_syncs_the_log() {
    let syncs_of = |is_alone: bool| {
        let faulty = FaultyDisk::new(MemoryDisk::new());
        let map = create(&(Arc::new(faulty.clone()) as Arc<dyn Disk>), 4096);
        let log_syncs = AtomicU64::new(7);
        faulty.take_asked();
        let mut checkpoint = map.begin().unwrap().beside(&log_syncs);
        for page in (1..=256).map(PageNo) {
            if !is_alone {
                log_syncs.fetch_add(1, Relaxed);
            }
            let image = image(4096, page, Version(1));
            checkpoint.write_page(page, Version(1), &image).unwrap();
        }
        checkpoint.sync_data().unwrap();
        let asked = faulty.take_asked();
        let count = |operation| {
            let is_one = |asked: &&Asked| asked.operation == operation && asked.name == "data";
            asked.iter().filter(is_one).count()
        };
        (count(Operation::Sync), count(Operation::StartWriteback))
    };
    assert_eq!(syncs_of(true), (1, 0));
    // Of 1 MiB, the disk begins with each half of a piece when it is there.
    assert_eq!(syncs_of(false), (16, 32));
}
